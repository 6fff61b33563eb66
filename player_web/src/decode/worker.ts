/** Decodes segments and rebuilds their frames, off the page's thread. */

import { crc32c } from "../container/crc32c.js";
import { pack } from "../gl/pack.js";
import { BadData } from "./errors.js";
import type { FrameAttributes, Gop } from "./gop.js";
import { buffersOf, copyOfBase, received } from "./lending.js";
import type { DecodeReply, DecodeRequest, SegmentBytes } from "./messages.js";
import type { Base } from "./planes.js";
import { decodeBase, decodeSegment, type LumaSource, NeedsVideo } from "./segment.js";

const gops = new Map<number, Gop>();
/** The base that was decoded, or came from another worker, last: the segments after it may share it. */
let kept: { gop: number; base: Base } | null = null;

/** Asks the page for luma: the player has one video decoder, but several of these workers. */
class PageLuma implements LumaSource {
  private ticket = 0;
  private readonly waiting = new Map<number, (answer: Extract<DecodeRequest, { kind: "luma" }>) => void>();

  async decode(units: readonly Uint8Array[], width: number, height: number): Promise<Uint8Array[]> {
    const ticket = ++this.ticket;
    const answer = new Promise<Extract<DecodeRequest, { kind: "luma" }>>((resolve) =>
      this.waiting.set(ticket, resolve),
    );
    const copies = units.map((unit) => unit.slice() as Uint8Array<ArrayBuffer>);
    const buffers = copies.map(({ buffer }) => buffer);
    send({ kind: "luma", ticket, units: copies, width, height }, buffers);
    const { pictures, reason, damaged } = await answer;
    if (pictures === null) throw damaged ? new BadData(reason) : new NeedsVideo(reason);
    return pictures;
  }

  answer(message: Extract<DecodeRequest, { kind: "luma" }>): void {
    this.waiting.get(message.ticket)?.(message);
    this.waiting.delete(message.ticket);
  }
}

const luma = new PageLuma();
/** One segment at a time. */
let queue: Promise<void> = Promise.resolve();

function send(reply: DecodeReply, transfer: Transferable[] = []): void {
  self.postMessage(reply, { transfer });
}

/** The frame that is packed: the same room again and again, for fresh memory costs more than what is written to it. */
let room: FrameAttributes | null = null;

function roomFor(gop: Gop): FrameAttributes {
  const fits = room?.opacities.length === gop.count && room.sh.length === 3 * gop.shCount * gop.count;
  room = fits && room !== null ? room : gop.room();
  return room;
}

function check({ bytes, crc }: SegmentBytes): void {
  if (crc >= 0 && crc32c(bytes) !== crc) throw new BadData("checksum differs");
}

function sharedBase(of: SegmentBytes): Base {
  if (kept?.gop === of.gop) return kept.base;
  try {
    check(of);
    kept = { gop: of.gop, base: decodeBase(of.bytes) };
  } catch (error) {
    throw error instanceof BadData ? new BadData(`the base that it shares: ${error.message}`) : error;
  }
  return kept.base;
}

function keep(gop: number, base: Base, lend: boolean): void {
  kept = { gop, base };
  if (!lend) return;
  const copy = copyOfBase(base);
  send({ kind: "base", gop, base: copy }, buffersOf(copy));
}

async function decode(segment: SegmentBytes, shared: SegmentBytes | null, lend: boolean): Promise<void> {
  const start = performance.now();
  const { gop, bytes } = segment;
  try {
    check(segment);
    const above = shared === null ? null : sharedBase(shared);
    const decoded = await decodeSegment(bytes, luma, above, (base) => keep(gop, base, lend));
    gops.set(gop, decoded);
    const { frames, count, memory } = decoded;
    send({ kind: "segment", gop, frames, count, bytes: memory, milliseconds: performance.now() - start });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    send({ kind: error instanceof NeedsVideo ? "unable" : "damaged", gop, reason });
  }
}

self.onmessage = ({ data }: MessageEvent<DecodeRequest>) => {
  switch (data.kind) {
    case "segment":
      queue = queue.then(() => decode(data, data.base, data.lend));
      break;
    case "base":
      queue = queue.then(() => keep(data.gop, received(data.base), false));
      break;
    case "frame": {
      const gop = gops.get(data.gop);
      if (gop === undefined) break; // forgotten meanwhile: nobody waits for it any more
      const frame = pack(gop.frame(data.index, roomFor(gop)), gop.shCount, data.harmonics || gop.shMoves);
      const buffers = [frame.splats.buffer, frame.means.buffer, ...(frame.harmonics ? [frame.harmonics.buffer] : [])];
      send({ kind: "frame", gop: data.gop, index: data.index, ticket: data.ticket, frame }, buffers);
      break;
    }
    case "planes":
      send({ kind: "planes", ticket: data.ticket, planes: gops.get(data.gop)?.planes() ?? new Map() });
      break;
    case "forget":
      gops.delete(data.gop);
      break;
    case "luma":
      luma.answer(data);
  }
};
