/** From segments to frames ready to show: fetches ahead, has them decoded, rebuilt and sorted by workers. */

import type { Timeline } from "../control/timeline.js";
import { BadData } from "../decode/errors.js";
import { buffersOf } from "../decode/lending.js";
import type { DecodeReply, DecodeRequest, SegmentBytes } from "../decode/messages.js";
import type { PackedFrame } from "../gl/pack.js";
import type { SortReply, SortRequest } from "../sort/worker.js";
import { type SegmentEntry, SourceError } from "../wire/source.js";

const FRAMES_AHEAD = 4;
const LOOK_AHEAD = 8; // seconds of segments fetched
const DECODE_AHEAD = 1.5; // seconds of segments decoded, and never fewer than this and the next
const BYTES_KEPT = 32 * 2 ** 20; // of compressed segments
const DECODED_KEPT = 160 * 2 ** 20; // bytes of decoded segments: a short clip loops without decoding again
const FETCHES = 2;

export interface Ready {
  frame: number;
  gop: number;
  packed: PackedFrame;
  order: Uint32Array<ArrayBuffer>;
  /** The camera's z axis that the order is for. */
  forward: readonly number[];
}

interface Group {
  entry: SegmentEntry;
  bytes: Uint8Array | null;
  fetching: AbortController | null;
  /** Of its decoding. */
  state: "none" | "decoding" | "decoded" | "damaged";
  /** Its base is being decoded, and will be told to all workers. */
  lending: boolean;
  /** Bytes that it takes decoded. */
  memory: number;
  harmonics: Float32Array<ArrayBuffer> | null;
  harmonicsAsked: boolean;
}

/** Of a group that is not decoded. */
const FRESH = { lending: false, memory: 0, harmonics: null, harmonicsAsked: false };

/** A frame on its way. */
interface Pending {
  frame: number;
  gop: number;
  packed: PackedFrame | null;
}

export interface Hooks {
  /** Something became ready, or was found to be damaged. */
  onchange(): void;
  onprogress(): void;
  /** A segment is damaged: its frames are left out. */
  ondamaged(gop: number, reason: string): void;
  /** Nothing more can be played. */
  onfatal(reason: string): void;
  onreorder(frame: number, order: Uint32Array<ArrayBuffer>, forward: readonly number[]): void;
  ondecoded(milliseconds: number): void;
  /** Luma for a worker without a decoder. Rejects with what to tell people. */
  luma(units: Uint8Array[], width: number, height: number): Promise<Uint8Array[]>;
}

export interface Workers {
  /** Segments are dealt out to these in turn. */
  decode: Worker[];
  sort: Worker;
}

/** What the pipeline takes segments from. */
export interface Segments {
  fetchSegment(gop: number, signal?: AbortSignal): Promise<Uint8Array>;
}

/** For a worker. The compressed bytes stay here, too: a loop need not fetch again. Null: they are not here yet. */
function copyOf({ entry: { gop, crc }, bytes }: Group): SegmentBytes | null {
  return bytes === null ? null : { gop, bytes: bytes.slice(), crc };
}

export class Pipeline {
  /** The frame on screen: it is kept, to be sorted again as the camera moves. */
  shown = -1;
  private readonly groups = new Map<number, Group>();
  private readonly ready = new Map<number, Ready>();
  private readonly pending = new Map<number, Pending>();
  private readonly planeWaits = new Map<number, (planes: Map<string, Int32Array>) => void>();
  private tickets = 0;
  private playhead = 0;
  private loop = false;
  private forward: readonly number[] = [0, 0, 1];
  private resorting: number | null = null;
  private closed = false;

  constructor(
    private timeline: Timeline,
    private readonly source: Segments,
    private readonly workers: Workers,
    private readonly hooks: Hooks,
  ) {
    workers.decode.forEach((worker) => {
      worker.onmessage = ({ data }: MessageEvent<DecodeReply>) => this.decodeReply(data, worker);
    });
    workers.sort.onmessage = ({ data }: MessageEvent<SortReply>) => this.sortReply(data);
    for (const worker of [...workers.decode, workers.sort]) {
      worker.onerror = (event) => hooks.onfatal(`a worker failed: ${event.message}`);
    }
    this.adopt(timeline);
  }

  /** The file has grown. */
  adopt(timeline: Timeline): void {
    this.timeline = timeline;
    for (const entry of timeline.entries) {
      if (this.groups.has(entry.gop)) continue;
      this.groups.set(entry.gop, { entry, bytes: null, fetching: null, state: "none", ...FRESH });
    }
    this.work();
  }

