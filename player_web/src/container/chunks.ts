/** Chunks: type, length, payload, CRC-32C (SPEC.md 2 and 3.2). */

import { BadData, Unsupported } from "../decode/errors.js";
import type { SegmentEntry } from "../wire/source.js";
import { crc32c } from "./crc32c.js";
import { LimitExceeded, Truncated } from "./errors.js";

/** Behind it stands the major version. */
const MAGIC = [0x89, 0x47, 0x53, 0x56, 0x0d, 0x0a, 0x1a];
const MAJOR = 2;
export const MAGIC_BYTES = 8;
export const MAX_PAYLOAD = 2 ** 28;
/** Exact in a double. */
export const MAX_FRAME = 2 ** 48;
const KNOWN = new Set(["HEAD", "SEGM", "INDX", "FOOT"]);
export const CHUNK_HEAD = 8;
/** Head and checksum. */
export const CHUNK_OVERHEAD = 12;
export const SEGMENT_HEAD = 18;

export interface ChunkHead {
  type: string;
  length: number;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Exact below 2^53; larger numbers are out of range wherever this is read. */
export function u64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

export function checkMagic(bytes: Uint8Array): void {
  if (bytes.length < MAGIC_BYTES) throw new Truncated("this file ends within its first bytes");
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) throw new BadData("this is not a .gsv file");
  if (bytes[7] !== MAJOR) throw new Unsupported(`this file is of version ${bytes[7]}; this player reads ${MAJOR}`);
}

export function chunkHead(bytes: Uint8Array): ChunkHead {
  if (bytes.length < CHUNK_HEAD) throw new Truncated("the file ends within a chunk's head");
  const type = String.fromCharCode(...bytes.subarray(0, 4));
  const length = viewOf(bytes).getUint32(4, true);
  if (!/^[A-Za-z]{4}$/.test(type)) throw new BadData("damaged chunk head");
  if (length > MAX_PAYLOAD) throw new LimitExceeded(`chunk ${type} is too long`);
  if (/^[A-Z]/.test(type) && !KNOWN.has(type)) throw new Unsupported(`chunk ${type} is not known to this player`);
  return { type, length };
}

/** A chunk's payload, its checksum compared. `bytes` is head, payload and checksum. */
export function payloadOf(bytes: Uint8Array, what: string): Uint8Array {
  const end = bytes.length - 4;
  if (crc32c(bytes.subarray(0, end)) !== viewOf(bytes).getUint32(end, true)) {
    throw new BadData(`${what}: checksum differs`);
  }
  return bytes.subarray(CHUNK_HEAD, end);
}

/** The entry of a SEGM chunk from its segment head; `at` is the chunk's place and `length` its payload's. */
export function segmentEntry(head: Uint8Array, at: number, length: number, crc: number): SegmentEntry {
  if (head.length < SEGMENT_HEAD) throw new Truncated("the file ends within a segment's head");
  const view = viewOf(head);
  const base = view.getUint16(2, true);
  const gop = view.getUint32(4, true);
  if (base > gop) throw new BadData("SEGM: base before the first segment");
  const firstFrame = u64(view, 8);
  const nFrames = view.getUint16(16, true);
  if (nFrames === 0 || firstFrame + nFrames > MAX_FRAME) throw new BadData("SEGM: frames out of range");
  return {
    rung: view.getUint16(0, true),
    gop,
    firstFrame,
    nFrames,
    offset: at + CHUNK_HEAD + SEGMENT_HEAD,
    length: length - SEGMENT_HEAD,
    crc,
    base,
  };
}
