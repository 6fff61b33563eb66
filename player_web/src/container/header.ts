/** HEAD and INDX: zstd-compressed metadata (SPEC.md 3.1, 3.3). */

import { decompress } from "fzstd";
import { BadData, Unsupported } from "../decode/errors.js";
import type { SegmentEntry } from "../wire/source.js";

const MAX_METADATA = 2 ** 24;
const MAX_FRAME = 2 ** 48;

export interface Rung {
  id: number;
  payload: string;
  codecs: string[];
  slots: number;
}

export interface Header {
  generator: string;
  title: string;
  /** Frames a second. */
  fps: number;
  /** 0: the file is still growing. */
  frames: number;
  shDegree: number;
  kernel: string;
  up: [number, number, number];
  center: [number, number, number];
  radius: number;
  rungs: Rung[];
}

/** The size that a zstd frame states; every frame of this format does. */
function contentSize(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 6 || view.getUint32(0, true) !== 0xfd2fb528) throw new BadData("metadata is not zstd");
  const flags = view.getUint8(4);
  const single = (flags & 32) !== 0;
  const at = 5 + (single ? 0 : 1) + [0, 1, 2, 4][flags & 3]!;
  const kind = flags >> 6;
  if (at + [single ? 1 : 0, 2, 4, 8][kind]! > bytes.length) throw new BadData("metadata ends too early");
  if (kind === 0 && single) return view.getUint8(at);
  if (kind === 1) return view.getUint16(at, true) + 256;
  if (kind === 2) return view.getUint32(at, true);
  if (kind === 3) return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
  throw new BadData("metadata states no size");
}

function unzip(bytes: Uint8Array): Uint8Array {
  const size = contentSize(bytes);
  if (size > MAX_METADATA) throw new BadData("metadata is too large");
  try {
    return decompress(bytes, new Uint8Array(size));
  } catch (error) {
    throw new BadData(`metadata can't be decompressed: ${error instanceof Error ? error.message : error}`);
  }
}

type Json = Record<string, unknown>;

function vector(value: unknown, field: string, fallback: [number, number, number]): [number, number, number] {
  if (value === undefined) return fallback;
  if (!Array.isArray(value) || value.length !== 3 || !value.every((v) => Number.isFinite(v))) {
    throw new BadData(`HEAD: ${field} is not three numbers`);
  }
  return value as [number, number, number];
}

export function readHeader(payload: Uint8Array): Header {
  let doc: Json;
  try {
    doc = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(unzip(payload)));
  } catch (error) {
    if (error instanceof BadData) throw error;
    throw new BadData("HEAD: not readable");
  }
  if (typeof doc !== "object" || doc === null) throw new BadData("HEAD: not an object");
  const [top, bottom] = Array.isArray(doc["fps"]) ? (doc["fps"] as number[]) : [30, 1];
  const fps = top! / bottom!;
  if (!(fps > 0 && fps < 1e4)) throw new BadData("HEAD: fps is out of range");
  const bounds = (doc["bounds"] ?? {}) as Json;
  const radius = Number(bounds["radius"] ?? 1);
  const up = vector(doc["up"], "up", [0, -1, 0]);
  if (!(radius > 0 && radius < 1e30) || Math.hypot(...up) === 0) throw new BadData("HEAD: bounds or up out of range");
  const rungs = Array.isArray(doc["rungs"]) && doc["rungs"].length > 0 ? (doc["rungs"] as Json[]) : [{}];
  return {
    generator: String(doc["generator"] ?? ""),
    title: String(doc["title"] ?? ""),
    fps,
    frames: Number(doc["frames"] ?? 0),
    shDegree: Number(doc["sh_degree"] ?? 0),
    kernel: String(doc["kernel"] ?? "classic"),
    up,
    center: vector(bounds["center"], "center", [0, 0, 0]),
    radius,
    rungs: rungs.map((rung) => ({
      id: Number(rung["id"] ?? 0),
      payload: String(rung["payload"] ?? "video"),
      codecs: Array.isArray(rung["codecs"]) ? rung["codecs"].map(String) : [],
      slots: Number(rung["slots"] ?? 0),
    })),
  };
}

export function readIndex(payload: Uint8Array): SegmentEntry[] {
  const bytes = unzip(payload);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 1;
  if (bytes[0] !== 1) throw new Unsupported("this index version is not known here");
  const uv = () => {
    let value = 0;
    for (let i = 0; i < 7; i++) {
      if (at >= bytes.length) throw new BadData("INDX: ends too early");
      const byte = bytes[at++]!;
      value += (byte & 127) * 2 ** (7 * i);
      if (byte < 128) {
        if (value > MAX_FRAME) break;
        return value;
      }
    }
    throw new BadData("INDX: number too large");
  };
  const out: SegmentEntry[] = [];
  for (let rungs = uv(); rungs > 0; rungs--) {
    const rung = uv();
    let gop = 0;
    let frame = 0;
    let end = 0;
    for (let count = uv(); count > 0; count--) {
      gop += uv();
      const firstFrame = frame + uv();
      const nFrames = uv();
      const offset = end + uv();
      const length = uv();
      if (nFrames === 0 || at + 4 > bytes.length) throw new BadData("INDX: entry out of range");
      out.push({ rung, gop, firstFrame, nFrames, offset, length, crc: view.getUint32(at, true) });
      at += 4;
      frame = firstFrame + nFrames;
      end = offset + length;
      gop += 1;
    }
  }
  return out;
}
