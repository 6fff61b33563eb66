/** Soft parts: every slot moves by a blend of its four nearest of some nodes (SPEC.md 5.7, 5.10). */

import { contextsOf, type Decoder, quantise, signsOf, UNSIGNED } from "./coder.js";
import { BLENDED } from "./model.js";
import { CENTRE, MOVE, TURN } from "./moves.js";
import type { Planes } from "./planes.js";

const SIDE_LINEAR = 1;
const SIDE_TRANSLATION = 2;
const SIDE_COUNT = 3;
const SIDE_PLACE = 4;
/** Nodes stand within this of the lattice's origin, on each axis: squared distances stay exact. */
const MAX_PLACE = 2 ** 21;
const NO_SIGNS = signsOf(0, 0, 0, 0);

/** Places of the nodes and their motion: fills `places`, `motion` and `parts`. */
export function readNodes(coder: Decoder, planes: Planes): void {
  const { model } = planes;
  planes.places = readPlaces(coder, model.parts, 2 ** model.placeShift);
  const nearest = nearestEarlier(planes.places);
  planes.motion = readMotion(coder, nearest, model.frames);
  planes.parts = series(planes, nearest);
}

/** (K, 3) */
function readPlaces(coder: Decoder, count: number, unit: number): Int32Array {
  const out = new Int32Array(3 * count);
  for (let i = 0; i < out.length; i++) {
    const place = coder.number(SIDE_PLACE, true) + (i >= 3 ? out[i - 3]! / unit : 0);
    if (Math.abs(place) * unit > MAX_PLACE) throw coder.bad("node is out of range");
    out[i] = place * unit;
  }
  return out;
}

/** Of each node the nearest one before it, ties: the lowest number; 0 of the first. */
function nearestEarlier(places: Int32Array): number[] {
  const distance = (i: number, j: number) =>
    (places[3 * i]! - places[3 * j]!) ** 2 +
    (places[3 * i + 1]! - places[3 * j + 1]!) ** 2 +
    (places[3 * i + 2]! - places[3 * j + 2]!) ** 2;
  return Array.from({ length: places.length / 3 }, (_, i) => {
    let best = 0;
    for (let j = 1; j < i; j++) if (distance(i, j) < distance(i, best)) best = j;
    return best;
  });
}

/** (K, 12, T) residuals. */
function readMotion(coder: Decoder, nearest: readonly number[], frames: number): Int32Array {
  const out = new Int32Array(nearest.length * 12 * frames);
  const counts = new Int32Array(nearest.length * 12);
  nearest.forEach((near, p) => {
    for (let e = 0; e < 12; e++) {
      const shift = e % 4 === 3;
      const before = e - (shift ? 4 : e % 4 === 0 ? 2 : 1); // the last entry of the kind
      const own = (12 * p + e) * frames;
      const row1 = (12 * p + before) * frames;
      const row3 = (12 * near + e) * frames;
      const n1 = before >= 0 ? Math.min(63, counts[12 * p + before]!) : 0;
      const n3 = p > 0 ? Math.min(63, counts[12 * near + e]!) : 0;
      const count = coder.value(SIDE_COUNT, contextsOf(n1, n3, n1 + n3, e), UNSIGNED, false);
      if (count > frames) throw coder.bad("too many part coefficients");
      counts[12 * p + e] = count;
      for (let k = 0; k < count; k++) {
        const o1 = k > 0 ? Math.abs(out[own + k - 1]!) : 0;
        const o2 = before >= 0 ? Math.abs(out[row1 + k]!) : 0;
        const o3 = p > 0 ? Math.abs(out[row3 + k]!) : 0;
        const early = Math.min(7, k);
        out[own + k] = coder.value(
          shift ? SIDE_TRANSLATION : SIDE_LINEAR,
          contextsOf(
            8 * quantise(o1 + o2) + early,
            quantise(o1 + o2 + o3) + 16 * early,
            8 * quantise(o2) + Math.min(7, count - 1 - k),
            8 * quantise(o3) + Math.min(7, o1),
          ),
          NO_SIGNS,
          k === count - 1,
        );
      }
    }
  });
  return out;
}

/** By node, by entry: DCT coefficients, each told from the nearest earlier node's motion at the node's place. */
function series({ model, places, motion }: Planes, nearest: readonly number[]): Float64Array[][] {
  const t = model.frames;
  const out: Float64Array[][] = [];
  nearest.forEach((near, p) => {
    const from = p > 0 ? out[near]! : null;
    const arm = [0, 1, 2].map((a) => (places[3 * p + a]! - places[3 * near + a]!) * model.baseUnit[a]!);
    out.push(
      Array.from({ length: 12 }, (_, e) => {
        const shift = e % 4 === 3;
        return Float64Array.from({ length: t }, (_, k) => {
          let value = motion[(12 * p + e) * t + k]! * model.partUnit[shift ? 1 : 0]!;
          if (from === null) return value;
          value += from[e]![k]!;
          if (shift) for (let b = 0; b < 3; b++) value += from[e - 3 + b]![k]! * arm[b]!;
          return value;
        });
      }),
    );
  });
  return out;
}

/** The blends of all slots, and their turns in the frame that was placed last. */
export class Blend {
  /** (N, 4) */
  readonly turns: Float64Array;
  /** (N, 4) nodes, nearest first, times MOVE. */
  private readonly near: Int32Array;
  /** (N, 4) */
  private readonly weights: Float64Array;

