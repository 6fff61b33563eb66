/** A picture's luma, clamped to what every browser's way to it keeps apart (SPEC.md 5.9). */

import { BadData } from "../decode/errors.js";

const LOW = 16;
const HIGH = 235;
/** Formats whose first plane is luma in bytes. */
const PLANAR = new Set(["I420", "I420A", "I422", "I444", "NV12"]);

/** (width * height) samples. The frame stays open. */
export async function lumaOf(frame: VideoFrame, width: number, height: number): Promise<Uint8Array> {
  const rect = frame.visibleRect;
  if (rect === null || rect.width !== width || rect.height !== height) {
    throw new BadData("video: pictures are not of the atlas's size");
  }
  if (frame.format === null || !PLANAR.has(frame.format)) {
    throw new Error(`this browser hands out pictures as ${frame.format}, not as luma`);
  }
  const bytes = new Uint8Array(frame.allocationSize());
  const { offset, stride } = (await frame.copyTo(bytes))[0]!;
  const out = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const row = bytes.subarray(offset + y * stride, offset + y * stride + width);
    for (let x = 0, to = y * width; x < width; x++, to++) {
      out[to] = Math.min(Math.max(row[x]!, LOW), HIGH);
    }
  }
  return out;
}
