/** The range decoder with mixed contexts (SPEC.md 5.3, 5.4). */

import { BadData } from "./errors.js";

/** By 128: how likely a one is at the weighted sum, in 1/4096. */
const SQUASH_POINTS = [
  1, 2, 4, 6, 10, 17, 27, 45, 74, 120, 194, 311, 488, 747, 1102, 1546, 2048, 2550, 2994, 3349, 3608, 3785, 3902, 3976,
  4022, 4051, 4069, 4079, 4086, 4090, 4092, 4094, 4095,
];

/** In place of sign contexts: there is no sign. */
export const UNSIGNED = -1;

/** Contexts of a value, each below 128. */
export function contextsOf(c0: number, c1: number, c2: number, c3: number): number {
  return c0 | (c1 << 7) | (c2 << 14) | (c3 << 21);
}

/** Contexts of a sign, each below 16. */
export function signsOf(g0: number, g1: number, g2: number, g3: number): number {
  return g0 | (g1 << 4) | (g2 << 8) | (g3 << 12);
}

/**
 * All that bits are decoded with stands in the scope of one function that runs once. A bundler turns a module's
 * constants into variables, which V8 reads and checks anew at every use; of such a function they stay constants, whose
 * values, and addresses of large arrays, become part of the machine code. For the same reason every sum is told to be
 * 32 bits wide: what V8 knows no bounds of goes through floating point.
 */
