/** Temporal coefficients: the planes of one channel, slot by slot (SPEC.md 5.8). The player spends most of its time here. */

import { contextsOf, type Decoder, quantise, sgn3, signsOf, UNSIGNED } from "./coder.js";
import { MOST, type Neighbours } from "./neighbours.js";

export const VALUE_LIMIT = 2 ** 30;

/**
 * A division by a slot's total weight is done as a product with its inverse, for division is slow, and lifted by this
 * before it is rounded down: more than the product's error, and less than 1 / (64 * 6 * 2^10), the least that a quotient
 * by 64 totals may lack to the next whole number. So it is exact.
 */
const LIFT = 1e-6;

/** 2^k: Math.pow is slow. */
export const POWERS = Float64Array.from({ length: 32 }, (_, k) => 2 ** k);

/** The mode-1 planes of one channel, m values a slot, of which those up to the last that is not zero are kept. */
export interface Coded {
  m: number;
  /** (N,) values kept of each slot. */
  reach: Uint8Array;
  /** Values, slot by slot. */
  values: Integers;
}

/** 16 bits wide until that is too little: most of the time goes into fetching neighbours' rows from memory. */
type Integers = Int16Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** What the next channel's contexts see of a channel. */
export interface Residuals {
  m: number;
  /** (N, m) */
  q: Integers;
  /** (N,) planes up to the last residual that is not zero. */
  last: Int32Array;
}

export const NO_PLANES: Coded = { m: 0, reach: new Uint8Array(0), values: new Int16Array(0) };
export const NO_RESIDUALS: Residuals = { m: 0, q: new Int16Array(0), last: new Int32Array(0) };

/** How the planes of a channel are coded. */
export interface CodedChannel {
  number: number;
  m: number;
  /** Sets of L, and the first of those of values. */
  setLast: number;
  setCoef: number;
  /** (N,) log2 of each slot's step. */
  steps: Int32Array;
  /** (m,) prediction strengths in 1/32. */
  beta: Int32Array;
  before: Residuals;
}

const RINGS = 4; // a channel, and the three before it

/** Room for the integers of a channel while it is read, and of those that contexts look back at. */
export class Scratch {
  private r = new Int16Array(0);
  private packed = new Int16Array(0);
  private readonly q: Int16Array<ArrayBuffer>[] = Array.from({ length: RINGS }, () => new Int16Array(0));
  /** Of a slot's planes: weighted sums of its neighbours' residuals, and their mean magnitudes. */
  readonly sums = new Float64Array(256);
  readonly magnitudes = new Int32Array(256);

  /** Zeros. */
  values(size: number): Int16Array<ArrayBuffer> {
    this.r = zeroed(this.r, size);
    return this.r;
  }

  /** Holds anything. */
  room(size: number): Int16Array<ArrayBuffer> {
    if (this.packed.length < size) this.packed = new Int16Array(size);
    return this.packed;
  }

  /** Zeros, good until the fourth channel from here. */
  residuals(channel: number, size: number): Int16Array<ArrayBuffer> {
    const ring = channel % RINGS;
    this.q[ring] = zeroed(this.q[ring]!, size);
    return this.q[ring]!;
  }
}

/** `size` zeros, in `before` where it is large enough. */
function zeroed(before: Int16Array<ArrayBuffer>, size: number): Int16Array<ArrayBuffer> {
  return before.length < size ? new Int16Array(size) : before.fill(0, 0, size);
}

function fits(value: number): boolean {
  return value === (value << 16) >> 16;
}

