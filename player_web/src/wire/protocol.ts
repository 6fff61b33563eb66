/** The client's side of spec/PROTOCOL.md, without any I/O: messages in, events out. The twin of gscodec/stream/protocol.py. */

export const SUBPROTOCOL = "gsv.2";
export const HEAD_BYTES = 20;
export const MAX_CREDITS = 16;
const ROW_BYTES = 16;
const COMPLETE = 1;
const U32 = 2 ** 32 - 1;

export type Kind = "header" | "table" | "segment";
const KINDS: readonly (Kind | undefined)[] = [undefined, "header", "table", "segment"];

/** The other side broke the protocol. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
}

/** A data message: the head's fields and what follows it. */
export interface Data {
  kind: Kind;
  flags: number;
  rung: number;
  generation: number;
  gop: number;
  firstFrame: number;
  nFrames: number;
  body: Uint8Array;
}

/** One GOP of a rung: where it stands in time, how long its bytes are, and their crc32c. */
export interface Row {
  gop: number;
  firstFrame: number;
  nFrames: number;
  length: number;
  crc: number;
  /** How many GOPs back the segment lies whose base this one shares; 0: it has its own. */
  base: number;
}

export type Control =
  | { type: "end"; generation: number }
  | { type: "error"; generation: number; code: string; message: string }
  | { type: "ping"; id: number }
  | { type: "pong"; id: number };

export type Event =
  | Control
  | { type: "header"; data: Uint8Array }
  | { type: "table"; rung: number; rows: readonly Row[]; complete: boolean }
  | { type: "segment"; rung: number; row: Row; data: Uint8Array };

/** A binary message's fields; ProtocolError where head, kind or flags are not of this version. */
export function unpack(message: Uint8Array): Data {
  if (message.byteLength < HEAD_BYTES) throw new ProtocolError("data message shorter than its head");
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const kind = KINDS[view.getUint8(0)];
  if (kind === undefined) throw new ProtocolError(`unknown kind of data message: ${view.getUint8(0)}`);
  const flags = view.getUint8(1);
  if ((flags & ~(kind === "table" ? COMPLETE : 0)) !== 0) throw new ProtocolError(`unknown flags: ${flags}`);
  return {
    kind,
    flags,
    rung: view.getUint16(2, true),
    generation: view.getUint32(4, true),
    gop: view.getUint32(8, true),
    firstFrame: view.getUint32(12, true),
    nFrames: view.getUint32(16, true),
    body: message.subarray(HEAD_BYTES),
  };
}

/** The rows of a TABLE message; ProtocolError where they do not add up. */
export function unpackTable(data: Data): Row[] {
  const { body } = data;
  if (body.byteLength % ROW_BYTES !== 0) throw new ProtocolError("table is cut");
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const rows: Row[] = [];
  let frame = data.firstFrame;
  for (let at = 0; at < body.byteLength; at += ROW_BYTES) {
    const nFrames = view.getUint32(at, true);
    if (nFrames === 0) throw new ProtocolError("a GOP without frames");
    const gop = data.gop + rows.length;
    const base = view.getUint32(at + 12, true);
    if (base > gop) throw new ProtocolError("a base before the first GOP");
    const [length, crc] = [view.getUint32(at + 4, true), view.getUint32(at + 8, true)];
    rows.push({ gop, firstFrame: frame, nFrames, length, crc, base });
    frame += nFrames;
  }
  if (frame - data.firstFrame !== data.nFrames) throw new ProtocolError("table's frames do not add up");
  return rows;
}

const FIELDS: Record<Control["type"], Record<string, "number" | "string">> = {
  end: { generation: "number" },
  error: { generation: "number", code: "string", message: "string" },
  ping: { id: "number" },
  pong: { id: "number" },
};

/** A server's text message; ProtocolError where it is not a legal one. */
export function decodeControl(text: string): Control {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError("not a control message: not JSON");
  }
  if (typeof value !== "object" || value === null) throw new ProtocolError("not a control message: not an object");
  const message = value as Record<string, unknown>;
  const type = message.type;
  if (typeof type !== "string" || !Object.hasOwn(FIELDS, type)) throw new ProtocolError("unknown control message");
  const fields = FIELDS[type as Control["type"]];
  if (Object.keys(message).length !== Object.keys(fields).length + 1) throw new ProtocolError(`${type}: wrong fields`);
  for (const [name, kind] of Object.entries(fields)) {
    const field = message[name];
    const legal =
      kind === "number"
        ? Number.isInteger(field) && (field as number) >= 0 && (field as number) <= U32
        : typeof field === "string";
    if (!legal) throw new ProtocolError(`${type}: field ${name}`);
  }
  return message as Control;
}

