/** The range decoder with mixed contexts (SPEC.md 5.3, 5.4). */

import { BadData } from "./errors.js";

/** Counters of a set (5.4): offsets of its families. */
const FAMILY = 128;
const UNARY = 4 * FAMILY;
const SIGN = UNARY + 4 * FAMILY * 14;
const EXP = SIGN + 4 * 16;
const MANT = EXP + 32;
export const SET_SIZE = MANT + 32;
export const SET_WEIGHTS = 4 + 14 * 4 + 4;

const WEIGHT_START = 19661;
const WEIGHT_LIMIT = 524287;
const TOP = 2 ** 24;

const POINTS = [
  1, 2, 4, 6, 10, 17, 27, 45, 74, 120, 194, 311, 488, 747, 1102, 1546, 2048, 2550, 2994, 3349, 3608, 3785, 3902, 3976,
  4022, 4051, 4069, 4079, 4086, 4090, 4092, 4094, 4095,
];

const SQUASH = new Int16Array(4096); // index x + 2048; all values lie in 1..4095
const STRETCH = new Int16Array(4096);
const RATE = new Int32Array(256);
for (let x = 0; x < 4096; x++) {
  const f = x & 127;
  SQUASH[x] = (POINTS[x >> 7]! * (128 - f) + POINTS[(x >> 7) + 1]! * f + 64) >> 7;
}
for (let v = 0, x = 1; v < 4096; v++) {
  while (x < 4095 && SQUASH[x]! < v) x++;
  STRETCH[v] = Math.min(x - 2048, 2047);
}
for (let n = 0; n < 256; n++) RATE[n] = Math.floor(655360 / (10 * n + 16));

const HALF_OCTAVES = new Uint8Array(129);
for (let x = 1; x < 129; x++) {
  const b = 31 - Math.clz32(x);
  HALF_OCTAVES[x] = Math.min(15, 1 + 2 * b + (b > 0 ? (x >> (b - 1)) & 1 : 0));
}

/** Q of 5.4: a magnitude x >= 0 in half octaves. */
export function quantise(x: number): number {
  return HALF_OCTAVES[x < 128 ? x : 128]!;
}

/** 0, 1, 2 for negative, zero, positive. */
export function sgn3(x: number): number {
  return x < 0 ? 0 : x > 0 ? 2 : 1;
}

/** One range-coded section with fresh contexts. */
export class Decoder {
  private range = 0xffffffff;
  private code: number;
  private at = 4;
  /** p << 8 | n of each counter. */
  private readonly counters: Int32Array;
  private readonly weights: Int32Array;

  constructor(
    private readonly data: Uint8Array,
    private readonly section: string,
    counters: number,
    weights: number,
  ) {
    if (data.length < 4) throw new BadData(`${section}: section is too short`);
    this.code = ((data[0]! << 24) | (data[1]! << 16) | (data[2]! << 8) | data[3]!) >>> 0;
    this.counters = new Int32Array(counters).fill(32768 << 8);
    this.weights = new Int32Array(weights).fill(WEIGHT_START);
  }

  static ofSets(data: Uint8Array, section: string, sets: number, extra = 0): Decoder {
    return new Decoder(data, section, sets * SET_SIZE + extra, sets * SET_WEIGHTS);
  }

  bad(what: string): BadData {
    return new BadData(`${this.section}: ${what}`);
  }

  private renormalise(): void {
    do {
      if (this.at >= this.data.length) throw this.bad("section ends too early");
      this.range = (this.range << 8) >>> 0;
      this.code = ((this.code << 8) | this.data[this.at++]!) >>> 0;
    } while (this.range < TOP);
  }

  private decode(p: number): number {
    const bound = (this.range >>> 12) * p; // below 2^32
    let bit = 0;
    if (this.code < bound) {
      this.range = bound;
      bit = 1;
    } else {
      this.range -= bound;
      this.code -= bound;
    }
    if (this.range < TOP) this.renormalise();
    return bit;
  }

  /** One bit of probability 1/2. */
  raw(): number {
    const half = this.range >>> 1;
    this.range = half;
    let bit = 0;
    if (this.code >= half) {
      this.code -= half;
      bit = 1;
    }
    if (half < TOP) this.renormalise();
    return bit;
  }

