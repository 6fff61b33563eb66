/** H.264 in fragmented MP4: boxes nest, lengths hold, pictures are all there. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { readVideo, tilesOf } from "../src/decode/layout.js";
import { readModel, splitSegment } from "../src/decode/model.js";
import { initSegment, mediaSegment, nalUnits } from "../src/video/fmp4.js";

declare const REPOSITORY: string;
const sections = splitSegment(new Uint8Array(readFileSync(`${REPOSITORY}/spec/vectors/segment/ok/video.seg`)));
const model = readModel(sections.model);
const { units } = readVideo(model, sections, tilesOf(model));

/** [type, payload] of the boxes that `bytes` is made of, exactly. */
function boxes(bytes: Uint8Array): [string, Uint8Array][] {
  const out: [string, Uint8Array][] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0);
    assert.ok(length >= 8 && at + length <= bytes.length);
    out.push([String.fromCharCode(...bytes.subarray(at + 4, at + 8)), bytes.subarray(at + 8, at + length)]);
    at += length;
  }
  return out;
}

const inside = (bytes: Uint8Array, ...path: string[]): Uint8Array =>
  path.reduce((within, type) => boxes(within).find(([name]) => name === type)![1], bytes);

test("NAL units come without start codes and trailing zeros", () => {
  const bytes = Uint8Array.from([0, 0, 0, 1, 0x67, 5, 0, 0, 1, 0x68, 6, 0, 0, 0, 1, 0x65, 7]);
  assert.deepEqual(
    nalUnits(bytes).map((unit) => [...unit]),
    [
      [0x67, 5],
      [0x68, 6],
      [0x65, 7],
    ],
  );
});

test("the start names the codec and the picture's size", () => {
  const { data, codec } = initSegment(units[0]!, ...model.atlas);
  assert.match(codec, /^avc1\.[0-9a-f]{6}$/);
  assert.deepEqual(
    boxes(data).map(([type]) => type),
    ["ftyp", "moov"],
  );
  const header = inside(data, "moov", "trak", "tkhd");
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  assert.deepEqual([view.getUint32(76) / 65536, view.getUint32(80) / 65536], model.atlas);
});

test("the fragment's samples fill its data, and the first is the key", () => {
  const data = mediaSegment(units);
  const run = inside(data, "moof", "traf", "trun");
  const view = new DataView(run.buffer, run.byteOffset, run.byteLength);
  const count = view.getUint32(4);
  assert.equal(count, units.length);
  const sizes = Array.from({ length: count }, (_, i) => view.getUint32(12 + 8 * i));
  assert.equal(
    sizes.reduce((a, b) => a + b, 0),
    inside(data, "mdat").length,
  );
  const flags = Array.from({ length: count }, (_, i) => view.getUint32(16 + 8 * i));
  assert.deepEqual(
    flags.map((flag) => flag === 0x02000000),
    flags.map((_, i) => i === 0),
  );
  const start = view.getUint32(8);
  assert.equal(String.fromCharCode(...data.subarray(start - 4, start)), "mdat");
});
