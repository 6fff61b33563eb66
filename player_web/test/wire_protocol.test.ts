/** The client's protocol core against the vectors that Python runs too. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ClientSide, type Event, ProtocolError, unpack, unpackTable } from "../src/wire/protocol.js";

interface Step {
  call?: "open" | "seek" | "grant";
  args?: { frame: number; credits: number };
  sends?: unknown;
  receive_text?: string;
  receive_hex?: string;
  event?: unknown;
  error?: boolean;
}

function folder(): string {
  for (let at = process.cwd(); ; at = path.dirname(at)) {
    const tried = path.join(at, "spec", "vectors", "protocol");
    try {
      readFileSync(path.join(tried, "heads.json"));
      return tried;
    } catch {
      if (at === path.dirname(at)) throw new Error("spec/vectors/protocol is not above the working folder");
    }
  }
}

function load<T>(name: string): (T & { name: string })[] {
  return JSON.parse(readFileSync(path.join(folder(), name), "utf8"));
}

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));
const hexOf = (data: Uint8Array) => Buffer.from(data).toString("hex");

for (const head of load<{ hex: string; fields?: object; error?: boolean }>("heads.json")) {
  test(`head vector: ${head.name}`, () => {
    if (head.error) {
      assert.throws(() => unpack(bytes(head.hex)), ProtocolError);
      return;
    }
    const { kind, flags, rung, generation, gop, firstFrame, nFrames, body } = unpack(bytes(head.hex));
    const fields = { kind, flags, rung, generation, gop, first_frame: firstFrame, n_frames: nFrames };
    assert.deepEqual({ ...fields, body: hexOf(body) }, head.fields);
  });
}

for (const table of load<{ hex: string; rows?: number[][]; error?: boolean }>("tables.json")) {
  test(`table vector: ${table.name}`, () => {
    const read = () =>
      unpackTable(unpack(bytes(table.hex))).map((r) => [r.gop, r.firstFrame, r.nFrames, r.length, r.crc, r.base]);
    if (table.error) assert.throws(read, ProtocolError);
    else assert.deepEqual(read(), table.rows);
  });
}

for (const script of load<{ path: string; generation: number; steps: Step[] }>("client.json")) {
  test(`client vector: ${script.name}`, () => {
    const side = new ClientSide(script.path, script.generation);
    for (const step of script.steps) {
      if (step.error) assert.throws(() => take(side, step), ProtocolError);
      else assert.deepEqual(take(side, step), step.sends ?? step.event);
    }
  });
}

function take(side: ClientSide, step: Step): unknown {
  if (step.call !== undefined) {
    const args = step.args ?? { frame: 0, credits: 1 };
    return JSON.parse(step.call === "grant" ? side.grant(args.credits) : side[step.call](args));
  }
  return plain(side.receive(step.receive_text ?? bytes(step.receive_hex ?? "")));
}

function plain(event: Event | null): unknown {
  switch (event?.type) {
    case "header":
      return { type: "header", data: hexOf(event.data) };
    case "table":
      return { type: "table", rung: event.rung, rows: event.rows.length, complete: event.complete };
    case "segment":
      return { type: "segment", rung: event.rung, gop: event.row.gop, data: hexOf(event.data) };
    default:
      return event;
  }
}