  private learn(i: number, both: number, target: number): void {
    const n = both & 255;
    const p = both >>> 8;
    // |target - p| * RATE stays below 2^16 * 40960 > 2^31: split so that 32-bit arithmetic is exact
    const next = p + Math.floor(((target - p) * RATE[n]!) / 65536);
    this.counters[i] = (next << 8) | (n < 255 ? n + 1 : 255);
  }

  /** A bit from one counter. */
  simple(i: number): number {
    const both = this.counters[i]!;
    const p = both >>> 12;
    const bit = this.decode(p < 1 ? 1 : p > 4095 ? 4095 : p);
    this.learn(i, both, bit === 1 ? 65535 : 0);
    return bit;
  }

  /** A bit mixed from counters i0..i3 by weights w..w+3. */
  mixed(i0: number, i1: number, i2: number, i3: number, w: number): number {
    const { counters, weights } = this;
    const b0 = counters[i0]!;
    const b1 = counters[i1]!;
    const b2 = counters[i2]!;
    const b3 = counters[i3]!;
    const s0 = STRETCH[b0 >>> 12]!;
    const s1 = STRETCH[b1 >>> 12]!;
    const s2 = STRETCH[b2 >>> 12]!;
    const s3 = STRETCH[b3 >>> 12]!;
    // four products of up to 2^30: added as doubles
    const dot = s0 * weights[w]! + s1 * weights[w + 1]! + s2 * weights[w + 2]! + s3 * weights[w + 3]!;
    const x = Math.floor(dot / 65536);
    const p = SQUASH[(x < -2047 ? -2047 : x > 2047 ? 2047 : x) + 2048]!;
    const bit = this.decode(p);
    const e = ((bit << 12) - p) * 3;
    weights[w] = clampWeight(weights[w]! + ((s0 * e + 4096) >> 13));
    weights[w + 1] = clampWeight(weights[w + 1]! + ((s1 * e + 4096) >> 13));
    weights[w + 2] = clampWeight(weights[w + 2]! + ((s2 * e + 4096) >> 13));
    weights[w + 3] = clampWeight(weights[w + 3]! + ((s3 * e + 4096) >> 13));
    const target = bit === 1 ? 65535 : 0;
    this.learn(i0, b0, target);
    this.learn(i1, b1, target);
    this.learn(i2, b2, target);
    this.learn(i3, b3, target);
    return bit;
  }

  /** A value (5.4) of set `index` under contexts c and sign contexts g. */
  value(
    index: number,
    c0: number,
    c1: number,
    c2: number,
    c3: number,
    g0: number,
    g1: number,
    g2: number,
    g3: number,
    signed: boolean,
    nonzero: boolean,
  ): number {
    const base = index * SET_SIZE;
    const w = index * SET_WEIGHTS;
    if (!nonzero) {
      const z = base;
      if (this.mixed(z + c0, z + FAMILY + c1, z + 2 * FAMILY + c2, z + 3 * FAMILY + c3, w) === 0) return 0;
    }
    const u = base + UNARY;
    const u0 = u + c0 * 14;
    const u1 = u + (FAMILY + c1) * 14;
    const u2 = u + (2 * FAMILY + c2) * 14;
    const u3 = u + (3 * FAMILY + c3) * 14;
    let m = 1;
    for (let k = 0; k < 14; k++) {
      if (this.mixed(u0 + k, u1 + k, u2 + k, u3 + k, w + 4 + 4 * k) === 0) break;
      m++;
    }
    if (m === 15) m = this.large(base);
    if (!signed) return m;
    const g = base + SIGN;
    return this.mixed(g + g0, g + 16 + g1, g + 32 + g2, g + 48 + g3, w + 60) === 1 ? -m : m;
  }

  /** Exp-Golomb beyond the unary part. */
  private large(base: number): number {
    let e = 0;
    while (this.simple(base + EXP + Math.min(e, 31)) === 1) {
      if (++e > 20) throw this.bad("value out of range");
    }
    let r = 1;
    for (let i = e - 1; i >= 0; i--) r = 2 * r + (i >= e - 2 ? this.simple(base + MANT + i) : this.raw());
    return r + 14;
  }

  /** A number of set `index`: a value under contexts 0. */
  number(index: number, signed: boolean): number {
    return this.value(index, 0, 0, 0, 0, 0, 0, 0, 0, signed, false);
  }
}

function clampWeight(w: number): number {
  return w < -WEIGHT_LIMIT ? -WEIGHT_LIMIT : w > WEIGHT_LIMIT ? WEIGHT_LIMIT : w;
}
