/** Files open by their front, by their tail, and chunk by chunk; damage is told as such. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { crc32c } from "../src/container/crc32c.js";
import { openContainer, parseHeader } from "../src/container/open.js";
import { BadData, Unsupported } from "../src/decode/errors.js";
import { decodeSegment } from "../src/decode/segment.js";

declare const REPOSITORY: string;
const FILE = new Uint8Array(readFileSync(`${REPOSITORY}/spec/vectors/player/small.gsv`));

function reader(bytes: Uint8Array) {
  const asked: [number, number][] = [];
  return {
    asked,
    size: bytes.length,
    read: async (start: number, length: number) => {
      asked.push([start, length]);
      assert.ok(start + length <= bytes.length, "reads stay inside the file");
      return bytes.slice(start, start + length);
    },
  };
}

/** Offsets of the chunks, by type. */
function chunks(bytes: Uint8Array): { type: string; at: number; total: number }[] {
  const out = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const type = String.fromCharCode(...bytes.subarray(at, at + 4));
    const total = 12 + new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(4, true);
    out.push({ type, at, total });
    at += total;
  }
  return out;
}

const changed = (at: number, value: number) => {
  const out = FILE.slice();
  out[at] = value;
  return out;
};

test("CRC-32C gives the check value of its definition", () => {
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
});

test("a finished file opens with at most two reads", async () => {
  const source = reader(FILE);
  const { header, index, complete } = await openContainer(source);
  assert.ok(source.asked.length <= 2);
  assert.equal(complete, true);
  assert.equal(header.frames, 6);
  assert.deepEqual(
    index.map(({ gop, firstFrame, nFrames }) => [gop, firstFrame, nFrames]),
    [
      [0, 0, 3],
      [1, 3, 3],
    ],
  );
});

test("the index leads to segments whose checksums hold and which decode", async () => {
  const { index } = await openContainer(reader(FILE));
  for (const { offset, length, crc, nFrames } of index) {
    const bytes = FILE.subarray(offset!, offset! + length);
    assert.equal(crc32c(bytes), crc);
    assert.equal((await decodeSegment(bytes, null)).frames, nFrames);
  }
});

test("a file whose front has no index opens by its tail", async () => {
  const front = chunks(FILE).find(({ type }) => type === "INDX")!;
  const bytes = FILE.slice();
  bytes.set(new TextEncoder().encode("free"), front.at); // its checksum no longer matters: free chunks are skipped
  const opened = await openContainer(reader(bytes));
  assert.deepEqual(opened.index, (await openContainer(reader(FILE))).index);
});

test("a file that was cut is walked, and keeps its whole segments", async () => {
  const all = chunks(FILE);
  const front = all.find(({ type }) => type === "INDX")!;
  const second = all.filter(({ type }) => type === "SEGM")[1]!;
  const bytes = FILE.slice(0, second.at + 40);
  bytes.set(new TextEncoder().encode("free"), front.at);
  const { index } = await openContainer(reader(bytes));
  assert.deepEqual(
    index.map(({ gop, crc }) => [gop, crc]),
    [[0, -1]],
  );
});

test("other files, later versions and unknown critical chunks are refused by name", async () => {
  await assert.rejects(openContainer(reader(changed(1, 0))), /not a \.gsv file/);
  await assert.rejects(openContainer(reader(changed(7, 9))), Unsupported);
  await assert.rejects(openContainer(reader(changed(8, 0x58))), /XEAD/);
});

test("a damaged header is bad data", async () => {
  await assert.rejects(openContainer(reader(changed(20, FILE[20]! ^ 1))), BadData);
});

test("the bytes before the first segment are enough for the header", () => {
  const first = chunks(FILE).find(({ type }) => type === "SEGM")!;
  assert.equal(parseHeader(FILE.subarray(0, first.at)).frames, 6);
});