/** One connection: `open`, `seek`, `grant`, `pong` give messages to send; `receive` gives events. */
export class ClientSide {
  readonly path: string;
  generation: number;
  /** Granted and not yet used by the server. */
  credits = 0;
  rung = 0;
  /** The GOP that comes next in this generation; null until its first segment is here. */
  nextGop: number | null = null;
  readonly tables = new Map<number, { rows: readonly Row[]; complete: boolean }>();
  /** Segments dropped because a seek had left them behind. */
  stale = 0;
  private opened = false;

  /** `generation`: the last one of an earlier connection, if there was one. */
  constructor(path: string, generation = 0) {
    this.path = path;
    this.generation = generation;
  }

  open(options: { rung?: number; frame?: number; credits?: number } = {}): string {
    const { rung = 0, frame = 0, credits = 2 } = options;
    this.opened = true;
    this.begin(rung, credits);
    return JSON.stringify({ type: "open", path: this.path, rung, frame, credits, generation: this.generation });
  }

  seek(options: { frame: number; rung?: number; credits?: number }): string {
    const { frame, rung = this.rung, credits = 2 } = options;
    if (!this.opened) throw new ProtocolError("not opened yet");
    this.begin(rung, credits);
    return JSON.stringify({ type: "seek", rung, frame, credits, generation: this.generation });
  }

  grant(credits = 1): string {
    if (!this.opened || this.credits + credits > MAX_CREDITS) throw new ProtocolError("more credits than allowed");
    this.credits += credits;
    return JSON.stringify({ type: "grant", credits, generation: this.generation });
  }

  pong(id: number): string {
    return JSON.stringify({ type: "pong", id });
  }

  /** What a message means, or null where it belongs to a generation left behind. */
  receive(message: string | Uint8Array): Event | null {
    if (typeof message === "string") {
      const control = decodeControl(message);
      if (control.type === "ping" || control.type === "pong") return control;
      this.checkGeneration(control.generation);
      return control.generation === this.generation ? control : null;
    }
    const data = unpack(message);
    this.checkGeneration(data.generation);
    if (data.kind === "header") return { type: "header", data: data.body };
    return data.kind === "table" ? this.table(data) : this.segment(data);
  }

  private begin(rung: number, credits: number): void {
    if (!(credits >= 1 && credits <= MAX_CREDITS)) throw new ProtocolError("credits out of range");
    this.generation += 1;
    this.rung = rung;
    this.credits = credits;
    this.nextGop = null;
  }

  private checkGeneration(generation: number): void {
    if (generation > this.generation) throw new ProtocolError("a generation that was never begun");
  }

  private table(data: Data): Event {
    const added = unpackTable(data);
    const known = this.tables.get(data.rung)?.rows ?? [];
    if (data.gop !== known.length) throw new ProtocolError("table does not continue the one before");
    const last = known.at(-1);
    const end = last === undefined ? 0 : last.firstFrame + last.nFrames;
    if (added.length > 0 && data.firstFrame !== end) throw new ProtocolError("table's frames do not continue");
    const table = { rows: [...known, ...added], complete: (data.flags & COMPLETE) !== 0 };
    this.tables.set(data.rung, table);
    return { type: "table", rung: data.rung, ...table };
  }

  private segment(data: Data): Event | null {
    if (data.generation !== this.generation) {
      this.stale += 1;
      return null;
    }
    const row = this.tables.get(data.rung)?.rows[data.gop];
    if (data.rung !== this.rung || row === undefined) throw new ProtocolError("a segment that is not in the table");
    if (data.firstFrame !== row.firstFrame || data.nFrames !== row.nFrames || data.body.byteLength !== row.length) {
      throw new ProtocolError("a segment that contradicts the table");
    }
    if (this.credits === 0) throw new ProtocolError("a segment without credit");
    if (this.nextGop !== null && data.gop !== this.nextGop) throw new ProtocolError("a segment out of order");
    this.credits -= 1;
    this.nextGop = data.gop + 1;
    return { type: "segment", rung: data.rung, row, data: data.body };
  }
}
