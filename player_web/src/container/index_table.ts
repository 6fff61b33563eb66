/** INDX: where each segment's bytes lie (SPEC.md 3.3). */

import { BadData, Unsupported } from "../decode/errors.js";
import type { SegmentEntry } from "../wire/source.js";
import { MAX_FRAME, MAX_PAYLOAD } from "./chunks.js";
import { LimitExceeded } from "./errors.js";
import { Numbers, unzip } from "./zstd.js";

const VERSION = 2;
/** Six rungs of a day of one-second GOPs. */
const MAX_ENTRIES = 2 ** 19;

export function readIndex(payload: Uint8Array): SegmentEntry[] {
  const numbers = new Numbers(unzip(payload));
  if (numbers.u8() !== VERSION) throw new Unsupported("this index version is not known here");
  const out: SegmentEntry[] = [];
  const rungs = new Set<number>();
  for (let left = numbers.uv(MAX_FRAME); left > 0; left--) {
    const rung = numbers.uv(MAX_FRAME);
    const count = numbers.uv(MAX_FRAME);
    if (rung > 0xffff || rungs.has(rung)) throw new BadData("INDX: rung out of range or twice the same");
    if (out.length + count > MAX_ENTRIES) throw new LimitExceeded("INDX: too many segments");
    rungs.add(rung);
    readRung(numbers, rung, count, out);
  }
  if (!numbers.done) throw new BadData("INDX: bytes left over");
  return out;
}

function readRung(numbers: Numbers, rung: number, count: number, out: SegmentEntry[]): void {
  let gop = 0;
  let frame = 0;
  let end = 0;
  for (let i = 0; i < count; i++) {
    gop += numbers.uv(MAX_FRAME);
    const firstFrame = frame + numbers.uv(MAX_FRAME);
    const nFrames = numbers.uv(MAX_FRAME);
    const offset = end + numbers.uv(MAX_FRAME);
    const length = numbers.uv(MAX_FRAME);
    frame = firstFrame + nFrames;
    end = offset + length;
    if (nFrames === 0 || nFrames > 0xffff || gop >= 2 ** 32 || Math.max(frame, end) > MAX_FRAME) {
      throw new BadData("INDX: entry out of range");
    }
    if (length > MAX_PAYLOAD) throw new LimitExceeded("INDX: segment too long");
    const crc = numbers.u32();
    const base = numbers.uv(MAX_FRAME);
    if (base > gop) throw new BadData("INDX: base before the first segment");
    out.push({ rung, gop, firstFrame, nFrames, offset, length, crc, base });
    gop += 1;
  }
}
