/** The range source against made-up hosts: answers, refusals, cuts and recoveries. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpRangeSource } from "../src/wire/http.js";
import { DEFAULT_RETRY, delayAfter, type SourceState } from "../src/wire/source.js";

const FILE = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7) % 251);
const entry = { rung: 0, gop: 0, firstFrame: 0, nFrames: 10, offset: 100, length: 300, crc: 0, base: 0 };

type Host = (range: string, call: number) => Response | Promise<Response>;

function part(range: string, options: { etag?: string; cut?: number } = {}): Response {
  const [first = 0, last = 0] = (/bytes=(\d+)-(\d+)/.exec(range) ?? []).slice(1).map(Number);
  const body = FILE.slice(first, Math.min(last + 1, first + (options.cut ?? 1e9)));
  const headers = { "Content-Range": `bytes ${first}-${last}/${FILE.length}`, ETag: options.etag ?? '"a"' };
  return new Response(body, { status: 206, headers });
}

async function opened(host: Host, retry = {}) {
  let call = 0;
  const asked: string[] = [];
  const fetch = async (_: unknown, init?: RequestInit) => {
    init?.signal?.throwIfAborted();
    const range = new Headers(init?.headers).get("Range") ?? "";
    asked.push(range);
    return host(range, call++);
  };
  const index = [entry];
  const source = new HttpRangeSource("http://h/x.gsv", async () => ({ header: "H", index, complete: true }), {
    fetch: fetch as typeof globalThis.fetch,
    sleep: async (_, signal) => signal?.throwIfAborted(),
    random: () => 0,
    retry,
  });
  const states: SourceState["kind"][] = [];
  source.onstate = (state) => states.push(state.kind);
  await source.open();
  return { source, states, asked };
}

const rejectsWith = (code: string) => (error: unknown) => (error as { code: string }).code === code;

test("a segment is read by one range request", async () => {
  const { source, asked } = await opened((range) => part(range));
  assert.deepEqual(await source.fetchSegment(0), FILE.slice(100, 400));
  assert.deepEqual(asked, ["bytes=100-399"]);
  assert.equal(source.size, 1000);
});

test("a host without ranges is reported, not retried", async () => {
  const { source, asked } = await opened(() => new Response(FILE));
  await assert.rejects(source.fetchSegment(0), rejectsWith("no-range"));
  assert.equal(asked.length, 1);
});

test("a transfer that breaks off is taken up where it broke", async () => {
  const { source, asked } = await opened((range, call) => part(range, call === 0 ? { cut: 120 } : {}));
  assert.deepEqual(await source.fetchSegment(0), FILE.slice(100, 400));
  assert.deepEqual(asked, ["bytes=100-399", "bytes=220-399"]);
});

test("a server that is away is waited for, and its return is told", async () => {
  const { source, states } = await opened((range, call) => {
    if (call < 2) throw new TypeError("fetch failed");
    return call === 2 ? new Response("", { status: 503 }) : part(range);
  });
  assert.deepEqual(await source.fetchSegment(0), FILE.slice(100, 400));
  assert.deepEqual(states, ["waiting", "waiting", "waiting", "recovered"]);
});

test("attempts are used up at the policy's number", async () => {
  const { source, asked } = await opened(() => new Response("", { status: 500 }), { attempts: 3 });
  await assert.rejects(source.fetchSegment(0), rejectsWith("unreachable"));
  assert.equal(asked.length, 3);
});

test("a file that was replaced is not spliced", async () => {
  const { source } = await opened((range, call) => part(range, { etag: call === 0 ? '"a"' : '"b"' }));
  await source.fetchSegment(0);
  await assert.rejects(source.fetchSegment(0), rejectsWith("changed"));
});

test("a missing file is an error at once", async () => {
  const { source } = await opened(() => new Response("", { status: 404 }));
  await assert.rejects(source.fetchSegment(0), rejectsWith("missing"));
});

test("an aborted fetch rejects with the signal's reason", async () => {
  const stop = new AbortController();
  const { source } = await opened(() => {
    stop.abort(new Error("seek"));
    throw new TypeError("fetch failed");
  });
  await assert.rejects(source.fetchSegment(0, stop.signal), /seek/);
});

test("closing rejects what is under way", async () => {
  const { source } = await opened(() => {
    source.close();
    throw new TypeError("fetch failed");
  });
  await assert.rejects(source.fetchSegment(0), rejectsWith("closed"));
});

test("pauses grow to their limit, and jitter only shortens them", () => {
  const pauses = [1, 2, 3, 6, 20].map((attempt) => delayAfter(DEFAULT_RETRY, attempt, 0));
  assert.deepEqual(pauses, [250, 500, 1000, 8000, 8000]);
  assert.equal(delayAfter(DEFAULT_RETRY, 1, 1), 125);
});

test("of several rungs the one that is chosen is played", async () => {
  const index = [entry, { ...entry, rung: 3, offset: 500, length: 20 }];
  const source = new HttpRangeSource("http://h/x.gsv", async () => ({ header: "H", index, complete: true }), {
    fetch: (async (_: unknown, init?: RequestInit) =>
      part(new Headers(init?.headers).get("Range") ?? "")) as typeof globalThis.fetch,
    chooseRung: (header) => (header === "H" ? 3 : 0),
  });
  assert.deepEqual(
    (await source.open()).index.map(({ rung }) => rung),
    [3],
  );
  assert.deepEqual(await source.fetchSegment(0), FILE.slice(500, 520));
});