  close(): void {
    this.closed = true;
    for (const group of this.groups.values()) group.fetching?.abort(new SourceError("closed", "player closed"));
  }

  /** Where playing is. Everything follows from it: what is fetched, decoded, rebuilt, and let go. */
  aim(frame: number, loop: boolean, forward: readonly number[]): void {
    this.forward = forward;
    if (frame === this.playhead && loop === this.loop) return;
    this.playhead = frame;
    this.loop = loop;
    this.work();
  }

  /** The frame, or the one before it where the index leaves it out. */
  take(frame: number): Ready | undefined {
    return this.ready.get(this.resolve(frame).frame);
  }

  /** The newest frame that is ready in first..last. */
  newest(first: number, last: number): Ready | undefined {
    let best: Ready | undefined;
    for (const item of this.ready.values()) {
      if (item.frame >= first && item.frame <= last && item.frame > (best?.frame ?? -1)) best = item;
    }
    return best;
  }

  isDamaged(frame: number): boolean {
    return this.resolve(frame).group?.state === "damaged";
  }

  harmonicsOf(gop: number): Float32Array<ArrayBuffer> | null {
    return this.groups.get(gop)?.harmonics ?? null;
  }

  buffered(): [number, number][] {
    return this.timeline.covered((entry) => {
      const group = this.groups.get(entry.gop);
      return group !== undefined && (group.bytes !== null || group.state === "decoded");
    });
  }

  /** Sort the frame that is shown for another direction; the answer comes by onreorder. One at a time. */
  resort(frame: number, forward: readonly number[]): void {
    if (this.resorting !== null || !this.ready.has(frame)) return;
    this.resorting = frame;
    this.toSort({ kind: "sort", frame, forward: [...forward] });
  }

  planes(frame: number): Promise<Map<string, Int32Array>> {
    const ticket = ++this.tickets;
    const { group } = this.resolve(frame);
    return new Promise((resolve) => {
      this.planeWaits.set(ticket, resolve);
      this.toDecode({ kind: "planes", gop: group?.entry.gop ?? -1, ticket });
    });
  }

  private toDecode(message: DecodeRequest & { gop: number }, transfer: Transferable[] = []): void {
    const { decode } = this.workers;
    decode[Math.max(0, message.gop) % decode.length]!.postMessage(message, transfer);
  }

  private toSort(message: SortRequest, transfer: Transferable[] = []): void {
    this.workers.sort.postMessage(message, transfer);
  }

  private resolve(frame: number): { frame: number; index: number; group: Group | undefined } {
    const entry = this.timeline.entries[this.timeline.positionOf(frame)];
    if (entry === undefined) return { frame, index: 0, group: undefined };
    const index = Math.min(Math.max(0, frame - entry.firstFrame), entry.nFrames - 1);
    return { frame: entry.firstFrame + index, index, group: this.groups.get(entry.gop) };
  }

  /** Groups from the playhead on, through the end to the start where it loops. */
  private upcoming(seconds: number): Group[] {
    const { entries } = this.timeline;
    const out: Group[] = [];
    if (entries.length === 0) return out;
    const start = this.timeline.positionOf(this.playhead);
    let left = seconds * this.timeline.fps;
    for (let i = 0; i < entries.length && (left > 0 || out.length < 2); i++) {
      const at = start + i;
      if (at >= entries.length && !this.loop) break;
      const entry = entries[at % entries.length]!;
      out.push(this.groups.get(entry.gop)!);
      left -= entry.nFrames - (i === 0 ? this.playhead - entry.firstFrame : 0);
    }
    return out;
  }

  /** The group whose base this one shares; null: it has its own; undefined: it is not there. */
  private baseOf({ entry }: Group): Group | null | undefined {
    return entry.base === 0 ? null : this.groups.get(entry.gop - entry.base);
  }

  private isShared({ entry }: Group): boolean {
    return this.timeline.entries.some(({ gop, base }) => base !== 0 && gop - base === entry.gop);
  }

  /** The groups, each behind the one whose base it shares. */
  private withBases(groups: Group[]): Group[] {
    return [...new Set(groups.flatMap((group) => [this.baseOf(group) ?? group, group]))];
  }

