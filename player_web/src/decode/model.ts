/** The frame of a segment and its MODEL section (SPEC.md 5.1, 5.2). */

import { BadData, Unsupported } from "./errors.js";

const VERSION = 2;
const FLAG_LAYOUT = 1;
const FLAG_SHARED = 2;
const SECTIONS = ["model", "side", "position", "base", "coefficient", "video"] as const;
const MAX_FRAMES = 256;
const MAX_SLOTS = 2 ** 22;
const MAX_PARTS = 64;
/** Added to the number of nodes in P. */
const SOFT = 128;
/** Nodes that move a slot of soft parts. */
export const BLENDED = 4;
const MIN_NODES = BLENDED + 1;
const MAX_BITS = 20;
const MAX_GAIN = 64;
export const MAX_ATLAS_WIDTH = 2048;
export const MAX_ATLAS_HEIGHT = 2050;
/** Bytes of integer planes that a segment may take. */
const BUDGET = 2 ** 31;

export const MODE_CODED = 1;
export const MODE_VIDEO = 2;
export const BASIS_NONE = 0;
export const BASIS_EXPLICIT = 2;
export const SCALE = 1;
export const ROTATION = 2;
export const OPACITY = 3;
export const COLOUR = 4;
export const SH = 5;
export const GROUPS = 6;
const FEATURES = [0, 3, 7, 6, 7, 7];

export type Sections = Record<(typeof SECTIONS)[number], Uint8Array> & { explicitLayout: boolean; shared: boolean };

export interface Model {
  frames: number;
  slots: number;
  shDegree: number;
  channels: number;
  bits: [number, number, number];
  cellShift: number;
  origin: Float32Array;
  baseUnit: Float32Array;
  spacing: number[];
  /** By group: factors of the class regression. */
  regression: number[][];
  coefUnit: Float32Array;
  /** Parts, or nodes of soft ones. */
  parts: number;
  soft: boolean;
  /** Soft: nodes stand on multiples of 2^placeShift lattice units. */
  placeShift: number;
  partUnit: Float32Array;
  basisKind: number[];
  basisCount: number[];
  /** By channel, K_g entries each. */
  mode: number[][];
  /** By channel, one for each plane of mode 1. */
  beta: number[][];
  atlas: [number, number];
  gain: number;
  /** Lattice, classes, base and labels are another segment's. */
  shared: boolean;
}

/** First channel of each group, and the end. */
export function groupStarts(shDegree: number): number[] {
  return [0, 3, 6, 9, 10, 13, 13 + 3 * ((shDegree + 1) ** 2 - 1)];
}

export function groupOf(channel: number): number {
  return channel < 3
    ? 0
    : channel < 6
      ? SCALE
      : channel < 9
        ? ROTATION
        : channel < 10
          ? OPACITY
          : channel < 13
            ? COLOUR
            : SH;
}

/** The channel that stands in for "the previous channel" in contexts, -1 for the first of a group. */
export function previousChannel(channel: number): number {
  const before = channel - (channel >= 13 ? 3 : 1);
  return before >= 0 && groupOf(before) === groupOf(channel) ? before : -1;
}

/** Coefficient numbers k (from 1) of the channel's planes of that mode. */
export function planesOf(model: Model, channel: number, mode: number): number[] {
  return (model.mode[channel] ?? []).flatMap((m, k) => (m === mode ? [k + 1] : []));
}

/** [channel, k] of mode 2, by channel, then k. */
export function videoPlanes(model: Model): [number, number][] {
  return model.mode.flatMap((_, c) => planesOf(model, c, MODE_VIDEO).map((k): [number, number] => [c, k]));
}

/** Bounded reads with the field's name in every error. */
export class Fields {
  at = 0;
  private readonly view: DataView;
  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  take(name: string, n: number): number {
    if (this.at + n > this.bytes.length) throw new BadData(`${name}: data ends too early`);
    this.at += n;
    return this.at - n;
  }

  u8(name: string, most: number): number {
    const value = this.bytes[this.take(name, 1)]!;
    if (value > most) throw new BadData(`${name}: ${value} is out of range`);
    return value;
  }

  /** Unsigned LEB128, at most five bytes. */
  uv(name: string): number {
    let value = 0;
    for (let i = 0; i < 5; i++) {
      const byte = this.bytes[this.take(name, 1)]!;
      value += (byte & 127) * 2 ** (7 * i);
      if (byte < 128) return value;
    }
    throw new BadData(`${name}: number longer than five bytes`);
  }

  floats(name: string, n: number, positive = false): Float32Array {
    const at = this.take(name, 4 * n);
    const out = Float32Array.from({ length: n }, (_, i) => this.view.getFloat32(at + 4 * i, true));
    if (!out.every((v) => Number.isFinite(v) && (!positive || v > 0)))
      throw new BadData(`${name}: not a number in range`);
    return out;
  }

  ints(name: string, n: number): number[] {
    const at = this.take(name, 4 * n);
    return Array.from({ length: n }, (_, i) => this.view.getInt32(at + 4 * i, true));
  }
}

