/** Hostile segments: whatever the bytes, a segment decodes or is BadData, and never anything else. */

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { BadData, Unsupported } from "../src/decode/errors.js";
import { decodeBase, decodeSegment, type LumaSource } from "../src/decode/segment.js";

declare const REPOSITORY: string;
const FOLDER = `${REPOSITORY}/spec/vectors/segment`;
const MUTATIONS = 800; // of each segment

const read = (name: string) => new Uint8Array(readFileSync(`${FOLDER}/${name}.seg`));

/** Of the segment that lies beside it as the one whose base it shares. */
const baseOf = (name: string) => {
  const path = `${FOLDER}/${name}.base`;
  return existsSync(path) ? decodeBase(new Uint8Array(readFileSync(path))) : null;
};

/** Pictures of mid grey in any size that is asked for. */
const grey: LumaSource = {
  decode: async (units, width, height) => units.map(() => new Uint8Array(width * height).fill(126)),
};

/** mulberry32: a small seeded generator of 32-bit numbers. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** Where the sections' bodies start: version, flags and six lengths lie before. */
function bodyStart(bytes: Uint8Array): number {
  let at = 2;
  for (let left = 6; left > 0; at++) if (bytes[at]! < 128) left--;
  return at;
}

async function attempt(bytes: Uint8Array, base: ReturnType<typeof baseOf>, what: string): Promise<boolean> {
  try {
    const gop = await decodeSegment(bytes, grey, base);
    gop.frame(gop.frames - 1);
    return true;
  } catch (error) {
    assert.ok(error instanceof BadData, `${what}: ${error}`);
    return false;
  }
}

for (const name of ["one_slot", "moving", "still_degree_3", "shared_one_frame"]) {
  test(`${name}: cut at any byte it is bad data`, async () => {
    const [bytes, base] = [read(`ok/${name}`), baseOf(`ok/${name}`)];
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(await attempt(bytes.subarray(0, length), base, `${length} bytes`), false);
    }
  });
}

for (const name of [
  "moving",
  "restless",
  "parts",
  "still",
  "degree_2",
  "overflow",
  "shared",
  "shared_parts",
  "births",
  "soft_parts",
  "shared_soft_parts",
]) {
  test(`${name}: changed bytes within the sections decode or are bad data`, async () => {
    const [bytes, base] = [read(`ok/${name}`), baseOf(`ok/${name}`)];
    const start = bodyStart(bytes);
    const random = generator(name.length);
    let refused = 0;
    for (let i = 0; i < MUTATIONS; i++) {
      const changed = bytes.slice();
      for (let left = 1 + random(4); left > 0; left--) changed[start + random(bytes.length - start)] = random(256);
      if (!(await attempt(changed, base, `mutation ${i}`))) refused++;
    }
    assert.ok(refused > 0);
  });
}

test("segments of version 1 are refused by name", async () => {
  const bytes = read("ok/moving");
  bytes[0] = 1;
  await assert.rejects(
    decodeSegment(bytes, grey),
    (error) => error instanceof Unsupported && /version 1/.test(error.message),
  );
});

test("a segment that says its base is another's needs that base", async () => {
  const bytes = read("ok/moving");
  bytes[1] = 2;
  await assert.rejects(decodeSegment(bytes, grey), /needs the base of another/);
});

const kinds: Record<string, string> = JSON.parse(readFileSync(`${FOLDER}/bad/kinds.json`, "utf8"));
test("every damaged vector is named and every name has a vector", () => {
  const files = readdirSync(`${FOLDER}/bad`).flatMap((f) => (f.endsWith(".seg") ? [f.slice(0, -4)] : []));
  assert.deepEqual(files.sort(), Object.keys(kinds).sort());
});

for (const [name, kind] of Object.entries(kinds)) {
  test(`${name} is refused as ${kind}`, async () => {
    const refused = async () => decodeSegment(read(`bad/${name}`), grey, baseOf(`bad/${name}`));
    await assert.rejects(refused, kind === "unsupported" ? Unsupported : BadData);
  });
}