export function readCoded(
  coder: Decoder,
  nb: Neighbours,
  channel: CodedChannel,
  scratch: Scratch,
): { coded: Coded; residuals: Residuals } {
  const { m, setLast, setCoef, steps, before } = channel;
  const { sums, magnitudes } = scratch;
  const n = steps.length;
  let q: Integers = scratch.residuals(channel.number, n * m);
  const last = new Int32Array(n);
  const rows = new Rows(nb, channel, scratch);
  const mBefore = before.m;
  for (let i = 0; i < n; i++) {
    const row = i * m;
    const deep = rows.predict(i);
    const pl = mBefore > 0 ? before.last[i]! : 0;
    const nl = nb.magnitude(i, last);
    const ql = quantise(nl);
    const cls = Math.min(15, steps[i]!);
    const reached = coder.value(
      setLast,
      contextsOf(ql, 8 * ql + Math.min(7, pl), 8 * cls + Math.min(7, ql >> 1), quantise(nl + 8 * pl)),
      UNSIGNED,
      false,
    );
    if (reached > 0) {
      if (reached > m) throw coder.bad("value out of range");
      last[i] = reached;
      look(nb, i, q, m, reached, sums, magnitudes); // apart from the decoding: calls keep loops from being quick
      const classContext = 16 * Math.min(7, cls >> 1);
      const lengthContext = 8 * Math.min(15, reached);
      let own = 0;
      for (let j = 0; j < reached; j++) {
        const s = sums[j]!;
        const mag = magnitudes[j]!;
        const other = j < mBefore ? before.q[i * mBefore + j]! : 0;
        const o1 = Math.abs(own);
        const o2 = Math.abs(other);
        const c0 = 8 * quantise(mag);
        const g0 = sgn3(s);
        const g1 = sgn3(other);
        own = coder.value(
          setCoef + Math.min(j, 3),
          contextsOf(
            c0 + Math.min(7, o1),
            quantise(2 * mag + 12 * o1 + 8 * o2) + classContext,
            lengthContext + Math.min(7, reached - 1 - j),
            c0 + Math.min(7, o2),
          ),
          signsOf(g0, g1, sgn3(own), 3 * g0 + g1),
          j === reached - 1,
        );
        if (!fits(own) && q instanceof Int16Array) q = Int32Array.from(q);
        q[row + j] = own;
      }
    }
    if (!rows.correct(i, deep, reached, q)) throw coder.bad("value out of range");
  }
  return { coded: rows.coded(), residuals: { m, q, last } };
}

/** Of the first `reached` planes of slot i: the weighted sum of its neighbours' residuals, 16 times their mean magnitude. */
function look(
  { index, weight, total: totals }: Neighbours,
  i: number,
  q: Integers,
  m: number,
  reached: number,
  sums: Float64Array,
  magnitudes: Int32Array,
): void {
  const k = i * MOST;
  const a0 = index[k]! * m;
  const a1 = index[k + 1]! * m;
  const a2 = index[k + 2]! * m;
  const a3 = index[k + 3]! * m;
  const a4 = index[k + 4]! * m;
  const a5 = index[k + 5]! * m;
  const w0 = weight[k]!;
  const w1 = weight[k + 1]!;
  const w2 = weight[k + 2]!;
  const w3 = weight[k + 3]!;
  const w4 = weight[k + 4]!;
  const w5 = weight[k + 5]!;
  const share = 16 / totals[i]!;
  for (let j = 0; j < reached; j++) {
    const p0 = w0 * q[a0 + j]!;
    const p1 = w1 * q[a1 + j]!;
    const p2 = w2 * q[a2 + j]!;
    const p3 = w3 * q[a3 + j]!;
    const p4 = w4 * q[a4 + j]!;
    const p5 = w5 * q[a5 + j]!;
    sums[j] = p0 + p1 + p2 + p3 + p4 + p5;
    const a = Math.abs(p0) + Math.abs(p1) + Math.abs(p2) + Math.abs(p3) + Math.abs(p4) + Math.abs(p5);
    magnitudes[j] = a === 0 ? 0 : a * share + LIFT;
  }
}

/**
 * A channel's values, slot by slot: predicted from neighbours', corrected by residuals. Rows of neighbours that are not
 * there weigh nothing.
 */
class Rows {
  /** (N, m) */
  private r: Integers;
  /** What is kept of the slots so far. */
  private packed: Integers;
  private size = 0;
  private readonly m: number;
  private readonly reach: Uint8Array;
  private readonly steps: Int32Array;
  private readonly beta: Int32Array;

