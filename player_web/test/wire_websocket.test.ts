/** The websocket source against a made-up server that keeps credits as PROTOCOL.md says. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { SourceState } from "../src/wire/source.js";
import { type Socket, WebSocketSource } from "../src/wire/websocket.js";

const GOPS = 12;
const FRAMES = 10;
const bodyOf = (gop: number) => new Uint8Array(5 + gop).fill(gop);

function pack(
  kind: number,
  flags: number,
  generation: number,
  gop: number,
  first: number,
  n: number,
  body: Uint8Array,
) {
  const message = new Uint8Array(20 + body.length);
  const view = new DataView(message.buffer);
  view.setUint8(0, kind);
  view.setUint8(1, flags);
  [generation, gop, first, n].forEach((value, i) => {
    view.setUint32(4 + 4 * i, value, true);
  });
  message.set(body, 20);
  return message.buffer;
}

class FakeServer implements Socket {
  binaryType = "";
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  closed = false;
  readonly seen: { type: string; generation: number; frame: number; credits: number }[] = [];
  private credits = 0;
  private next = 0;

  constructor(
    readonly crc = 1,
    readonly broken = -1,
  ) {}

  accept(): this {
    queueMicrotask(() => this.onopen?.());
    return this;
  }

  send(text: string): void {
    const message = JSON.parse(text);
    this.seen.push(message);
    if (message.type === "grant") this.credits += message.credits;
    else {
      this.credits = message.credits;
      this.next = Math.floor(message.frame / FRAMES);
    }
    if (message.type === "open") this.greet(message.generation);
    this.pump(message.generation);
  }

  close(): void {
    this.closed = true;
  }

  drop(code = 1006): void {
    this.onclose?.({ code, reason: "" });
  }

  private say(data: unknown): void {
    queueMicrotask(() => this.onmessage?.({ data }));
  }

  private greet(generation: number): void {
    this.say(pack(1, 0, generation, 0, 0, 0, new Uint8Array([71])));
    const rows = new Uint32Array(GOPS * 4);
    for (let gop = 0; gop < GOPS; gop++) rows.set([FRAMES, 5 + gop, this.crc, 0], gop * 4);
    this.say(pack(2, 1, generation, 0, 0, GOPS * FRAMES, new Uint8Array(rows.buffer)));
  }

  private pump(generation: number): void {
    while (this.credits > 0 && this.next < GOPS) {
      if (this.next === this.broken) {
        this.say(JSON.stringify({ type: "error", generation, code: "unreadable", message: "damaged" }));
        this.credits = 0;
        return;
      }
      this.say(pack(3, 0, generation, this.next, this.next * FRAMES, FRAMES, bodyOf(this.next)));
      this.credits -= 1;
      this.next += 1;
      if (this.next === GOPS) this.say(JSON.stringify({ type: "end", generation }));
    }
  }
}

function sourceOver(...servers: FakeServer[]) {
  const states: SourceState["kind"][] = [];
  let used = 0;
  const source = new WebSocketSource("ws://h/ws/a%20b", {
    parseHeader: (bytes) => bytes[0],
    connect: () => {
      const server = servers[used++];
      assert.ok(server, "one connection too many");
      return server.accept();
    },
    sleep: async (_, signal) => signal?.throwIfAborted(),
    random: () => 0,
  });
  source.onstate = (state) => states.push(state.kind);
  return { source, states };
}

const rejectsWith = (code: string) => (error: unknown) => (error as { code: string }).code === code;

test("opening gives header and index", async () => {
  const server = new FakeServer();
  const opened = await sourceOver(server).source.open();
  assert.equal(opened.header, 71);
  assert.equal(opened.index.length, GOPS);
  assert.equal(opened.index[3]?.firstFrame, 30);
  assert.equal((server.seen[0] as unknown as { path: string }).path, "a b");
});

test("segments in order need one generation, and never more than the credits", async () => {
  const server = new FakeServer();
  const { source } = sourceOver(server);
  await source.open();
  for (let gop = 0; gop < GOPS; gop++) assert.deepEqual(await source.fetchSegment(gop), bodyOf(gop));
  assert.equal(server.seen.filter((message) => message.type === "seek").length, 0);
});

test("a fetch far away seeks, and one behind does too", async () => {
  const server = new FakeServer();
  const { source } = sourceOver(server);
  await source.open();
  for (const gop of [9, 2, 11, 0]) assert.deepEqual(await source.fetchSegment(gop), bodyOf(gop));
  const seeks = server.seen.filter((message) => message.type === "seek").map((message) => message.frame);
  assert.deepEqual(seeks, [90, 20, 110, 0]);
});

test("fetches side by side are all answered, whatever their order", async () => {
  const { source } = sourceOver(new FakeServer());
  await source.open();
  const gops = [7, 8, 0, 11, 3, 9];
  const got = await Promise.all(gops.map((gop) => source.fetchSegment(gop)));
  assert.deepEqual(got, gops.map(bodyOf));
});

test("an aborted fetch rejects, and the next one is answered", async () => {
  const { source } = sourceOver(new FakeServer());
  await source.open();
  const stop = new AbortController();
  const gone = source.fetchSegment(8, stop.signal);
  stop.abort(new Error("seek"));
  await assert.rejects(gone, /seek/);
  assert.deepEqual(await source.fetchSegment(4), bodyOf(4));
});

test("a cut connection is taken up in a higher generation, and told", async () => {
  const [first, second] = [new FakeServer(), new FakeServer()];
  const { source, states } = sourceOver(first, second);
  await source.open();
  await source.fetchSegment(0);
  first.drop();
  assert.deepEqual(await source.fetchSegment(5), bodyOf(5));
  assert.deepEqual(states, ["waiting", "recovered"]);
  assert.ok((second.seen[0]?.generation ?? 0) > (first.seen.at(-1)?.generation ?? 0));
});

test("a file that was replaced meanwhile is told", async () => {
  const [first, second] = [new FakeServer(1), new FakeServer(2)];
  const { source } = sourceOver(first, second);
  await source.open();
  first.drop();
  await assert.rejects(source.fetchSegment(5), rejectsWith("changed"));
});

test("a segment that the server cannot read is rejected, and the next one comes", async () => {
  const { source } = sourceOver(new FakeServer(1, 4));
  await source.open();
  await assert.rejects(source.fetchSegment(4), rejectsWith("unreadable"));
  assert.deepEqual(await source.fetchSegment(5), bodyOf(5));
});

test("being refused ends the source", async () => {
  const server = new FakeServer();
  const { source } = sourceOver(server);
  await source.open();
  server.drop(1008);
  await assert.rejects(source.fetchSegment(8), rejectsWith("protocol"));
});

test("opening gives up after three connections, so that HTTP may be tried", async () => {
  const servers = [new FakeServer(), new FakeServer(), new FakeServer()];
  for (const server of servers) server.send = () => server.drop();
  const { source, states } = sourceOver(...servers);
  await assert.rejects(source.open(), rejectsWith("unreachable"));
  assert.deepEqual(states, ["waiting", "waiting"]);
});

test("a file that is not ready yet is waited for", async () => {
  const early = Array.from({ length: 6 }, () => new FakeServer());
  for (const server of early) server.send = () => server.drop(1013);
  const { source } = sourceOver(...early, new FakeServer());
  assert.equal((await source.open()).index.length, GOPS);
});
