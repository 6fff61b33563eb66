/** Metadata: one zstd frame that states its content size (SPEC.md 3.1). */

import { Decompress } from "fzstd";
import { BadData } from "../decode/errors.js";
import { viewOf } from "./chunks.js";
import { LimitExceeded, Truncated } from "./errors.js";

const MAX_METADATA = 2 ** 24;
const FRAME = 0xfd2fb528;
const RLE = 1;

/** Checks the frame's head and that it ends where the bytes do; the size that it states. */
function contentSize(bytes: Uint8Array): number {
  const view = viewOf(bytes);
  if (bytes.length < 7 || view.getUint32(0, true) !== FRAME) throw new BadData("metadata is not zstd");
  const flags = view.getUint8(4);
  const single = (flags & 32) !== 0;
  const kind = flags >> 6;
  const at = 5 + (single ? 0 : 1) + [0, 1, 2, 4][flags & 3]!;
  const wide = [single ? 1 : 0, 2, 4, 8][kind]!;
  if (wide === 0) throw new LimitExceeded("metadata states no size");
  if (at + wide > bytes.length) throw new BadData("metadata ends too early");
  const window = 2 ** (10 + (view.getUint8(5) >> 3)) * (1 + (view.getUint8(5) & 7) / 8);
  if (!single && window > MAX_METADATA) throw new LimitExceeded("metadata asks for too large a window");
  let size = kind === 1 ? 256 : 0;
  for (let i = 0; i < wide; i++) size += view.getUint8(at + i) * 2 ** (8 * i);
  if (size > MAX_METADATA) throw new LimitExceeded("metadata is too large");
  checkEnd(view, at + wide, (flags & 4) !== 0);
  return size;
}

/** Walks the blocks: another frame behind this one could ask for any window. */
function checkEnd(view: DataView, start: number, checksum: boolean): void {
  let at = start;
  for (let last = false; !last; ) {
    if (at + 3 > view.byteLength) throw new BadData("metadata ends too early");
    const head = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    last = (head & 1) !== 0;
    at += 3 + (((head >> 1) & 3) === RLE ? 1 : head >> 3);
  }
  if (at + (checksum ? 4 : 0) !== view.byteLength) throw new BadData("metadata ends too early or too late");
}

export function unzip(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(contentSize(bytes));
  let filled = 0;
  const stream = new Decompress((piece) => {
    if (filled + piece.length > out.length) throw new BadData("metadata is longer than it says");
    out.set(piece, filled);
    filled += piece.length;
  });
  try {
    stream.push(bytes, true);
  } catch (error) {
    if (error instanceof BadData) throw error;
    throw new BadData(`metadata can't be decompressed: ${error instanceof Error ? error.message : error}`);
  }
  if (filled !== out.length) throw new BadData("metadata is shorter than it says");
  return out;
}

/** Reads numbers off unzipped metadata. */
export class Numbers {
  private at = 0;
  private readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.view = viewOf(bytes);
  }

  get done(): boolean {
    return this.at === this.view.byteLength;
  }

  private take(count: number): number {
    if (this.at + count > this.view.byteLength) throw new Truncated("INDX: ends too early");
    this.at += count;
    return this.at - count;
  }

  u8(): number {
    return this.view.getUint8(this.take(1));
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  /** LEB128 of at most seven bytes, so exact in a double. */
  uv(max: number): number {
    let value = 0;
    for (let i = 0; i < 7; i++) {
      const byte = this.u8();
      value += (byte & 127) * 2 ** (7 * i);
      if (byte < 128 && value <= max) return value;
      if (byte < 128) break;
    }
    throw new BadData("INDX: number too large");
  }
}
