/** What player and decode worker say to each other. */

import type { PackedFrame } from "../gl/pack.js";
import type { Base } from "./planes.js";

/** A segment's bytes and what their CRC-32C must be, -1 where nothing has told. */
export interface SegmentBytes {
  gop: number;
  bytes: Uint8Array<ArrayBuffer>;
  crc: number;
}

export type DecodeRequest =
  /** `lend`: others share its base, which is to be told. */
  | ({ kind: "segment"; base: SegmentBytes | null; lend: boolean } & SegmentBytes)
  /** Of a segment that another worker decodes, for those that share it. */
  | { kind: "base"; gop: number; base: Base }
  | { kind: "frame"; gop: number; index: number; ticket: number; harmonics: boolean }
  | { kind: "planes"; gop: number; ticket: number }
  | { kind: "forget"; gop: number }
  | { kind: "luma"; ticket: number; pictures: Uint8Array[] | null; reason: string; damaged: boolean };

export type DecodeReply =
  | { kind: "segment"; gop: number; frames: number; count: number; bytes: number; milliseconds: number }
  | { kind: "base"; gop: number; base: Base }
  | { kind: "damaged"; gop: number; reason: string }
  | { kind: "unable"; gop: number; reason: string }
  | { kind: "frame"; gop: number; index: number; ticket: number; frame: PackedFrame }
  | { kind: "planes"; ticket: number; planes: Map<string, Int32Array> }
  | { kind: "luma"; ticket: number; units: Uint8Array[]; width: number; height: number };