export function splitSegment(bytes: Uint8Array): Sections {
  const fields = new Fields(bytes);
  if (fields.u8("segment version", 255) !== VERSION) {
    throw new Unsupported(`this segment is of version ${bytes[0]}; this player reads ${VERSION}`);
  }
  const flags = fields.u8("segment flags", 255);
  if ((flags & ~(FLAG_LAYOUT | FLAG_SHARED)) !== 0) throw new Unsupported(`segment flags ${flags} are not known here`);
  const lengths = SECTIONS.map((name) => fields.uv(name));
  if (fields.at + lengths.reduce((a, b) => a + b, 0) !== bytes.length) {
    throw new BadData("segment: its length is not that of its sections");
  }
  const parts = SECTIONS.map((name, i) => {
    const at = fields.take(name, lengths[i]!);
    return [name, bytes.subarray(at, fields.at)];
  });
  return {
    ...Object.fromEntries(parts),
    explicitLayout: (flags & FLAG_LAYOUT) !== 0,
    shared: (flags & FLAG_SHARED) !== 0,
  };
}

/** `base`: the model of the segment whose base this one shares, where it shares one. */
export function readModel(bytes: Uint8Array, base: Model | null = null): Model {
  const r = new Fields(bytes);
  const frames = r.uv("T");
  const slots = r.uv("N");
  if (frames < 1 || frames > MAX_FRAMES) throw new BadData(`T: ${frames} frames in a segment`);
  if (slots > MAX_SLOTS) throw new BadData(`N: ${slots} slots in a segment`);
  const shDegree = r.u8("sh_degree", 3);
  const channels = groupStarts(shDegree)[GROUPS]!;
  const model: Model = {
    frames,
    slots,
    shDegree,
    channels,
    bits: [0, 0, 0],
    cellShift: 0,
    origin: new Float32Array(3),
    baseUnit: new Float32Array(channels),
    spacing: [0],
    regression: [[]],
    coefUnit: new Float32Array(channels),
    parts: 0,
    soft: false,
    placeShift: 0,
    partUnit: new Float32Array(2),
    basisKind: [0, 0, 0, 0, 0, 0],
    basisCount: [0, 0, 0, 0, 0, 0],
    mode: [],
    beta: [],
    atlas: [0, 0],
    gain: 1,
    shared: base !== null,
  };
  if (base === null) readOwn(r, model);
  if (isTemporal(model)) readTemporal(r, model);
  if (base !== null) adopt(model, base);
  if (r.at !== bytes.length) throw new BadData("MODEL: bytes left over");
  const planes = model.mode.flat().filter((m) => m !== 0).length;
  if (slots * (channels + planes) * 4 > BUDGET) throw new BadData("segment: more planes than there is room for");
  return model;
}

/** Whether there are coefficients: on a shared base even one frame has them. */
export function isTemporal(model: Model): boolean {
  return model.frames > 1 || model.shared;
}

function readOwn(r: Fields, model: Model): void {
  model.bits = [r.u8("bits", MAX_BITS), r.u8("bits", MAX_BITS), r.u8("bits", MAX_BITS)];
  model.cellShift = r.u8("cell_shift", MAX_BITS);
  model.origin = r.floats("origin", 3);
  model.baseUnit = r.floats("base_unit", model.channels, true);
  for (let g = 1; g < GROUPS; g++) {
    model.spacing.push(r.u8("spacing", 4));
    model.regression.push(r.ints("regression", FEATURES[g]!));
  }
}

/** Take what a shared base gives. */
function adopt(model: Model, base: Model): void {
  const { slots, shDegree } = base;
  const parts = base.soft ? 0 : base.parts; // that have labels
  // more slots than the base has: births
  if (model.slots < slots || model.shDegree !== shDegree) throw new BadData("N: does not fit the base that is shared");
  if (!model.soft && model.parts !== 0 && model.parts !== parts)
    throw new BadData("P: does not fit the base that is shared");
  const { bits, cellShift, origin, baseUnit, spacing, regression } = base;
  Object.assign(model, { bits, cellShift, origin, baseUnit, spacing, regression });
}

function readTemporal(r: Fields, model: Model): void {
  model.coefUnit = r.floats("coef_unit", model.channels, true);
  const told = r.u8("P", 255);
  model.soft = told >= SOFT;
  model.parts = told % SOFT;
  if (model.soft ? model.parts < MIN_NODES : model.parts > MAX_PARTS) throw new BadData(`P: ${told} is out of range`);
  if (model.parts > 0) model.partUnit = r.floats("part_unit", 2, true);
  if (model.soft) model.placeShift = r.u8("place_shift", MAX_BITS);
  for (let g = 0; g < GROUPS; g++) {
    model.basisKind[g] = r.u8("basis", BASIS_EXPLICIT);
    model.basisCount[g] = r.u8("K_g", model.frames - (model.shared ? 0 : 1));
    if ((model.basisKind[g] === BASIS_NONE) !== (model.basisCount[g] === 0)) {
      throw new BadData("K_g: basis without coefficients");
    }
  }
  for (let c = 0; c < model.channels; c++) {
    const count = model.basisCount[groupOf(c)]!;
    model.mode.push(Array.from({ length: count }, () => r.u8("mode", MODE_VIDEO)));
  }
  model.beta = model.mode.map((row) => row.filter((m) => m === MODE_CODED).map(() => r.u8("beta", 32)));
  if (videoPlanes(model).length > 0) {
    model.atlas = [r.uv("atlas_width"), r.uv("atlas_height")];
    if (model.atlas[0] > MAX_ATLAS_WIDTH || model.atlas[1] > MAX_ATLAS_HEIGHT) throw new BadData("atlas: too large");
    model.gain = r.u8("gain", MAX_GAIN);
    if (model.gain === 0) throw new BadData("gain: is zero");
  }
}
