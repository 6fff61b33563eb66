/** Temporal coefficients: the planes of one channel, slot by slot (SPEC.md 5.8). The player spends most of its time here. */

import { type Decoder, quantise, sgn3 } from "./coder.js";
import { MOST, type Neighbours } from "./neighbours.js";

export const VALUE_LIMIT = 2 ** 30;
/** Weights are below 2^10: six products of integers below this stay within 32 bits. */
const SMALL = 2 ** 18;

/** 2^k: Math.pow is slow. */
export const POWERS = Float64Array.from({ length: 32 }, (_, k) => 2 ** k);

/** The mode-1 planes of one channel, m values a slot, of which those up to the last that is not zero are kept. */
export interface Coded {
  m: number;
  /** (N,) values kept of each slot. */
  reach: Uint8Array;
  /** Values, slot by slot. */
  values: Int16Array | Int32Array;
}

/** What the next channel's contexts see of a channel. */
export interface Residuals {
  m: number;
  /** (N, m) */
  q: Int32Array;
  /** (N,) planes up to the last residual that is not zero. */
  last: Int32Array;
}

export const NO_PLANES: Coded = { m: 0, reach: new Uint8Array(0), values: new Int16Array(0) };
export const NO_RESIDUALS: Residuals = { m: 0, q: new Int32Array(0), last: new Int32Array(0) };

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
  private r = new Int32Array(0);
  private readonly q: Int32Array<ArrayBuffer>[] = Array.from({ length: RINGS }, () => new Int32Array(0));

  values(size: number): Int32Array {
    this.r = zeroed(this.r, size);
    return this.r;
  }

  /** Good until the fourth channel from here. */
  residuals(channel: number, size: number): Int32Array {
    const ring = channel % RINGS;
    this.q[ring] = zeroed(this.q[ring]!, size);
    return this.q[ring]!;
  }
}

/** `size` zeros, in `before` where it is large enough. */
function zeroed(before: Int32Array<ArrayBuffer>, size: number): Int32Array<ArrayBuffer> {
  return before.length < size ? new Int32Array(size) : before.fill(0, 0, size);
}

export function readCoded(
  coder: Decoder,
  nb: Neighbours,
  channel: CodedChannel,
  scratch: Scratch,
): { coded: Coded; residuals: Residuals } {
  const { m, setLast, setCoef, steps, before } = channel;
  const n = steps.length;
  const q = scratch.residuals(channel.number, n * m);
  const last = new Int32Array(n);
  const reach = new Uint8Array(n);
  const r = scratch.values(n * m);
  const { index, weight, total: totals } = nb;
  const predictor = new Predictor(nb, channel, r, reach);
  const mBefore = before.m;
  for (let i = 0; i < n; i++) {
    const total = totals[i]!;
    const row = i * m;
    const deep = predictor.predict(i);
    const pl = mBefore > 0 ? before.last[i]! : 0;
    const nl = nb.magnitude(i, last);
    const ql = quantise(nl);
    const cls = Math.min(15, steps[i]!);
    const c1 = 8 * ql + Math.min(7, pl);
    const reached = coder.value(
      setLast,
      ql,
      c1,
      8 * cls + Math.min(7, ql >> 1),
      quantise(nl + 8 * pl),
      0,
      0,
      0,
      0,
      false,
      false,
    );
    if (reached > 0) {
      if (reached > m) throw coder.bad("value out of range");
      last[i] = reached;
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
      const classContext = 16 * Math.min(7, cls >> 1);
      const lengthContext = 8 * Math.min(15, reached);
      let own = 0;
      for (let j = 0; j < reached; j++) {
        // each product is below 2^31: a residual is below 2^21, by its code
        const p0 = Math.imul(w0, q[a0 + j]!);
        const p1 = Math.imul(w1, q[a1 + j]!);
        const p2 = Math.imul(w2, q[a2 + j]!);
        const p3 = Math.imul(w3, q[a3 + j]!);
        const p4 = Math.imul(w4, q[a4 + j]!);
        const p5 = Math.imul(w5, q[a5 + j]!);
        const s = p0 + p1 + p2 + p3 + p4 + p5;
        let mag = 0;
        if ((p0 | p1 | p2 | p3 | p4 | p5) !== 0) {
          const a = Math.abs(p0) + Math.abs(p1) + Math.abs(p2) + Math.abs(p3) + Math.abs(p4) + Math.abs(p5);
          mag = Math.floor((16 * a) / total);
        }
        const other = j < mBefore ? before.q[i * mBefore + j]! : 0;
        const o1 = Math.abs(own);
        const o2 = Math.abs(other);
        const c0 = 8 * quantise(mag);
        const g0 = sgn3(s);
        const g1 = sgn3(other);
        own = coder.value(
          setCoef + Math.min(j, 3),
          c0 + Math.min(7, o1),
          quantise(2 * mag + 12 * o1 + 8 * o2) + classContext,
          lengthContext + Math.min(7, reached - 1 - j),
          c0 + Math.min(7, o2),
          g0,
          g1,
          sgn3(own),
          3 * g0 + g1,
          true,
          j === reached - 1,
        );
        q[row + j] = own;
      }
    }
    if (!predictor.correct(i, deep, reached, q)) throw coder.bad("value out of range");
  }
  return { coded: kept(m, reach, r, predictor.small), residuals: { m, q, last } };
}

