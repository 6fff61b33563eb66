/** Opening a .gsv through byte ranges, or from the bytes before its first segment (SPEC.md 2, 4). */

import { BadData, Unsupported } from "../decode/errors.js";
import type { RangeReader } from "../wire/http.js";
import type { Opened, SegmentEntry } from "../wire/source.js";
import { crc32c } from "./crc32c.js";
import { type Header, readHeader, readIndex } from "./header.js";

const MAGIC = [0x89, 0x47, 0x53, 0x56, 0x0d, 0x0a, 0x1a];
const MAJOR = 1;
const MAX_PAYLOAD = 2 ** 28;
const FIRST_READ = 2 ** 16;
const KNOWN = new Set(["HEAD", "SEGM", "INDX", "FOOT"]);
const SEGMENT_HEAD = 18;
const TAIL = 44;

interface ChunkHead {
  type: string;
  length: number;
}

function checkMagic(bytes: Uint8Array): void {
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) throw new BadData("this is not a .gsv file");
  if (bytes[7] !== MAJOR) throw new Unsupported(`this file is of version ${bytes[7]}; this player reads ${MAJOR}`);
}

function chunkHead(bytes: Uint8Array): ChunkHead {
  const type = String.fromCharCode(...bytes.subarray(0, 4));
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
  if (!/^[A-Za-z]{4}$/.test(type) || length > MAX_PAYLOAD) throw new BadData("damaged chunk head");
  if (/^[A-Z]/.test(type) && !KNOWN.has(type)) throw new Unsupported(`chunk ${type} is not known to this player`);
  return { type, length };
}

/** A chunk's payload, its checksum compared. `bytes` is head, payload and checksum. */
function payloadOf(bytes: Uint8Array, what: string): Uint8Array {
  const end = bytes.length - 4;
  const crc = new DataView(bytes.buffer, bytes.byteOffset).getUint32(end, true);
  if (crc32c(bytes.subarray(0, end)) !== crc) throw new BadData(`${what}: checksum differs`);
  return bytes.subarray(8, end);
}

/** For the websocket, whose first message is the file up to its first segment. */
export function parseHeader(bytes: Uint8Array): Header {
  checkMagic(bytes);
  let header: Header | null = null;
  for (let at = 8; at + 12 <= bytes.length; ) {
    const { type, length } = chunkHead(bytes.subarray(at));
    if (at + 12 + length > bytes.length) break;
    if (type === "HEAD") header = readHeader(payloadOf(bytes.subarray(at, at + 12 + length), type));
    at += 12 + length;
  }
  if (header === null) throw new BadData("the file has no header");
  return header;
}

/** Reads from the start as one goes on; what was fetched ahead is not fetched again. */
class Front {
  private ahead: Uint8Array = new Uint8Array(0);

  constructor(
    private readonly reader: RangeReader,
    private readonly signal: AbortSignal | undefined,
  ) {}

  get size(): number | null {
    return this.reader.size;
  }

  async bytes(start: number, length: number): Promise<Uint8Array> {
    const end = start + length;
    if (this.size !== null && end > this.size) throw new BadData("the file ends too early");
    if (end <= this.ahead.length) return this.ahead.subarray(start, end);
    if (start <= FIRST_READ && this.ahead.length < FIRST_READ && this.size !== null && this.size > this.ahead.length) {
      const want = Math.min(this.size, Math.max(FIRST_READ, end));
      this.ahead = await this.reader.read(0, want, this.signal);
      return this.ahead.subarray(start, end);
    }
    return this.reader.read(start, length, this.signal);
  }
}

export async function openContainer(reader: RangeReader, signal?: AbortSignal): Promise<Opened<Header>> {
  const front = new Front(reader, signal);
  checkMagic(await front.bytes(0, 8)); // tells the size, too, which bounds what follows
  let header: Header | null = null;
  let at = 8;
  for (;;) {
    if (front.size !== null && at + 12 > front.size) break;
    const { type, length } = chunkHead(await front.bytes(at, 8));
    const total = 12 + length;
    if (type === "SEGM") break;
    if (type === "HEAD" || type === "INDX") {
      const payload = payloadOf(await front.bytes(at, total), type);
      if (type === "HEAD") header = readHeader(payload);
      else if (header !== null) return { header, index: readIndex(payload), complete: true };
    }
    at += total;
  }
  if (header === null) throw new BadData("the file has no header");
  const index = (await fromTail(front)) ?? (await scan(front, at));
  return { header, index, complete: header.frames > 0 };
}

/** The index that the end of the file leads to, null where there is none. */
async function fromTail(front: Front): Promise<SegmentEntry[] | null> {
  const { size } = front;
  if (size === null || size < TAIL + 8) return null;
  const tail = await front.bytes(size - TAIL, TAIL);
  try {
    checkMagic(tail.subarray(TAIL - 8));
    const foot = payloadOf(tail.subarray(TAIL - 8 - 28, TAIL - 8), "FOOT");
    const view = new DataView(foot.buffer, foot.byteOffset);
    const offset = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
    const { length } = chunkHead(await front.bytes(offset, 8));
    return readIndex(payloadOf(await front.bytes(offset, 12 + length), "INDX"));
  } catch (error) {
    if (error instanceof BadData) return null; // a growing or a cut file: its segments are found one by one
    throw error;
  }
}

/** The whole segments of a file without an index. Their checksums are not known before they are read: -1. */
async function scan(front: Front, start: number): Promise<SegmentEntry[]> {
  const out: SegmentEntry[] = [];
  for (let at = start; front.size !== null && at + 12 + SEGMENT_HEAD <= front.size; ) {
    const bytes = await front.bytes(at, 8 + SEGMENT_HEAD);
    const { type, length } = chunkHead(bytes);
    if (at + 12 + length > front.size) break;
    if (type === "SEGM") {
      const view = new DataView(bytes.buffer, bytes.byteOffset + 8);
      out.push({
        rung: view.getUint16(0, true),
        gop: view.getUint32(4, true),
        firstFrame: view.getUint32(8, true) + view.getUint32(12, true) * 2 ** 32,
        nFrames: view.getUint16(16, true),
        offset: at + 8 + SEGMENT_HEAD,
        length: length - SEGMENT_HEAD,
        crc: -1,
      });
    }
    at += 12 + length;
  }
  return out;
}
