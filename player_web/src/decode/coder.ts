/** The range decoder with mixed contexts (SPEC.md 5.3, 5.4). */

import { BadData } from "./errors.js";

/** Counters of a set (5.4): offsets of its families. */
const FAMILY = 128;
const UNARY = 4 * FAMILY;
const UNARY_BITS = 14;
const SIGN = UNARY + 4 * FAMILY * UNARY_BITS;
const EXP = SIGN + 4 * 16;
const MANT = EXP + 32;
export const SET_SIZE = MANT + 32;
/** Weight sets of a value but its sign, chosen by its first context. */
const SELECT = 4;
export const SET_WEIGHTS = 4 + SELECT * (4 + 14 * 4);

const WEIGHT_START = 19661;
const WEIGHT_LIMIT = 524287;
const TOP = 2 ** 24;
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

  private short(): BadData {
    return this.bad("section ends too early");
  }

  private renormalise(): void {
    const { state } = this;
    do {
      if (this.at >= this.data.length) throw this.short();
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

  /** A bit from one counter. */
  simple(i: number): number {
    const both = this.counters[i]!;
    const p = both >>> 12;
    const bit = this.decode(Math.max(p, 1));
    this.counters[i] = learnt(both, bit === 1 ? 65535 : 0);
    return bit;
  }

  /** A bit mixed from counters i0..i3 by weights w..w+3. */
  mixed(i0: number, i1: number, i2: number, i3: number, w: number): number {
    const { counters, weights } = this;
    const b0 = counters[i0]!;
    const b1 = counters[i1]!;
    const b2 = counters[i2]!;
    const b3 = counters[i3]!;
    const s0 = STRETCH[(b0 >>> 12) & 4095]!;
    const s1 = STRETCH[(b1 >>> 12) & 4095]!;
    const s2 = STRETCH[(b2 >>> 12) & 4095]!;
    const s3 = STRETCH[(b3 >>> 12) & 4095]!;
    const w0 = weights[w]!;
    const w1 = weights[w + 1]!;
    const w2 = weights[w + 2]!;
    const w3 = weights[w + 3]!;
    const p = mix((Math.imul(s0, w0) + Math.imul(s1, w1)) | 0, (Math.imul(s2, w2) + Math.imul(s3, w3)) | 0);
    const bit = this.decode(p);
    const e = ((bit << 12) - p) * 3;
    weights[w] = clampWeight((w0 + ((Math.imul(s0, e) + 4096) >> 13)) | 0);
    weights[w + 1] = clampWeight((w1 + ((Math.imul(s1, e) + 4096) >> 13)) | 0);
    weights[w + 2] = clampWeight((w2 + ((Math.imul(s2, e) + 4096) >> 13)) | 0);
    weights[w + 3] = clampWeight((w3 + ((Math.imul(s3, e) + 4096) >> 13)) | 0);
    const target = bit === 1 ? 65535 : 0;
    counters[i0] = learnt(b0, target);
    counters[i1] = learnt(b1, target);
    counters[i2] = learnt(b2, target);
    counters[i3] = learnt(b3, target);
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
    const { state, data, counters, weights } = this;
    const base = index * SET_SIZE;
    const sign = index * SET_WEIGHTS;
    const u = base + UNARY;
    // one body for all three kinds of bit, so that the coder's state stays in registers: u is what the bit tells
    let i0 = u + c0 * UNARY_BITS;
    let i1 = u + (FAMILY + c1) * UNARY_BITS;
    let i2 = u + (2 * FAMILY + c2) * UNARY_BITS;
    let i3 = u + (3 * FAMILY + c3) * UNARY_BITS;
    let w = sign + 8 + 60 * Math.min(SELECT - 1, (c0 + 4) >> 3);
    let m = 1;
    if (!nonzero) {
      i0 = base + c0;
      i1 = base + FAMILY + c1;
      i2 = base + 2 * FAMILY + c2;
      i3 = base + 3 * FAMILY + c3;
      w -= 4;
      m = 0;
    }
    let range = state[RANGE]!;
    let code = state[CODE]!;
    let at = this.at;
    let more = true; // a bit of the magnitude; else the sign
    let bit = 0;
    for (;;) {
      const b0 = counters[i0]!;
      const b1 = counters[i1]!;
      const b2 = counters[i2]!;
      const b3 = counters[i3]!;
      const s0 = STRETCH[(b0 >>> 12) & 4095]!;
      const s1 = STRETCH[(b1 >>> 12) & 4095]!;
      const s2 = STRETCH[(b2 >>> 12) & 4095]!;
      const s3 = STRETCH[(b3 >>> 12) & 4095]!;
      const w0 = weights[w]!;
      const w1 = weights[w + 1]!;
      const w2 = weights[w + 2]!;
      const w3 = weights[w + 3]!;
      const p = mix((Math.imul(s0, w0) + Math.imul(s1, w1)) | 0, (Math.imul(s2, w2) + Math.imul(s3, w3)) | 0);
      const bound = Math.imul(range >>> 12, p) >>> 0;
      let target = 0;
      let e = -3 * p;
      if (code < bound) {
        bit = 1;
        target = 65535;
        e += 3 * 4096;
        range = bound;
      } else {
        bit = 0;
        range = (range - bound) >>> 0; // told to be 32 bits, all this stays out of floating point
        code = (code - bound) >>> 0;
      }
      while (range < TOP) {
        if (at >= data.length) throw this.short();
        range = (range << 8) >>> 0;
        code = ((code << 8) | data[at++]!) >>> 0;
      }
      weights[w] = clampWeight((w0 + ((Math.imul(s0, e) + 4096) >> 13)) | 0);
      weights[w + 1] = clampWeight((w1 + ((Math.imul(s1, e) + 4096) >> 13)) | 0);
      weights[w + 2] = clampWeight((w2 + ((Math.imul(s2, e) + 4096) >> 13)) | 0);
      weights[w + 3] = clampWeight((w3 + ((Math.imul(s3, e) + 4096) >> 13)) | 0);
      counters[i0] = learnt(b0, target);
      counters[i1] = learnt(b1, target);
      counters[i2] = learnt(b2, target);
      counters[i3] = learnt(b3, target);
      if (!more) break;
      if (m === 0) {
        if (bit === 0) break;
        i0 = u + c0 * UNARY_BITS;
        i1 = u + (FAMILY + c1) * UNARY_BITS;
        i2 = u + (2 * FAMILY + c2) * UNARY_BITS;
        i3 = u + (3 * FAMILY + c3) * UNARY_BITS;
        w += 4;
        m = 1;
        continue;
      }
      if (bit === 1) {
        m++;
        if (m <= UNARY_BITS) {
          i0++;
          i1++;
          i2++;
          i3++;
          w += 4;
          continue;
        }
        state[RANGE] = range;
        state[CODE] = code;
        this.at = at;
        m = this.large(base);
        range = state[RANGE]!;
        code = state[CODE]!;
        at = this.at;
      }
      if (!signed) break;
      i0 = base + SIGN + g0;
      i1 = base + SIGN + 16 + g1;
      i2 = base + SIGN + 32 + g2;
      i3 = base + SIGN + 48 + g3;
      w = sign;
      more = false;
    }
    state[RANGE] = range;
    state[CODE] = code;
    this.at = at;
    return !more && bit === 1 ? -m : m;
  }

  /** Exp-Golomb beyond the unary part. */
  private large(base: number): number {
    let e = 0;
    while (this.simple(base + EXP + Math.min(e, 31)) === 1) {
      if (++e > 20) throw this.bad("value out of range");
    }
    let r = 1;
    for (let i = e - 1; i >= 0; i--) r = 2 * r + (i >= e - 2 ? this.simple(base + MANT + i) : this.raw());
    return r + UNARY_BITS;
  }

  /** A number of set `index`: a value under contexts 0. */
  number(index: number, signed: boolean): number {
    return this.value(index, 0, 0, 0, 0, 0, 0, 0, 0, signed, false);
  }
}

/**
 * The probability of a one, from the weighted sum's two halves. Each product is below 2^30, so a half is below 2^31; the
 * sum is formed without a carry beyond 32 bits.
 */
function mix(a: number, b: number): number {
  const x = (a >> 16) + (b >> 16) + (((a & 0xffff) + (b & 0xffff)) >> 16);
  return SQUASH[Math.min(Math.max(x, -2047), 2047) + 2048]!;
}

/** A counter (p << 8 | n) after a bit, 65535 or 0. */
function learnt(both: number, target: number): number {
  const n = both & 255;
  const p = both >>> 8;
  // below 2^31: the one rate above 32767 meets a counter that is still in the middle
  return ((p + (Math.imul(target - p, RATE[n]!) >> 16)) << 8) | (n < 255 ? n + 1 : 255);
}

function clampWeight(w: number): number {
  return Math.min(Math.max(w, -WEIGHT_LIMIT), WEIGHT_LIMIT);
}