  private work(): void {
    if (this.closed) return;
    const wanted = this.withBases(this.upcoming(LOOK_AHEAD));
    this.fetchAhead(wanted);
    const near = this.upcoming(DECODE_AHEAD);
    this.decodeAhead(near);
    this.letGo(wanted, near);
    this.rebuildAhead();
  }

  private fetchAhead(wanted: Group[]): void {
    const first = this.upcoming(0).slice(0, 1);
    const urgent = this.withBases(first);
    const bases = new Set(wanted.flatMap((group) => (group.state === "none" ? [this.baseOf(group)] : [])));
    for (const group of this.groups.values()) {
      if (group.fetching !== null && !wanted.includes(group)) {
        group.fetching.abort(new DOMException("no longer wanted", "AbortError"));
        group.fetching = null;
      }
    }
    let running = 0;
    let held = 0;
    for (const group of this.groups.values()) {
      if (group.fetching !== null) running++;
      held += group.bytes?.length ?? 0;
    }
    for (const group of wanted) {
      if (running >= FETCHES || (held > BYTES_KEPT && !urgent.includes(group))) break;
      const needed = group.state === "none" || (group.state !== "damaged" && bases.has(group));
      if (group.bytes !== null || group.fetching !== null || !needed) continue;
      running++;
      void this.fetch(group);
    }
  }

  private async fetch(group: Group): Promise<void> {
    const control = new AbortController();
    group.fetching = control;
    try {
      const bytes = await this.source.fetchSegment(group.entry.gop, control.signal);
      if (group.fetching !== control) return;
      group.bytes = bytes;
      this.hooks.onprogress();
    } catch (error) {
      if (group.fetching !== control || this.closed) return;
      this.fetchFailed(group, error);
    } finally {
      if (group.fetching === control) group.fetching = null;
    }
    this.work();
  }

  private fetchFailed(group: Group, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (error instanceof SourceError && error.code !== "unreadable" && error.code !== "closed") {
      this.closed = true; // else the next try would follow at once, and fail alike
      this.hooks.onfatal(reason);
    } else {
      this.damaged(group, reason);
    }
  }

  private damaged(group: Group, reason: string): void {
    group.state = "damaged";
    group.lending = false;
    group.bytes = null;
    this.hooks.ondamaged(group.entry.gop, reason);
    this.hooks.onchange();
  }

  private decodeAhead(groups: Group[]): void {
    for (const group of groups) {
      if (group.state !== "none") continue;
      const base = this.baseOf(group);
      if (base === undefined || base?.state === "damaged") {
        this.damaged(group, `the base that it shares, of segment ${group.entry.gop - group.entry.base}, is not there`);
        continue;
      }
      if (base?.lending) continue; // quicker to wait for it than to decode it once more
      const own = copyOf(group);
      const shared = base === null ? null : copyOf(base);
      if (own === null || (base !== null && shared === null)) continue;
      group.state = "decoding";
      group.lending = this.isShared(group);
      const buffers = [own.bytes.buffer, ...(shared === null ? [] : [shared.bytes.buffer])];
      this.toDecode({ kind: "segment", ...own, base: shared, lend: group.lending }, buffers);
    }
  }

  /** Decoded groups that are not near, frames that are past, and bytes beyond what is kept. */
  private letGo(wanted: Group[], near: Group[]): void {
    let held = 0;
    let decoded = 0;
    for (const group of this.groups.values()) {
      held += group.bytes?.length ?? 0;
      decoded += group.memory;
    }
    for (const group of this.groups.values()) {
      if (decoded <= DECODED_KEPT) break;
      if (group.state !== "decoded" || near.includes(group)) continue;
      decoded -= group.memory;
      Object.assign(group, { state: "none", ...FRESH });
      this.toDecode({ kind: "forget", gop: group.entry.gop });
    }
    for (const group of this.groups.values()) {
      if (held <= BYTES_KEPT) break;
      if (group.bytes === null || wanted.includes(group)) continue;
      held -= group.bytes.length;
      group.bytes = null;
    }
    const keep = new Set([...this.framesAhead(), this.shown]);
    for (const frame of this.ready.keys()) {
      if (keep.has(frame) || (frame < this.playhead && frame > this.shown)) continue;
      this.ready.delete(frame);
      if (this.resorting === frame) this.resorting = null;
      this.toSort({ kind: "forget", frame });
    }
    for (const [ticket, item] of this.pending) {
      if (!keep.has(item.frame) && item.frame > this.playhead + 2 * FRAMES_AHEAD) this.pending.delete(ticket);
    }
  }

