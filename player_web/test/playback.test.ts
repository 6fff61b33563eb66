/** Playing without a browser: workers and source are stand-ins that answer when told to. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Timeline } from "../src/control/timeline.js";
import { copyOfBase } from "../src/decode/lending.js";
import type { DecodeRequest } from "../src/decode/messages.js";
import { decodeBase } from "../src/decode/segment.js";
import { type Hooks, Pipeline } from "../src/player/pipeline.js";
import { Playback } from "../src/player/playback.js";
import type { SortRequest } from "../src/sort/worker.js";
import { SourceError } from "../src/wire/source.js";

declare const REPOSITORY: string;
const FPS = 10;
const FRAMES = 5; // of a segment
const index = Array.from({ length: 4 }, (_, gop) => ({
  rung: 0,
  gop,
  firstFrame: gop * FRAMES,
  nFrames: FRAMES,
  length: 8,
  crc: 0,
  base: 0,
}));

interface Options {
  damaged?: number[];
  /** By segment: how many back its base lies. */
  bases?: number[];
  /** Segments that don't come before they are released. */
  held?: number[];
  /** A base that is lent is so only when it is released. */
  heldBase?: boolean;
}

/** A player's inside with everything around it made up; `run` lets time pass. */
function player(options: Options = {}) {
  const said: string[] = [];
  const held = new Map<number, () => void>();
  const fetched: number[] = [];
  const decoded: [number, number | null][] = [];
  /** What decoders were told, by decoder. */
  const told: [number, string][] = [];
  const stub = (answer: (data: never, reply: (data: unknown) => void) => void) => {
    const worker = {
      onmessage: null as ((event: { data: unknown }) => void) | null,
      postMessage: (data: never) => answer(data, (reply) => queueMicrotask(() => worker.onmessage?.({ data: reply }))),
    };
    return worker as unknown as Worker;
  };
  const decode = (number: number) =>
    stub((data: DecodeRequest, reply) => {
      if (data.kind === "segment" || data.kind === "base") told.push([number, `${data.kind} ${data.gop}`]);
      if (data.kind === "segment" && [data.gop, data.base?.gop].some((gop) => options.damaged?.includes(gop ?? -1))) {
        reply({ kind: "damaged", gop: data.gop, reason: "made up" });
      } else if (data.kind === "segment") {
        decoded.push([data.gop, data.base?.gop ?? null]);
        const done = () =>
          reply({ kind: "segment", gop: data.gop, frames: FRAMES, count: 1, bytes: 1, milliseconds: 1 });
        if (!data.lend) return done();
        const lend = () => {
          reply({ kind: "base", gop: data.gop, base: copyOfBase(base) });
          setImmediate(done);
        };
        if (options.heldBase) held.set(data.gop, lend);
        else lend();
      } else if (data.kind === "frame") {
        const floats = () => new Float32Array(3);
        const frame = { count: 1, shCount: 1, splats: floats(), harmonics: null, means: floats() };
        reply({ kind: "frame", gop: data.gop, index: data.index, ticket: data.ticket, frame });
      }
    });
  const sort = stub((data: SortRequest, reply) => {
    if (data.kind === "sort") reply({ frame: data.frame, forward: data.forward, order: new Uint32Array(6) });
  });
  const base = decodeBase(readFileSync(`${REPOSITORY}/spec/vectors/segment/ok/shared.base`));
  const source = {
    fetchSegment: async (gop: number) => {
      fetched.push(gop);
      if (options.held?.includes(gop)) await new Promise<void>((resolve) => held.set(gop, resolve));
      return new Uint8Array(8);
    },
  };
  const hooks: Hooks = {
    onchange: () => {},
    onprogress: () => {},
    ondamaged: (gop) => said.push(`damaged ${gop}`),
    onfatal: (reason) => said.push(`fatal ${reason}`),
    onreorder: () => {},
    ondecoded: () => {},
    luma: () => Promise.reject(new Error("no video here")),
  };
  const shown: number[] = [];
  const playback = new Playback({
    say: (type) => ["timeupdate", "framechange"].includes(type) || said.push(type),
    show: (ready) => shown.push(ready.frame),
    loading: () => {},
  });
  const entries = index.map((entry) => ({ ...entry, base: options.bases?.[entry.gop] ?? 0 }));
  const timeline = new Timeline(entries, FPS);
  playback.begin(timeline, new Pipeline(timeline, source, { decode: [decode(0), decode(1)], sort }, hooks));
  let now = 0;
  const run = async (seconds: number) => {
    for (const end = now + seconds; now < end - 1e-9; now += 0.02) {
      playback.advance(now, [0, 0, 1]);
      await new Promise((resolve) => setImmediate(resolve)); // the stand-ins answer
    }
    return now;
  };
  return { playback, run, said, shown, held, fetched, decoded, told, now: () => now };
}