  constructor(private readonly planes: Planes) {
    const n = planes.model.slots;
    this.turns = new Float64Array(4 * n);
    this.near = new Int32Array(4 * n);
    this.weights = new Float64Array(4 * n);
    this.choose();
  }

  get memory(): number {
    return this.turns.byteLength + this.near.byteLength + this.weights.byteLength;
  }

  private choose(): void {
    const { x, places } = this.planes;
    const [x0, x1, x2] = x;
    const best = new Int32Array(BLENDED + 1);
    const squares = new Float64Array(BLENDED + 1);
    for (let i = 0, to = 0; i < x0.length; i++, to += BLENDED) {
      squares.fill(Number.POSITIVE_INFINITY);
      for (let p = 0; p < places.length; p += 3) {
        const a = x0[i]! - places[p]!;
        const b = x1[i]! - places[p + 1]!;
        const c = x2[i]! - places[p + 2]!;
        const d = a * a + b * b + c * c;
        if (d >= squares[BLENDED]!) continue;
        let k = BLENDED;
        for (; k > 0 && squares[k - 1]! > d; k--) {
          squares[k] = squares[k - 1]!;
          best[k] = best[k - 1]!;
        }
        squares[k] = d;
        best[k] = p / 3;
      }
      this.weigh(to, best, squares);
    }
  }

  private weigh(to: number, best: Int32Array, squares: Float64Array): void {
    const { near, weights } = this;
    const end = squares[BLENDED]!;
    let total = 0;
    for (let k = 0; k < BLENDED; k++) {
      const reach = end > 0 ? 1 - squares[k]! / end : 0;
      near[to + k] = best[k]! * MOVE;
      weights[to + k] = reach * reach;
      total += reach * reach;
    }
    if (total > 0) for (let k = 0; k < BLENDED; k++) weights[to + k]! /= total;
    else weights[to] = 1;
  }

  /** Means (N, 3) of a frame, of what coefficients add and the nodes' moves (K, MOVE). */
  place(added: readonly (Float32Array | null)[], move: Float64Array, out: Float32Array): void {
    const { near, weights, turns } = this;
    const { x: lattice, model } = this.planes;
    const [x0, x1, x2] = lattice;
    const [o0, o1, o2] = [model.origin[0]!, model.origin[1]!, model.origin[2]!];
    const [u0, u1, u2] = [model.baseUnit[0]!, model.baseUnit[1]!, model.baseUnit[2]!];
    const none = new Float32Array(added.slice(0, 3).includes(null) ? model.slots : 0);
    const [a0, a1, a2] = [added[0] ?? none, added[1] ?? none, added[2] ?? none];
    for (let i = 0, to = 0, at = 0; i < model.slots; i++, to += 3, at += BLENDED) {
      const x = o0 + x0[i]! * u0;
      const y = o1 + x1[i]! * u1;
      const z = o2 + x2[i]! * u2;
      const first = near[at]! + TURN;
      const f0 = move[first]!;
      const f1 = move[first + 1]!;
      const f2 = move[first + 2]!;
      const f3 = move[first + 3]!;
      let px = 0;
      let py = 0;
      let pz = 0;
      let g0 = 0;
      let g1 = 0;
      let g2 = 0;
      let g3 = 0;
      for (let k = at; k < at + BLENDED; k++) {
        const m = near[k]!;
        const w = weights[k]!;
        const zx = move[m + CENTRE]!;
        const zy = move[m + CENTRE + 1]!;
        const zz = move[m + CENTRE + 2]!;
        const dx = x - zx;
        const dy = y - zy;
        const dz = z - zz;
        px += w * (zx + move[m]! * dx + move[m + 1]! * dy + move[m + 2]! * dz + move[m + 3]!);
        py += w * (zy + move[m + 4]! * dx + move[m + 5]! * dy + move[m + 6]! * dz + move[m + 7]!);
        pz += w * (zz + move[m + 8]! * dx + move[m + 9]! * dy + move[m + 10]! * dz + move[m + 11]!);
        const q0 = move[m + TURN]!;
        const q1 = move[m + TURN + 1]!;
        const q2 = move[m + TURN + 2]!;
        const q3 = move[m + TURN + 3]!;
        const v = f0 * q0 + f1 * q1 + f2 * q2 + f3 * q3 >= 0 ? w : -w;
        g0 += v * q0;
        g1 += v * q1;
        g2 += v * q2;
        g3 += v * q3;
      }
      turns[at] = g0;
      turns[at + 1] = g1;
      turns[at + 2] = g2;
      turns[at + 3] = g3;
      const ax = a0[i]!;
      const ay = a1[i]!;
      const az = a2[i]!;
      const twice = 2 / (g0 * g0 + g1 * g1 + g2 * g2 + g3 * g3);
      const t0 = g2 * az - g3 * ay;
      const t1 = g3 * ax - g1 * az;
      const t2 = g1 * ay - g2 * ax;
      out[to] = px + ax + twice * (g0 * t0 + g2 * t2 - g3 * t1);
      out[to + 1] = py + ay + twice * (g0 * t1 + g3 * t0 - g1 * t2);
      out[to + 2] = pz + az + twice * (g0 * t2 + g1 * t1 - g2 * t0);
    }
  }
}