  private framesAhead(): number[] {
    const { frames } = this.timeline;
    const out: number[] = [];
    for (let i = 0; i < Math.min(FRAMES_AHEAD, frames); i++) {
      const frame = this.playhead + i;
      if (frame >= frames && !this.loop) break;
      out.push(this.resolve(frame % frames).frame);
    }
    return out;
  }

  private rebuildAhead(): void {
    const onTheWay = new Set([...this.pending.values()].map((item) => item.frame));
    for (const frame of this.framesAhead()) {
      if (this.ready.has(frame) || onTheWay.has(frame)) continue;
      if (onTheWay.size >= FRAMES_AHEAD) break;
      const { group, index } = this.resolve(frame);
      if (group === undefined || group.state !== "decoded") continue;
      const ticket = ++this.tickets;
      const { gop } = group.entry;
      this.pending.set(ticket, { frame, gop, packed: null });
      onTheWay.add(frame);
      this.toDecode({ kind: "frame", gop, index, ticket, harmonics: !group.harmonicsAsked });
      group.harmonicsAsked = true;
    }
  }

  private decodeReply(reply: DecodeReply, worker: Worker): void {
    if (this.closed) return;
    switch (reply.kind) {
      case "segment": {
        const group = this.groups.get(reply.gop)!;
        group.state = "decoded";
        group.lending = false;
        group.memory = reply.bytes;
        this.hooks.ondecoded(reply.milliseconds);
        this.work();
        break;
      }
      case "base":
        this.lend(reply, worker);
        break;
      case "damaged":
        this.damaged(this.groups.get(reply.gop)!, reply.reason);
        this.work();
        break;
      case "unable":
        this.hooks.onfatal(reply.reason);
        break;
      case "frame":
        this.rebuilt(reply);
        break;
      case "planes":
        this.planeWaits.get(reply.ticket)?.(reply.planes);
        this.planeWaits.delete(reply.ticket);
        break;
      case "luma":
        void this.answerLuma(reply, worker);
    }
  }

  /** A base for the other workers, before any segment that shares it. */
  private lend({ gop, base }: Extract<DecodeReply, { kind: "base" }>, from: Worker): void {
    const others = this.workers.decode.filter((worker) => worker !== from);
    for (const [i, worker] of others.entries()) {
      const message: DecodeRequest = { kind: "base", gop, base };
      worker.postMessage(message, i === others.length - 1 ? buffersOf(base) : []); // the last one takes it
    }
    const group = this.groups.get(gop);
    if (group !== undefined) group.lending = false;
    this.work();
  }

  private async answerLuma(asked: Extract<DecodeReply, { kind: "luma" }>, worker: Worker): Promise<void> {
    const { ticket, units, width, height } = asked;
    let answer: Extract<DecodeRequest, { kind: "luma" }>;
    try {
      const pictures = await this.hooks.luma(units, width, height);
      answer = { kind: "luma", ticket, pictures, reason: "", damaged: false };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      answer = { kind: "luma", ticket, pictures: null, reason, damaged: error instanceof BadData };
    }
    worker.postMessage(answer, answer.pictures?.map(({ buffer }) => buffer as ArrayBuffer) ?? []);
  }

  private rebuilt({ ticket, gop, frame: packed }: Extract<DecodeReply, { kind: "frame" }>): void {
    const group = this.groups.get(gop);
    if (group !== undefined && packed.harmonics !== null) group.harmonics = packed.harmonics;
    const item = this.pending.get(ticket);
    if (item === undefined) return; // no longer wanted
    item.packed = packed;
    const { means } = packed;
    this.toSort({ kind: "frame", frame: item.frame, means }, [means.buffer]);
    this.toSort({ kind: "sort", frame: item.frame, forward: [...this.forward] });
  }

  private sortReply({ frame, order, forward }: SortReply): void {
    if (this.closed) return;
    for (const [ticket, item] of this.pending) {
      if (item.frame !== frame || item.packed === null) continue;
      this.pending.delete(ticket);
      this.ready.set(frame, { frame, gop: item.gop, packed: item.packed, order, forward });
      this.hooks.onchange();
      this.work();
      return;
    }
    if (this.resorting !== frame) return;
    this.resorting = null;
    const item = this.ready.get(frame);
    if (item !== undefined) Object.assign(item, { order, forward });
    this.hooks.onreorder(frame, order, forward);
  }
}
