/** Segments written by the Python codec decode to its integers, bit for bit, and to its frames within the tolerance. */

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { crc32, inflateSync } from "node:zlib";
import { BadData } from "../src/decode/errors.js";
import type { FrameAttributes } from "../src/decode/gop.js";
import { buffersOf, copyOfBase, received } from "../src/decode/lending.js";
import type { Base } from "../src/decode/planes.js";
import { decodeBase, decodeSegment, type LumaSource, NeedsVideo } from "../src/decode/segment.js";

declare const REPOSITORY: string;
const FOLDER = `${REPOSITORY}/spec/vectors/segment/ok`;
const names = readdirSync(FOLDER).flatMap((file) => (file.endsWith(".seg") ? [file.slice(0, -4)] : []));

interface Told {
  crc32_of_int32_planes: Record<string, string>;
  first_values: Record<string, Record<keyof FrameAttributes, number[]>>;
}

const segment = (name: string) => new Uint8Array(readFileSync(`${FOLDER}/${name}.seg`));
/** Of the segment whose base this one shares: it lies beside it as NAME.base. */
const sharedBase = (name: string) => {
  const path = `${FOLDER}/${name}.base`;
  return existsSync(path) ? decodeBase(new Uint8Array(readFileSync(path))) : null;
};
const told = (name: string): Told => JSON.parse(readFileSync(`${FOLDER}/${name}.json`, "utf8"));

/** Hands out the pictures that were stored beside the segment. */
function storedLuma(name: string): LumaSource {
  return {
    decode: async (units, width, height) => {
      const all = inflateSync(readFileSync(`${FOLDER}/${name}.luma.zlib`));
      assert.equal(all.length, units.length * width * height);
      return units.map((_, i) => all.subarray(i * width * height, (i + 1) * width * height));
    },
  };
}

for (const name of names) {
  test(`${name}: every plane equals the writer's`, async () => {
    const gop = await decodeSegment(segment(name), storedLuma(name), sharedBase(name));
    const got = [...gop.planes()].map(([plane, values]): [string, string] => {
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      return [plane, crc32(bytes).toString(16).padStart(8, "0")];
    });
    assert.deepEqual(Object.fromEntries(got), told(name).crc32_of_int32_planes);
  });

  test(`${name}: frames agree within 1/65536 of an attribute's range`, async () => {
    const gop = await decodeSegment(segment(name), storedLuma(name), sharedBase(name));
    for (const [t, wanted] of Object.entries(told(name).first_values)) {
      const frame = gop.frame(Number(t));
      for (const key of ["means", "quats", "scales", "opacities", "sh"] as const) {
        const range = Math.max(
          1e-3,
          frame[key].reduce((a, v) => Math.max(a, v), -1e9) - frame[key].reduce((a, v) => Math.min(a, v), 1e9),
        );
        wanted[key].forEach((value, i) => {
          assert.ok(Math.abs(value - frame[key][i]!) <= range / 65536 + 1e-7, `${key}[${i}] of frame ${t}`);
        });
      }
    }
  });
}

test("a base that another worker decoded is as good as an own one", async () => {
  let told: Base | null = null;
  await decodeSegment(segment("moving"), null, null, (base) => {
    told = base;
  });
  assert.ok(told !== null);
  const name = "shared";
  const copy = copyOfBase(decodeBase(new Uint8Array(readFileSync(`${FOLDER}/${name}.base`))));
  const lent = received(structuredClone(copy, { transfer: buffersOf(copy) }));
  assert.equal(copy.labels.length, 0, "its memory went along");
  const there = await decodeSegment(segment(name), storedLuma(name), lent);
  const here = await decodeSegment(segment(name), storedLuma(name), sharedBase(name));
  assert.deepEqual(there.planes(), here.planes());
  assert.deepEqual(there.frame(1), here.frame(1));
  assert.equal(there.memory, here.memory);
});

test("a segment cut anywhere is bad data, not a crash", async () => {
  const bytes = segment("moving");
  for (let length = 0; length < bytes.length; length += 97) {
    await assert.rejects(decodeSegment(bytes.subarray(0, length), null), BadData);
  }
});

test("a segment with any byte changed decodes or is bad data, and never takes long", async () => {
  const bytes = segment("moving");
  for (let at = 0; at < bytes.length; at += 53) {
    const changed = bytes.slice();
    changed[at]! ^= 1 << (at & 7);
    try {
      (await decodeSegment(changed, null)).frame(0);
    } catch (error) {
      assert.ok(error instanceof BadData || error instanceof NeedsVideo, `byte ${at}: ${error}`);
    }
  }
});

test("video planes are asked for only where there are any", async () => {
  await assert.rejects(decodeSegment(segment("video"), null), NeedsVideo);
  assert.equal((await decodeSegment(segment("moving"), null)).frames, 6);
});
