/** Incremental reader: bytes in any pieces in, events out. It holds one chunk at most. */

import { BadData } from "../decode/errors.js";
import type { SegmentEntry } from "../wire/source.js";
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
import { crc32c } from "./crc32c.js";
import { Truncated } from "./errors.js";
import { type Header, readHeader } from "./header.js";
import { readIndex } from "./index_table.js";

export type GsvEvent =
  | { kind: "header"; header: Header }
  | { kind: "segment"; entry: SegmentEntry; bytes: Uint8Array }
  | { kind: "index"; index: SegmentEntry[] }
  | { kind: "chunk"; type: string; payload: Uint8Array }
  | { kind: "end" };

const FOOTER = 16;

/** Feed bytes, drain events. After an error the reader is dead; the events before it stay valid. */
export class Reader {
  private buffer = new Uint8Array(1024);
  private filled = 0;
  /** Of the buffer's first byte in the file. */
  private offset = 0;
  private state: "magic" | "chunks" | "tail" | "done" = "magic";
  private seenHeader = false;
  private indexOffset = 0;

  feed(bytes: Uint8Array): void {
    const need = this.filled + bytes.length;
    if (need > this.buffer.length) {
      const larger = new Uint8Array(Math.max(need, 2 * this.buffer.length));
      larger.set(this.buffer.subarray(0, this.filled));
      this.buffer = larger;
    }
    this.buffer.set(bytes, this.filled);
    this.filled = need;
  }

  /** No more bytes come: throws where the file is not whole. */
  close(): void {
    if (this.state !== "done") throw new Truncated("the file ends before its footer");
  }

  *events(): Generator<GsvEvent> {
    for (;;) {
      if (this.state === "done") {
        if (this.filled > 0) throw new BadData("bytes behind the end of the file");
        return;
      }
      if (this.state === "chunks") {
        const event = this.chunk();
        if (event === null) return;
        if (event !== "footer") yield event;
      } else {
        if (this.filled < MAGIC_BYTES) return;
        checkMagic(this.take(MAGIC_BYTES));
        this.state = this.state === "magic" ? "chunks" : "done";
        if (this.state === "done") yield { kind: "end" };
      }
    }
  }

  private take(length: number): Uint8Array {
    const out = this.buffer.slice(0, length);
    this.buffer.copyWithin(0, length, this.filled);
    this.filled -= length;
    this.offset += length;
    return out;
  }

  /** The event of a whole chunk, null where more bytes are wanted. */
  private chunk(): GsvEvent | "footer" | null {
    if (this.filled < CHUNK_HEAD) return null;
    const { type, length } = chunkHead(this.buffer.subarray(0, CHUNK_HEAD));
    if (this.filled < length + CHUNK_OVERHEAD) return null;
    const at = this.offset;
    const payload = payloadOf(this.take(length + CHUNK_OVERHEAD), type);
    if (!this.seenHeader && type !== "HEAD") throw new BadData("the header does not come first");
    if (type === "HEAD") {
      this.seenHeader = true;
      return { kind: "header", header: readHeader(payload) };
    }
    if (type === "SEGM") {
      const bytes = payload.subarray(Math.min(SEGMENT_HEAD, length));
      return { kind: "segment", entry: segmentEntry(payload, at, length, crc32c(bytes)), bytes };
    }
    if (type === "INDX") {
      this.indexOffset = at;
      return { kind: "index", index: readIndex(payload) };
    }
    if (type !== "FOOT") return { kind: "chunk", type, payload };
    this.checkFooter(payload);
    this.state = "tail";
    return "footer";
  }

  private checkFooter(payload: Uint8Array): void {
    if (payload.length !== FOOTER) throw new BadData("FOOT: another length");
    const view = viewOf(payload);
    if (u64(view, 0) !== this.indexOffset || u64(view, 8) !== this.offset + MAGIC_BYTES) {
      throw new BadData("FOOT: differs from the file");
    }
  }
}
