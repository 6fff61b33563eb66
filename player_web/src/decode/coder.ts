/** The range decoder with mixed contexts (SPEC.md 5.3, 5.4). */

import { BadData } from "./errors.js";

/** Counters of a set (5.4): offsets of its families. */
const FAMILY = 128;
const UNARY = 4 * FAMILY;
const SIGN = UNARY + 4 * FAMILY * 14;
const EXP = SIGN + 4 * 16;
const MANT = EXP + 32;
export const SET_SIZE = MANT + 32;
/** Weight sets of a value but its sign, chosen by its first context. */
const SELECT = 4;
export const SET_WEIGHTS = 4 + SELECT * (4 + 14 * 4);

const WEIGHT_START = 19661;
const WEIGHT_LIMIT = 524287;
const TOP = 2 ** 24;
const DOT_LIMIT = 2047 * 65536;
const RANGE = 0;
const CODE = 1;

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
  return HALF_OCTAVES[Math.min(x, 128)]!;
}

/** 0, 1, 2 for negative, zero, positive. */
export function sgn3(x: number): number {
  return x < 0 ? 0 : x > 0 ? 2 : 1;
}

/** One range-coded section with fresh contexts. */
export class Decoder {
  /** Range and code: typed, so that 32-bit values never become boxed numbers. */
  private readonly state = new Uint32Array(2);
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
    this.state[RANGE] = 0xffffffff;
    this.state[CODE] = (data[0]! << 24) | (data[1]! << 16) | (data[2]! << 8) | data[3]!;
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
    const { state } = this;
    do {
      if (this.at >= this.data.length) throw this.bad("section ends too early");
      state[RANGE] = state[RANGE]! << 8;
      state[CODE] = (state[CODE]! << 8) | this.data[this.at++]!;
    } while (state[RANGE]! < TOP);
  }

  private decode(p: number): number {
    const { state } = this;
    const range = state[RANGE]!;
    const bound = Math.imul(range >>> 12, p) >>> 0;
    let bit = 0;
    if (state[CODE]! < bound) {
      state[RANGE] = bound;
      bit = 1;
    } else {
      state[RANGE] = range - bound;
      state[CODE] = state[CODE]! - bound;
    }
    if (state[RANGE]! < TOP) this.renormalise();
    return bit;
  }

  /** One bit of probability 1/2. */
  raw(): number {
    const { state } = this;
    const half = state[RANGE]! >>> 1;
    state[RANGE] = half;
    let bit = 0;
    if (state[CODE]! >= half) {
      state[CODE] = state[CODE]! - half;
      bit = 1;
    }
    if (half < TOP) this.renormalise();
    return bit;
  }

  private learn(i: number, both: number, target: number): void {
    const n = both & 255;
    const p = both >>> 8;
    // below 2^31: the one rate above 32767 meets a counter that is still in the middle
    const next = p + (Math.imul(target - p, RATE[n]!) >> 16);
    this.counters[i] = (next << 8) | (n < 255 ? n + 1 : 255);
  }

  /** A bit from one counter. */
  simple(i: number): number {
    const both = this.counters[i]!;
    const p = both >>> 12;
    const bit = this.decode(Math.max(p, 1));
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
    const w0 = weights[w]!;
    const w1 = weights[w + 1]!;
    const w2 = weights[w + 2]!;
    const w3 = weights[w + 3]!;
    // each product is below 2^30; a sum beyond 32 bits is clamped before it is shifted
    const dot = Math.imul(s0, w0) + Math.imul(s1, w1) + Math.imul(s2, w2) + Math.imul(s3, w3);
    const x = dot >= DOT_LIMIT ? 2047 : dot < -DOT_LIMIT ? -2047 : dot >> 16;
    const p = SQUASH[x + 2048]!;
    const bit = this.decode(p);
    const e = ((bit << 12) - p) * 3;
    weights[w] = clampWeight(w0 + ((Math.imul(s0, e) + 4096) >> 13));
    weights[w + 1] = clampWeight(w1 + ((Math.imul(s1, e) + 4096) >> 13));
    weights[w + 2] = clampWeight(w2 + ((Math.imul(s2, e) + 4096) >> 13));
    weights[w + 3] = clampWeight(w3 + ((Math.imul(s3, e) + 4096) >> 13));
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
    const sign = index * SET_WEIGHTS;
    const w = sign + 4 + 60 * Math.min(SELECT - 1, (c0 + 4) >> 3);
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
    return this.mixed(g + g0, g + 16 + g1, g + 32 + g2, g + 48 + g3, sign) === 1 ? -m : m;
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
  return Math.min(Math.max(w, -WEIGHT_LIMIT), WEIGHT_LIMIT);
}
