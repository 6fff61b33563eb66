/** Opening a .gsv through byte ranges, or from the bytes before its first segment (SPEC.md 2, 4). */

import { BadData } from "../decode/errors.js";
import type { RangeReader } from "../wire/http.js";
import type { Opened, SegmentEntry } from "../wire/source.js";
import {
  CHUNK_HEAD,
  CHUNK_OVERHEAD,
  checkMagic,
  chunkHead,
  MAGIC_BYTES,
  payloadOf,
  SEGMENT_HEAD,
  segmentEntry,
  u64,
  viewOf,
} from "./chunks.js";
import { Truncated } from "./errors.js";
import { type Header, readHeader } from "./header.js";
import { readIndex } from "./index_table.js";

const FIRST_READ = 2 ** 16;
/** The FOOT chunk; the closing magic stands behind it. */
const FOOTER = CHUNK_OVERHEAD + 16;

/** For the websocket, whose first message is the file up to its first segment. */
export function parseHeader(bytes: Uint8Array): Header {
  checkMagic(bytes);
  let header: Header | null = null;
  for (let at = MAGIC_BYTES; at + CHUNK_OVERHEAD <= bytes.length; ) {
    const { type, length } = chunkHead(bytes.subarray(at));
    const end = at + CHUNK_OVERHEAD + length;
    if (end > bytes.length) break;
    if (type === "HEAD") header = readHeader(payloadOf(bytes.subarray(at, end), type));
    at = end;
  }
  if (header === null) throw new BadData("the file has no header");
  return header;
}

/** Reads from the start as one goes on; what was fetched ahead is not fetched again. */
class Front {
  private ahead: Uint8Array = new Uint8Array(0);

  constructor(
    private readonly reader: RangeReader,
    private readonly signal: AbortSignal | undefined,
  ) {}

  get size(): number | null {
    return this.reader.size;
  }

  async bytes(start: number, length: number): Promise<Uint8Array> {
    const end = start + length;
    if (this.size !== null && end > this.size) throw new Truncated("the file ends too early");
    if (end <= this.ahead.length) return this.ahead.subarray(start, end);
    if (start <= FIRST_READ && this.ahead.length < FIRST_READ && this.size !== null && this.size > this.ahead.length) {
      const want = Math.min(this.size, Math.max(FIRST_READ, end));
      this.ahead = await this.reader.read(0, want, this.signal);
      return this.ahead.subarray(start, end);
    }
    return this.reader.read(start, length, this.signal);
  }
}

export async function openContainer(reader: RangeReader, signal?: AbortSignal): Promise<Opened<Header>> {
  const front = new Front(reader, signal);
  checkMagic(await front.bytes(0, MAGIC_BYTES)); // tells the size, too, which bounds what follows
  let header: Header | null = null;
  let at = MAGIC_BYTES;
  for (;;) {
    if (front.size !== null && at + CHUNK_OVERHEAD > front.size) break;
    const { type, length } = chunkHead(await front.bytes(at, CHUNK_HEAD));
    if (type === "SEGM") break;
    if (type === "HEAD") header = readHeader(payloadOf(await front.bytes(at, CHUNK_OVERHEAD + length), type));
    if (type === "INDX" && header !== null) {
      const index = await indexAt(front, at);
      if (index !== null) return { header, index, complete: true };
    }
    at += CHUNK_OVERHEAD + length;
    if (header === null) throw new BadData("the header does not come first");
  }
  if (header === null) throw new BadData("the file has no header");
  const index = (await fromTail(front)) ?? (await scan(front, at));
  return { header, index, complete: header.frames > 0 };
}

/** The index at `at`, null where there is none that is whole: there is a second copy, and the segments tell, too. */
async function indexAt(front: Front, at: number): Promise<SegmentEntry[] | null> {
  try {
    const { type, length } = chunkHead(await front.bytes(at, CHUNK_HEAD));
    if (type !== "INDX") return null;
    return readIndex(payloadOf(await front.bytes(at, CHUNK_OVERHEAD + length), type));
  } catch (error) {
    if (error instanceof BadData) return null;
    throw error;
  }
}

/** The index that the end of the file leads to, null where there is none: a growing or a cut file. */
async function fromTail(front: Front): Promise<SegmentEntry[] | null> {
  const { size } = front;
  if (size === null || size < 2 * MAGIC_BYTES + FOOTER) return null;
  const tail = await front.bytes(size - FOOTER - MAGIC_BYTES, FOOTER + MAGIC_BYTES);
  try {
    checkMagic(tail.subarray(FOOTER));
    if (chunkHead(tail).type !== "FOOT") return null;
    const foot = payloadOf(tail.subarray(0, FOOTER), "FOOT");
    return await indexAt(front, u64(viewOf(foot), 0));
  } catch (error) {
    if (error instanceof BadData) return null;
    throw error;
  }
}

/** The whole segments of a file without an index. Their checksums are not known before they are read: -1. */
async function scan(front: Front, start: number): Promise<SegmentEntry[]> {
  const out: SegmentEntry[] = [];
  for (let at = start; front.size !== null && at + CHUNK_OVERHEAD + SEGMENT_HEAD <= front.size; ) {
    const bytes = await front.bytes(at, CHUNK_HEAD + SEGMENT_HEAD);
    const { type, length } = chunkHead(bytes);
    if (at + CHUNK_OVERHEAD + length > front.size) break;
    if (type === "SEGM") out.push(segmentEntry(bytes.subarray(CHUNK_HEAD, CHUNK_HEAD + length), at, length, -1));
    at += CHUNK_OVERHEAD + length;
  }
  return out;
}