function scope() {
  /**
   * Counters of a set (5.4): four families of 128 contexts, each with those of a magnitude side by side, "not zero"
   * first, so that a value meets four places in memory.
   */
  const UNARY_BITS = 14;
  const CONTEXT = 16;
  const FAMILY = 128 * CONTEXT;
  const SIGN = 4 * FAMILY;
  const EXP = SIGN + 4 * 16;
  const MANT = EXP + 32;
  const SET_SIZE = MANT + 32;
  /** Weights: of the sign, then those of a magnitude, by its first context. */
  const SELECT = 4;
  const MAGNITUDE_WEIGHTS = 4 * (1 + UNARY_BITS);
  const SET_WEIGHTS = 4 + SELECT * MAGNITUDE_WEIGHTS;
  /** The largest section has the base planes of three degrees of harmonics. */
  const MOST_SETS = 60;
  const MOST_OTHERS = 128;

  const WEIGHT_START = 19661;
  const WEIGHT_LIMIT = 524287;
  const TOP = 2 ** 24;
  const RANGE = 0;
  const CODE = 1;

  const SQUASH = new Int32Array(4096); // index x + 2048; all values lie in 1..4095
  const STRETCH = new Int32Array(4096);
  const RATES = new Int32Array(256);
  const HALF_OCTAVES = new Int32Array(129);
  for (let x = 0; x < 4096; x++) {
    const f = x & 127;
    SQUASH[x] = (SQUASH_POINTS[x >> 7]! * (128 - f) + SQUASH_POINTS[(x >> 7) + 1]! * f + 64) >> 7;
  }
  for (let v = 0, x = 1; v < 4096; v++) {
    while (x < 4095 && SQUASH[x]! < v) x++;
    STRETCH[v] = Math.min(x - 2048, 2047);
  }
  for (let n = 0; n < 256; n++) RATES[n] = Math.floor(655360 / (10 * n + 16));
  for (let x = 1; x < 129; x++) {
    const b = 31 - Math.clz32(x);
    HALF_OCTAVES[x] = Math.min(15, 1 + 2 * b + (b > 0 ? (x >> (b - 1)) & 1 : 0));
  }

  /** Of the decoder that was made last: p << 8 | n of each counter, weights, range and code. */
  const COUNTERS = new Int32Array(MOST_SETS * SET_SIZE + MOST_OTHERS);
  const WEIGHTS = new Int32Array(MOST_SETS * SET_WEIGHTS);
  const STATE = new Uint32Array(2); // typed, so that 32-bit values never become boxed numbers

  /** The probability of a one. Each product is below 2^30; the sum is formed without a carry beyond 32 bits. */
  function mix(p0: number, p1: number, p2: number, p3: number): number {
    const a = (p0 + p1) | 0;
    const b = (p2 + p3) | 0;
    const x = (a >> 16) + (b >> 16) + (((a & 0xffff) + (b & 0xffff)) >> 16);
    return SQUASH[(Math.min(Math.max(x, -2047), 2047) + 2048) & 4095]!;
  }

  /** A counter (p << 8 | n, n at most 255) after a bit, 65535 or 0; without a branch. */
  function learnt(both: number, target: number): number {
    const rates = RATES;
    const n = both & 255;
    // below 2^31: the one rate above 32767 meets a counter that is still in the middle
    return (both + ((Math.imul(target - (both >>> 8), rates[n]!) >> 8) & ~255) + (1 - ((n + 1) >> 8))) | 0;
  }

  /** A weight after a bit that its input s missed by e / 3 of 4096. */
  function moved(weight: number, s: number, e: number): number {
    const to = (weight + ((Math.imul(s, e) + 4096) >> 13)) | 0;
    return Math.min(Math.max(to, -WEIGHT_LIMIT), WEIGHT_LIMIT);
  }

  /** Q of 5.4: a magnitude x >= 0 in half octaves. */
  function quantise(x: number): number {
    return HALF_OCTAVES[Math.min(x, 128)]!;
  }

  /** One range-coded section with fresh contexts. One at a time: the next one made takes over the memory. */
  class Decoder {
    private at = 4;

    constructor(
      private readonly data: Uint8Array,
      private readonly section: string,
      nCounters: number,
      nWeights: number,
    ) {
      if (data.length < 4) throw new BadData(`${section}: section is too short`);
      STATE[RANGE] = 0xffffffff;
      STATE[CODE] = (data[0]! << 24) | (data[1]! << 16) | (data[2]! << 8) | data[3]!;
      COUNTERS.fill(32768 << 8, 0, nCounters);
      WEIGHTS.fill(WEIGHT_START, 0, nWeights);
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
      do {
        if (this.at >= this.data.length) throw this.short();
        STATE[RANGE] = STATE[RANGE]! << 8;
        STATE[CODE] = (STATE[CODE]! << 8) | this.data[this.at++]!;
      } while (STATE[RANGE]! < TOP);
    }

    private decode(p: number): number {
      const range = STATE[RANGE]!;
      const bound = Math.imul(range >>> 12, p) >>> 0;
      let bit = 0;
      if (STATE[CODE]! < bound) {
        STATE[RANGE] = bound;
        bit = 1;
      } else {
        STATE[RANGE] = range - bound;
        STATE[CODE] = STATE[CODE]! - bound;
      }
      if (STATE[RANGE]! < TOP) this.renormalise();
      return bit;
    }

    /** One bit of probability 1/2. */
    raw(): number {
      const half = STATE[RANGE]! >>> 1;
      STATE[RANGE] = half;
      let bit = 0;
      if (STATE[CODE]! >= half) {
        STATE[CODE] = STATE[CODE]! - half;
        bit = 1;
      }
      if (half < TOP) this.renormalise();
      return bit;
    }

    /** A bit from one counter. */
    simple(i: number): number {
      const both = COUNTERS[i]!;
      const bit = this.decode(Math.max(both >>> 12, 1));
      COUNTERS[i] = learnt(both, bit === 1 ? 65535 : 0);
      return bit;
    }

    /** A bit mixed from counters i0..i3 by weights w..w+3. */
    mixed(i0: number, i1: number, i2: number, i3: number, w: number): number {
      const counters = COUNTERS;
      const weights = WEIGHTS;
      const stretch = STRETCH;
      const b0 = counters[i0]!;
      const b1 = counters[i1]!;
      const b2 = counters[i2]!;
      const b3 = counters[i3]!;
      const s0 = stretch[(b0 >>> 12) & 4095]!;
      const s1 = stretch[(b1 >>> 12) & 4095]!;
      const s2 = stretch[(b2 >>> 12) & 4095]!;
      const s3 = stretch[(b3 >>> 12) & 4095]!;
      const w0 = weights[w]!;
      const w1 = weights[w + 1]!;
      const w2 = weights[w + 2]!;
      const w3 = weights[w + 3]!;
      const p = mix(Math.imul(s0, w0), Math.imul(s1, w1), Math.imul(s2, w2), Math.imul(s3, w3));
      const bit = this.decode(p);
      const e = ((bit << 12) - p) * 3;
      weights[w] = moved(w0, s0, e);
      weights[w + 1] = moved(w1, s1, e);
      weights[w + 2] = moved(w2, s2, e);
      weights[w + 3] = moved(w3, s3, e);
      const target = bit === 1 ? 65535 : 0;
      counters[i0] = learnt(b0, target);
      counters[i1] = learnt(b1, target);
      counters[i2] = learnt(b2, target);
      counters[i3] = learnt(b3, target);
      return bit;
    }

    /**
     * A value (5.4) of set `index` under `contexts` and `signs`, packed by the functions below: few arguments are quick to
     * pass. No sign follows where `signs` is UNSIGNED.
     */
    value(index: number, contexts: number, signs: number, nonzero: boolean): number {
      const counters = COUNTERS;
      const weights = WEIGHTS;
      const stretch = STRETCH;
      const squash = SQUASH;
      const state = STATE;
      const { data } = this;
      const base = Math.imul(index, SET_SIZE);
      const sign = Math.imul(index, SET_WEIGHTS);
      const c0 = contexts & 127;
      const c1 = (contexts >> 7) & 127;
      const c2 = (contexts >> 14) & 127;
      const c3 = (contexts >> 21) & 127;
      // one body for all kinds of bit, so that the coder's state stays in registers: m is the magnitude so far
      let m = nonzero ? 1 : 0;
      let i0 = (base + CONTEXT * c0 + m) | 0;
      let i1 = (base + FAMILY + CONTEXT * c1 + m) | 0;
      let i2 = (base + 2 * FAMILY + CONTEXT * c2 + m) | 0;
      let i3 = (base + 3 * FAMILY + CONTEXT * c3 + m) | 0;
      let w = (sign + 4 + MAGNITUDE_WEIGHTS * Math.min(SELECT - 1, (c0 + 4) >> 3) + 4 * m) | 0;
      let range = state[RANGE]!;
      let code = state[CODE]!;
      let at = this.at | 0;
      let more = true; // a bit of the magnitude; else the sign
      let bit = 0;
      for (;;) {
        const b0 = counters[i0]!;
        const b1 = counters[i1]!;
        const b2 = counters[i2]!;
        const b3 = counters[i3]!;
        const s0 = stretch[(b0 >>> 12) & 4095]!;
        const s1 = stretch[(b1 >>> 12) & 4095]!;
        const s2 = stretch[(b2 >>> 12) & 4095]!;
        const s3 = stretch[(b3 >>> 12) & 4095]!;
        const w0 = weights[w]!;
        const w1 = weights[(w + 1) | 0]!;
        const w2 = weights[(w + 2) | 0]!;
        const w3 = weights[(w + 3) | 0]!;
        // mix and moved, written out: V8 inlines only so much into one function
        const x0 = (Math.imul(s0, w0) + Math.imul(s1, w1)) | 0;
        const x1 = (Math.imul(s2, w2) + Math.imul(s3, w3)) | 0;
        const x = (x0 >> 16) + (x1 >> 16) + (((x0 & 0xffff) + (x1 & 0xffff)) >> 16);
        const p = squash[(Math.min(Math.max(x, -2047), 2047) + 2048) & 4095]!;
        const bound = Math.imul(range >>> 12, p) >>> 0;
        let target = 0;
        let e = Math.imul(-3, p);
        if (code < bound) {
          bit = 1;
          target = 65535;
          e = (e + 3 * 4096) | 0;
          range = bound;
        } else {
          bit = 0;
          range = (range - bound) >>> 0;
          code = (code - bound) >>> 0;
        }
        while (range < TOP) {
          if (at >= data.length) throw this.short();
          range = (range << 8) >>> 0;
          code = ((code << 8) | data[at]!) >>> 0;
          at = (at + 1) | 0;
        }
        const n0 = (w0 + ((Math.imul(s0, e) + 4096) >> 13)) | 0;
        weights[w] = Math.min(Math.max(n0, -WEIGHT_LIMIT), WEIGHT_LIMIT);
        const n1 = (w1 + ((Math.imul(s1, e) + 4096) >> 13)) | 0;
        weights[(w + 1) | 0] = Math.min(Math.max(n1, -WEIGHT_LIMIT), WEIGHT_LIMIT);
        const n2 = (w2 + ((Math.imul(s2, e) + 4096) >> 13)) | 0;
        weights[(w + 2) | 0] = Math.min(Math.max(n2, -WEIGHT_LIMIT), WEIGHT_LIMIT);
        const n3 = (w3 + ((Math.imul(s3, e) + 4096) >> 13)) | 0;
        weights[(w + 3) | 0] = Math.min(Math.max(n3, -WEIGHT_LIMIT), WEIGHT_LIMIT);
        counters[i0] = learnt(b0, target);
        counters[i1] = learnt(b1, target);
        counters[i2] = learnt(b2, target);
        counters[i3] = learnt(b3, target);
        if (!more) break;
        if (bit === 1) {
          m = (m + 1) | 0;
          if (m <= UNARY_BITS) {
            i0 = (i0 + 1) | 0;
            i1 = (i1 + 1) | 0;
            i2 = (i2 + 1) | 0;
            i3 = (i3 + 1) | 0;
            w = (w + 4) | 0;
            continue;
          }
          state[RANGE] = range;
          state[CODE] = code;
          this.at = at;
          m = this.large(base) | 0;
          range = state[RANGE]!;
          code = state[CODE]!;
          at = this.at | 0;
        } else if (m === 0) break;
        if (signs < 0) break;
        i0 = (base + SIGN + (signs & 15)) | 0;
        i1 = (base + SIGN + 16 + ((signs >> 4) & 15)) | 0;
        i2 = (base + SIGN + 32 + ((signs >> 8) & 15)) | 0;
        i3 = (base + SIGN + 48 + ((signs >> 12) & 15)) | 0;
        w = sign;
        more = false;
      }
      state[RANGE] = range;
      state[CODE] = code;
      this.at = at;
      return !more && bit === 1 ? (0 - m) | 0 : m;
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
      return this.value(index, 0, signed ? 0 : UNSIGNED, false);
    }
  }

  return { Decoder, quantise, SET_SIZE };
}

export const { Decoder, quantise, SET_SIZE } = scope();
export type Decoder = InstanceType<typeof Decoder>;

/** 0, 1, 2 for negative, zero, positive. */
export function sgn3(x: number): number {
  return x < 0 ? 0 : x > 0 ? 2 : 1;
}