/** Values from neighbours' values and residuals. Rows of neighbours that are not there weigh nothing. */
class Predictor {
  /** All values so far are below SMALL. */
  small = true;
  private readonly index: Int32Array;
  private readonly weight: Int32Array;
  private readonly total: Int32Array;
  private readonly m: number;
  private readonly steps: Int32Array;
  private readonly beta: Int32Array;

  constructor(
    nb: Neighbours,
    channel: CodedChannel,
    private readonly r: Int32Array,
    private readonly reach: Uint8Array,
  ) {
    this.index = nb.index;
    this.weight = nb.weight;
    this.total = nb.total;
    this.m = channel.m;
    this.steps = channel.steps;
    this.beta = channel.beta;
  }

  /** Fills row i with its neighbours' weighted means; the number of planes where they may be other than zero. */
  predict(i: number): number {
    const { index, weight, reach, m, r, beta } = this;
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
    if (!this.small) return this.predictLarge(i, deep);
    const total = this.total[i]!;
    const half = 32 * total;
    const whole = 64 * total;
    const w0 = weight[k]!;
    const w1 = weight[k + 1]!;
    const w2 = weight[k + 2]!;
    const w3 = weight[k + 3]!;
    const w4 = weight[k + 4]!;
    const w5 = weight[k + 5]!;
    let a0 = i0 * m;
    let a1 = i1 * m;
    let a2 = i2 * m;
    let a3 = i3 * m;
    let a4 = i4 * m;
    let a5 = i5 * m;
    const row = i * m;
    for (let j = 0; j < deep; j++) {
      const s =
        (Math.imul(w0, r[a0++]!) +
          Math.imul(w1, r[a1++]!) +
          Math.imul(w2, r[a2++]!) +
          Math.imul(w3, r[a3++]!) +
          Math.imul(w4, r[a4++]!) +
          Math.imul(w5, r[a5++]!)) |
        0;
      if (s !== 0) r[row + j] = Math.floor((2 * beta[j]! * s + half) / whole);
    }
    return deep;
  }

  private predictLarge(i: number, deep: number): number {
    const { index, weight, m, r, beta } = this;
    const total = this.total[i]!;
    for (let j = 0; j < deep; j++) {
      let s = 0;
      for (let k = i * MOST; k < (i + 1) * MOST; k++) s += weight[k]! * r[index[k]! * m + j]!;
      r[i * m + j] = Math.floor((2 * beta[j]! * s + 32 * total) / (64 * total));
    }
    return deep;
  }

  /** Adds slot i's residuals; false where a value gets out of range. */
  correct(i: number, deep: number, reached: number, q: Int32Array): boolean {
    const { r, m } = this;
    const row = i * m;
    const step = POWERS[this.steps[i]!]!;
    for (let j = row; j < row + reached; j++) {
      const value = r[j]! + q[j]! * step;
      if (Math.abs(value) >= SMALL) {
        if (Math.abs(value) > VALUE_LIMIT) return false;
        this.small = false;
      }
      r[j] = value;
    }
    let end = Math.max(deep, reached);
    while (end > 0 && r[row + end - 1] === 0) end--;
    this.reach[i] = end;
    return true;
  }
}

/** The values as they stay in memory. */
function kept(m: number, reach: Uint8Array, r: Int32Array, small: boolean): Coded {
  let size = 0;
  let large = !small;
  for (let i = 0; i < reach.length; i++) {
    const row = i * m;
    const end = reach[i]!;
    size += end;
    for (let j = row; j < row + end && !large; j++) large = r[j]! !== (r[j]! << 16) >> 16;
  }
  const values = large ? new Int32Array(size) : new Int16Array(size);
  for (let i = 0, to = 0; i < reach.length; i++) {
    const row = i * m;
    for (let j = row, end = row + reach[i]!; j < end; j++) values[to++] = r[j]!;
  }
  return { m, reach, values };
}