test("every frame is shown once, in order, and then it has ended", async () => {
  const { playback, run, said, shown, now } = player();
  await run(0.1);
  playback.play(now());
  await run(3);
  assert.deepEqual(shown, [...Array(20).keys()]);
  assert.deepEqual(
    said,
    ["seeked", "play", "pause", "ended"].filter((type) => said.includes(type)),
  );
  assert.equal(playback.ended, true);
});

test("a loop goes on at the start without fetching again", async () => {
  const { playback, run, shown, fetched, now } = player();
  playback.loop = true;
  playback.play(now());
  await run(4.6);
  assert.deepEqual(shown.slice(18, 23), [18, 19, 0, 1, 2]);
  assert.deepEqual([...fetched].sort(), [0, 1, 2, 3]);
});

test("a damaged segment is told and passed over in its own time", async () => {
  const { playback, run, said, shown, now } = player({ damaged: [1] });
  playback.play(now());
  await run(3);
  assert.ok(said.includes("damaged 1"));
  assert.ok(!said.includes("waiting") || said.indexOf("waiting") < said.indexOf("seeked"));
  assert.deepEqual(
    shown,
    [...Array(20).keys()].filter((frame) => frame < 5 || frame > 9),
  );
});

test("time stands while a segment does not come, and goes on with it", async () => {
  const { playback, run, said, held, now } = player({ held: [2] });
  playback.play(now());
  await run(3);
  assert.equal(playback.waiting, true);
  assert.ok(playback.clock.at(now()) < 1.4);
  held.get(2)?.();
  await run(2);
  assert.equal(playback.ended, true);
  assert.deepEqual(said.slice(-4), ["waiting", "playing", "pause", "ended"]);
});

test("a pause stays on the picture that it stopped at, although time was ahead of it", async () => {
  const { playback, run, held, now } = player({ held: [1] });
  playback.play(now());
  await run(0.7);
  assert.equal(playback.frame, 4);
  assert.ok(playback.clock.at(now()) > 0.5);
  playback.pause(now());
  held.get(1)?.();
  await run(0.3);
  assert.equal(playback.frame, 4);
  assert.equal(playback.clock.at(now()), 0.4);
});

test("a seek shows its frame although playing is paused", async () => {
  const { playback, run, said, now } = player();
  await run(0.2);
  playback.seek(1.35, now());
  await run(0.2);
  assert.equal(playback.frame, 13);
  assert.deepEqual(said, ["seeked", "seeking", "seeked"]);
  playback.seek(0.2, now());
  await run(0.2);
  assert.equal(playback.frame, 2);
});

test("a seek onto a shared base fetches the one segment that has it, and hands it to the decoder", async () => {
  const { playback, run, fetched, decoded, now } = player({ bases: [0, 1, 2, 3], held: [0, 1, 2] });
  playback.seek(1.6, now());
  await run(0.1);
  assert.deepEqual(decoded, []);
  const later = player({ bases: [0, 1, 2, 3] });
  later.playback.seek(1.6, later.now());
  await later.run(0.3);
  assert.equal(later.playback.frame, 16);
  assert.deepEqual(
    later.decoded.filter(([gop]) => gop === 3),
    [[3, 0]],
  );
  assert.ok(fetched.includes(0));
});

test("a base that is being decoded is waited for, and handed to the other decoder first", async () => {
  const { playback, run, told, held, now } = player({ bases: [0, 1, 2, 0], heldBase: true });
  await run(0.2);
  assert.deepEqual(told, [[0, "segment 0"]]);
  held.get(0)?.();
  playback.play(now());
  await run(3);
  assert.deepEqual(
    told.filter(([, what]) => !what.endsWith("3")),
    [
      [0, "segment 0"],
      [1, "base 0"],
      [1, "segment 1"],
      [0, "segment 2"],
    ],
  );
  assert.equal(playback.ended, true);
});

test("segments on a damaged base are told and passed over, those with a base of their own are shown", async () => {
  const { playback, run, said, shown, now } = player({ bases: [0, 0, 1, 0], damaged: [1] });
  playback.play(now());
  await run(3);
  assert.deepEqual(
    said.filter((s) => s.startsWith("damaged")),
    ["damaged 1", "damaged 2"],
  );
  assert.deepEqual(
    shown,
    [...Array(20).keys()].filter((frame) => frame < 5 || frame > 14),
  );
  assert.equal(playback.ended, true);
});

test("a source that gives up is fatal, a segment that its server can't read is not", async () => {
  const timeline = new Timeline(index, FPS);
  const told: string[] = [];
  const worker = { postMessage: () => {} } as unknown as Worker;
  const hooks = new Proxy({} as Hooks, { get: (_, name) => () => told.push(String(name)) });
  const source = {
    fetchSegment: async (gop: number) => {
      throw new SourceError(gop === 0 ? "unreadable" : "unreachable", "made up");
    },
  };
  new Pipeline(timeline, source, { decode: [worker], sort: worker }, hooks);
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(told.includes("ondamaged"));
  assert.ok(told.includes("onfatal"));
});
