/** The shared container vectors, read in order, by ranges, and in pieces; errors by kind. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { crc32c } from "../src/container/crc32c.js";
import { LimitExceeded, Truncated } from "../src/container/errors.js";
import { openContainer, parseHeader } from "../src/container/open.js";
import { type GsvEvent, Reader } from "../src/container/reader.js";
import { BadData, Unsupported } from "../src/decode/errors.js";
import type { RangeReader } from "../src/wire/http.js";
import type { SegmentEntry } from "../src/wire/source.js";

declare const REPOSITORY: string;
const FOLDER = `${REPOSITORY}/spec/vectors/container`;

interface Verdict {
  in_order: string | null;
  player: string | null;
  damaged: number[];
}

interface Told {
  header: {
    generator: string;
    title: string;
    fps: [number, number];
    frames: number;
    sh_degree: number;
    kernel: string;
    up: number[];
    bounds: { center: number[]; radius: number };
    rungs: { id: number; payload: string; codecs: string[]; slots: number }[];
  };
  segments: number[][];
}

const file = (name: string) => new Uint8Array(readFileSync(`${FOLDER}/${name}.gsv`));
const OK = readdirSync(`${FOLDER}/ok`).flatMap((name) => (name.endsWith(".gsv") ? [name.slice(0, -4)] : []));
const VERDICTS: Record<string, Verdict> = JSON.parse(readFileSync(`${FOLDER}/bad/verdicts.json`, "utf8"));
const told = (name: string): Told => JSON.parse(readFileSync(`${FOLDER}/ok/${name}.json`, "utf8"));

class Memory implements RangeReader {
  readonly size: number;
  reads = 0;

  constructor(private readonly bytes: Uint8Array) {
    this.size = bytes.length;
  }

  async read(start: number, length: number): Promise<Uint8Array> {
    this.reads++;
    return this.bytes.subarray(start, start + length);
  }
}

function readInPieces(bytes: Uint8Array, size: (at: number) => number): GsvEvent[] {
  const reader = new Reader();
  const out: GsvEvent[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + size(at);
    reader.feed(bytes.subarray(at, end));
    out.push(...reader.events());
    at = end;
  }
  reader.close();
  return out;
}

const readInOrder = (bytes: Uint8Array) => readInPieces(bytes, () => bytes.length);

function kindOf(error: unknown): string {
  if (error instanceof Truncated) return "truncated";
  if (error instanceof LimitExceeded) return "limit";
  if (error instanceof Unsupported) return "unsupported";
  if (error instanceof BadData) return "bad";
  throw error;
}

const row = (e: SegmentEntry) => [e.rung, e.gop, e.firstFrame, e.nFrames, e.offset, e.length, e.crc, e.base];
const byPlace = (rows: (number | undefined)[][]) => rows.map((r) => JSON.stringify(r)).sort();

function plainCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

test("crc32c is the plain one at every length, and the standard's check value", () => {
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  const bytes = Uint8Array.from({ length: 70 }, (_, i) => (i * i * 31 + 7) & 255);
  for (let n = 0; n <= bytes.length; n++) assert.equal(crc32c(bytes.subarray(0, n)), plainCrc(bytes.subarray(0, n)));
});

for (const name of OK) {
  const { header, segments } = told(name);
  const growing = name.startsWith("growing");

  test(`${name}: header and segments are found by ranges`, async () => {
    const bytes = file(`ok/${name}`);
    const opened = await openContainer(new Memory(bytes));
    const got = opened.header;
    assert.deepEqual(
      [got.generator, got.title, got.fps, got.frames, got.shDegree, got.kernel, got.up, got.center, got.radius],
      [
        header.generator,
        header.title,
        header.fps[0] / header.fps[1],
        header.frames,
        header.sh_degree,
        header.kernel,
        header.up,
        header.bounds.center,
        header.bounds.radius,
      ],
    );
    assert.deepEqual(
      got.rungs,
      header.rungs.map(({ id, payload, codecs, slots }) => ({ id, payload, codecs, slots })),
    );
    const rows = growing ? segments.map((s) => [...s.slice(0, 6), -1, s[7] ?? 0]) : segments;
    assert.deepEqual(byPlace(opened.index.map(row)), byPlace(rows));
    assert.deepEqual(parseHeader(bytes), got);
  });

  if (growing) continue;
  test(`${name}: events do not depend on how the bytes are split`, () => {
    const bytes = file(`ok/${name}`);
    const once = readInOrder(bytes);
    const found = once.flatMap((event) => (event.kind === "segment" ? [row(event.entry)] : []));
    assert.deepEqual(found, segments);
    assert.equal(once.at(-1)?.kind, "end");
    assert.deepEqual(
      readInPieces(bytes, () => 1),
      once,
    );
    assert.deepEqual(
      readInPieces(bytes, (at) => 1 + ((at * 7919) % 97)),
      once,
    );
  });
}

test("a small file is opened by one read", async () => {
  const reader = new Memory(file("ok/three_gops"));
  await openContainer(reader);
  assert.equal(reader.reads, 1);
});

for (const [name, verdict] of Object.entries(VERDICTS)) {
  test(`bad/${name}: refused by kind`, async () => {
    const bytes = file(`bad/${name}`);
    let kind: string | null = null;
    try {
      readInOrder(bytes);
    } catch (error) {
      kind = kindOf(error);
    }
    assert.equal(kind, verdict.in_order, "in order");
    const damaged: number[] = [];
    let player: string | null = null;
    try {
      for (const entry of (await openContainer(new Memory(bytes))).index) {
        const at = entry.offset ?? 0;
        const segment = bytes.subarray(at, at + entry.length);
        if (entry.crc >= 0 && crc32c(segment) !== entry.crc) damaged.push(entry.gop);
      }
    } catch (error) {
      player = kindOf(error);
    }
    assert.equal(player, verdict.player, "player");
    assert.deepEqual(damaged, verdict.damaged, "damaged");
  });
}

test("every truncation and every flipped bit of a file raise documented errors, and give no wrong segment", () => {
  const bytes = file("ok/two_rungs");
  const whole = readInOrder(bytes).flatMap((e) => (e.kind === "segment" ? [JSON.stringify(row(e.entry))] : []));
  const damaged = [
    ...Array.from(bytes, (_, length) => bytes.subarray(0, length)),
    ...Array.from({ length: 8 * bytes.length }, (_, at) =>
      bytes.map((b, i) => (i === at >> 3 ? b ^ (1 << (at & 7)) : b)),
    ),
  ];
  for (const data of damaged) {
    const reader = new Reader();
    reader.feed(data);
    assert.throws(() => {
      for (const event of reader.events()) {
        if (event.kind === "segment") assert.ok(whole.includes(JSON.stringify(row(event.entry))));
      }
      reader.close();
    }, BadData);
  }
});

test("10,000 seeded mutations, half with checksums made right, raise only documented errors", async () => {
  const bytes = file("ok/assembled");
  let state = 1;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let reached = 0;
  for (let i = 0; i < 10_000; i++) {
    const data = bytes.slice();
    for (let k = 0; k < 1 + random(4); k++) data[random(data.length)] = random(256);
    if (i % 2) mend(data);
    try {
      readInOrder(data);
      await openContainer(new Memory(data));
      reached++;
    } catch (error) {
      kindOf(error);
    }
  }
  assert.ok(reached > 0);
});

/** Makes the checksums right again, as far as the chunks can be followed. */
function mend(data: Uint8Array): void {
  const view = new DataView(data.buffer);
  for (let at = 8; at + 12 <= data.length; ) {
    const end = at + 8 + view.getUint32(at + 4, true);
    if (end + 4 > data.length) return;
    view.setUint32(end, crc32c(data.subarray(at, end)), true);
    at = end + 4;
  }
}