  constructor(
    private readonly nb: Neighbours,
    channel: CodedChannel,
    scratch: Scratch,
  ) {
    const n = channel.steps.length;
    this.m = channel.m;
    this.steps = channel.steps;
    this.beta = channel.beta;
    this.r = scratch.values(n * this.m);
    this.packed = scratch.room(n * this.m);
    this.reach = new Uint8Array(n);
  }

  /** Fills row i with its neighbours' weighted means; the number of planes where they may be other than zero. */
  predict(i: number): number {
    const { nb, reach, r, m, beta } = this;
    const { index, weight } = nb;
    const k = i * MOST;
    const i0 = index[k]!;
    const i1 = index[k + 1]!;
    const i2 = index[k + 2]!;
    const i3 = index[k + 3]!;
    const i4 = index[k + 4]!;
    const i5 = index[k + 5]!;
    const deep = Math.max(
      Math.max(Math.max(reach[i0]!, reach[i1]!), Math.max(reach[i2]!, reach[i3]!)),
      Math.max(reach[i4]!, reach[i5]!),
    );
    if (deep === 0) return 0;
    if (r instanceof Int32Array) return this.predictWide(i, deep, r);
    const total = nb.total[i]!;
    const half = 32 * total;
    const share = 1 / (64 * total);
    const w0 = weight[k]!;
    const w1 = weight[k + 1]!;
    const w2 = weight[k + 2]!;
    const w3 = weight[k + 3]!;
    const w4 = weight[k + 4]!;
    const w5 = weight[k + 5]!;
    let a0 = Math.imul(i0, m);
    let a1 = Math.imul(i1, m);
    let a2 = Math.imul(i2, m);
    let a3 = Math.imul(i3, m);
    let a4 = Math.imul(i4, m);
    let a5 = Math.imul(i5, m);
    const row = Math.imul(i, m);
    for (let j = 0; j < deep; j++) {
      // weights are at most 2^10: six products stay within 32 bits
      const s =
        (Math.imul(w0, r[a0++]!) +
          Math.imul(w1, r[a1++]!) +
          Math.imul(w2, r[a2++]!) +
          Math.imul(w3, r[a3++]!) +
          Math.imul(w4, r[a4++]!) +
          Math.imul(w5, r[a5++]!)) |
        0;
      if (s !== 0) r[row + j] = Math.floor((2 * beta[j]! * s + half) * share + LIFT);
    }
    return deep;
  }

  private predictWide(i: number, deep: number, r: Int32Array): number {
    const { nb, m, beta } = this;
    const total = nb.total[i]!;
    for (let j = 0; j < deep; j++) {
      let s = 0;
      for (let k = i * MOST; k < (i + 1) * MOST; k++) s += nb.weight[k]! * r[nb.index[k]! * m + j]!;
      r[i * m + j] = Math.floor((2 * beta[j]! * s + 32 * total) / (64 * total));
    }
    return deep;
  }

  /** Adds slot i's residuals; false where a value gets out of range. */
  correct(i: number, deep: number, reached: number, q: Integers): boolean {
    const { m } = this;
    const row = i * m;
    const step = POWERS[this.steps[i]!]!;
    for (let j = row; j < row + reached; j++) {
      const value = this.r[j]! + q[j]! * step;
      if (!fits(value)) {
        if (Math.abs(value) > VALUE_LIMIT) return false;
        this.widen();
      }
      this.r[j] = value;
    }
    const { r, packed } = this;
    let end = Math.max(deep, reached);
    while (end > 0 && r[row + end - 1] === 0) end--;
    this.reach[i] = end;
    let to = this.size;
    for (let j = row; j < row + end; j++) packed[to++] = r[j]!;
    this.size = to;
    return true;
  }

  private widen(): void {
    if (this.r instanceof Int32Array) return;
    this.r = Int32Array.from(this.r);
    this.packed = Int32Array.from(this.packed);
  }

  /** The values as they stay in memory. */
  coded(): Coded {
    return { m: this.m, reach: this.reach, values: this.packed.slice(0, this.size) };
  }
}
