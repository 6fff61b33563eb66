/** From a segment's integers to its frames (SPEC.md 5.7, 5.10). */

import { BadData } from "./errors.js";
import { CENTRE, GROW, MOVE, partMoves, TURN } from "./moves.js";
import { namedPlanes, type Planes } from "./planes.js";
import { multiply, type Quaternion, swingTwist } from "./rotation.js";
import { Series } from "./series.js";
import { Blend } from "./soft.js";

/** Attributes of N Gaussians as they are drawn. */
export interface FrameAttributes {
  /** (N, 3) world units. */
  means: Float32Array;
  /** (N, 4) w, x, y, z, normalised. */
  quats: Float32Array;
  /** (N, 3) standard deviations. */
  scales: Float32Array;
  /** (N,) 0..1. */
  opacities: Float32Array;
  /** (N, K, 3) spherical harmonics of r, g, b. */
  sh: Float32Array;
}

const R3 = 1 / Math.sqrt(3);
const R2 = 1 / Math.sqrt(2);
const R6 = 1 / Math.sqrt(6);
const SMALLEST = Math.exp(-30);
const LARGEST = Math.exp(20);

export class Gop {
  readonly frames: number;
  readonly count: number;
  /** K: coefficients of spherical harmonics a colour, the constant one included. */
  readonly shCount: number;
  /** Whether coefficients 1..K-1 change over the group. */
  readonly shMoves: boolean;
  /** (N, 4) base rotations. */
  private readonly turns: Float64Array;
  /** (3, N) scales of the base. */
  private readonly scales: Float32Array[];
  /** By frame: (P, MOVE); empty without parts. */
  private readonly moves: Float64Array[];
  /** Where parts are soft. */
  private readonly blend: Blend | null;
  private readonly series: Series;

  constructor(private readonly decoded: Planes) {
    const { model, base } = decoded;
    this.frames = model.frames;
    this.count = model.slots;
    this.shCount = (model.shDegree + 1) ** 2;
    for (let c = 0; c < model.channels; c++) checkRange(c < 3 ? decoded.x[c]! : base[c]!, model.baseUnit[c]!);
    this.turns = baseTurns(decoded);
    this.scales = [3, 4, 5].map((c) => Float32Array.from(base[c]!, (v) => Math.exp(clampLog(v * model.baseUnit[c]!))));
    this.moves = partMoves(decoded);
    this.blend = this.moves.length > 0 && model.soft ? new Blend(decoded) : null;
    this.series = new Series(decoded, model.slots);
    this.shMoves = Array.from({ length: model.channels }, (_, c) => c >= 13 && this.series.moves(c)).includes(true);
  }

  /** Bytes that it takes, about, its base included. */
  get memory(): number {
    const { model, neighbours } = this.decoded;
    const perSlot = 4 * (model.channels + 6 + 4) + neighbours.bytesPerSlot + 8 * 4 + 4 * 3;
    return this.series.memory + perSlot * model.slots + (this.blend?.memory ?? 0);
  }

  planes(): Map<string, Int32Array> {
    return namedPlanes(this.decoded);
  }

  /** Room for a frame. */
  room(): FrameAttributes {
    const { count: n, shCount: k } = this;
    return {
      means: new Float32Array(3 * n),
      quats: new Float32Array(4 * n),
      scales: new Float32Array(3 * n),
      opacities: new Float32Array(n),
      sh: new Float32Array(3 * k * n),
    };
  }

  /** Frame t of the group, rebuilt into `out`. Frames that follow one another come cheaper. */
  frame(t: number, out: FrameAttributes = this.room()): FrameAttributes {
    const { shCount: k } = this;
    const added = this.series.at(t);
    const move = this.moves[t] ?? new Float64Array(0);
    if (this.blend === null) this.place(added, move, out.means);
    else this.blend.place(added, move, out.means);
    this.grow(added, move, out.scales);
    this.turn(added, move, out.quats);
    this.fade(added[9]!, out.opacities);
    for (let j = 0; j < k; j++) this.colour(added, j, out.sh);
    return out;
  }

  private place(added: readonly (Float32Array | null)[], move: Float64Array, out: Float32Array): void {
    const { x: lattice, model, labels } = this.decoded;
    const n = this.count;
    const none = ZEROS(n);
    const [x0, x1, x2] = lattice;
    const [o0, o1, o2] = [model.origin[0]!, model.origin[1]!, model.origin[2]!];
    const [u0, u1, u2] = [model.baseUnit[0]!, model.baseUnit[1]!, model.baseUnit[2]!];
    const a0 = added[0] ?? none;
    const a1 = added[1] ?? none;
    const a2 = added[2] ?? none;
    const parts = move.length > 0;
    for (let i = 0, to = 0; i < n; i++, to += 3) {
      let x = o0 + x0[i]! * u0 + a0[i]!;
      let y = o1 + x1[i]! * u1 + a1[i]!;
      let z = o2 + x2[i]! * u2 + a2[i]!;
      if (parts) {
        const m = labels[i]! * MOVE;
        const zx = move[m + CENTRE]!;
        const zy = move[m + CENTRE + 1]!;
        const zz = move[m + CENTRE + 2]!;
        const dx = x - zx;
        const dy = y - zy;
        const dz = z - zz;
        x = zx + move[m]! * dx + move[m + 1]! * dy + move[m + 2]! * dz + move[m + 3]!;
        y = zy + move[m + 4]! * dx + move[m + 5]! * dy + move[m + 6]! * dz + move[m + 7]!;
        z = zz + move[m + 8]! * dx + move[m + 9]! * dy + move[m + 10]! * dz + move[m + 11]!;
      }
      out[to] = x;
      out[to + 1] = y;
      out[to + 2] = z;
    }
  }

  private grow(added: readonly (Float32Array | null)[], move: Float64Array, out: Float32Array): void {
    const { labels, base, model } = this.decoded;
    const n = this.count;
    const grows = move.length > 0 && this.blend === null;
    for (let a = 0; a < 3; a++) {
      const still = this.scales[a]!;
      const logs = base[3 + a]!;
      const unit = model.baseUnit[3 + a]!;
      const sums = added[3 + a] ?? ZEROS(n);
      for (let i = 0, to = a; i < n; i++, to += 3) {
        const more = sums[i]! + (grows ? move[labels[i]! * MOVE + GROW]! : 0);
        // where the base alone is not clamped, its scale times a short series is as good
        if (more > -0.5 && more < 0.5 && still[i]! > SMALLEST && still[i]! < LARGEST) {
          const scale = still[i]! * shortExp(more);
          out[to] = Math.min(Math.max(scale, SMALLEST), LARGEST);
        } else {
          out[to] = Math.exp(clampLog(logs[i]! * unit + more));
        }
      }
    }
  }

  private turn(added: readonly (Float32Array | null)[], move: Float64Array, out: Float32Array): void {
    const { turns, blend } = this;
    const { labels, shape } = this.decoded;
    const { axis } = shape;
    const n = this.count;
    const none = ZEROS(n);
    const [ax, ay, az] = [added[6] ?? none, added[7] ?? none, added[8] ?? none];
    const parts = move.length > 0;
    const by = blend === null ? move : blend.turns;
    for (let i = 0, to = 0; i < n; i++, to += 4) {
      let w0 = turns[to]!;
      let w1 = turns[to + 1]!;
      let w2 = turns[to + 2]!;
      let w3 = turns[to + 3]!;
      if (parts) {
        const m = blend === null ? labels[i]! * MOVE + TURN : to;
        const g0 = by[m]!;
        const g1 = by[m + 1]!;
        const g2 = by[m + 2]!;
        const g3 = by[m + 3]!;
        const v0 = g0 * w0 - g1 * w1 - g2 * w2 - g3 * w3;
        const v1 = g0 * w1 + g1 * w0 + g2 * w3 - g3 * w2;
        const v2 = g0 * w2 - g1 * w3 + g2 * w0 + g3 * w1;
        w3 = g0 * w3 + g1 * w2 - g2 * w1 + g3 * w0;
        w0 = v0;
        w1 = v1;
        w2 = v2;
      }
      const rx = ax[i]!;
      const ry = ay[i]!;
      const rz = az[i]!;
      if (rx !== 0 || ry !== 0 || rz !== 0) {
        const about = axis[i]!;
        const sx = about === 0 ? 0 : rx;
        const sy = about === 1 ? 0 : ry;
        const sz = about === 2 ? 0 : rz;
        const swing = sx * sx + sy * sy + sz * sz;
        const e0 = halfCos(swing);
        const s = halfSin(swing);
        const e1 = s * sx;
        const e2 = s * sy;
        const e3 = s * sz;
        const q0 = w0 * e0 - w1 * e1 - w2 * e2 - w3 * e3;
        const q1 = w0 * e1 + w1 * e0 + w2 * e3 - w3 * e2;
        const q2 = w0 * e2 - w1 * e3 + w2 * e0 + w3 * e1;
        const q3 = w0 * e3 + w1 * e2 - w2 * e1 + w3 * e0;
        const r = about === 0 ? rx : about === 1 ? ry : rz;
        const c = halfCos(r * r);
        const h = halfSin(r * r) * r;
        if (about === 0) {
          w0 = q0 * c - q1 * h;
          w1 = q1 * c + q0 * h;
          w2 = q2 * c + q3 * h;
          w3 = q3 * c - q2 * h;
        } else if (about === 1) {
          w0 = q0 * c - q2 * h;
          w1 = q1 * c - q3 * h;
          w2 = q2 * c + q0 * h;
          w3 = q3 * c + q1 * h;
        } else {
          w0 = q0 * c - q3 * h;
          w1 = q1 * c + q2 * h;
          w2 = q2 * c - q1 * h;
          w3 = q3 * c + q0 * h;
        }
      }
      const norm = 1 / Math.sqrt(w0 * w0 + w1 * w1 + w2 * w2 + w3 * w3);
      out[to] = w0 * norm;
      out[to + 1] = w1 * norm;
      out[to + 2] = w2 * norm;
      out[to + 3] = w3 * norm;
    }
  }

  private fade(added: Float32Array | null, out: Float32Array): void {
    const logits = this.decoded.base[9]!;
    const unit = this.decoded.model.baseUnit[9]!;
    const sums = added ?? ZEROS(this.count);
    for (let i = 0; i < out.length; i++) {
      out[i] = 1 / (1 + Math.exp(-Math.min(Math.max(logits[i]! * unit + sums[i]!, -30), 30)));
    }
  }

  /** Coefficient j of spherical harmonics, back to r, g, b. */
  private colour(added: readonly (Float32Array | null)[], j: number, out: Float32Array): void {
    const { base, model } = this.decoded;
    const n = this.count;
    const none = ZEROS(n);
    const at = 10 + 3 * j;
    const [b0, b1, b2] = [base[at]!, base[at + 1]!, base[at + 2]!];
    const [u0, u1, u2] = [model.baseUnit[at]!, model.baseUnit[at + 1]!, model.baseUnit[at + 2]!];
    const [a0, a1, a2] = [added[at] ?? none, added[at + 1] ?? none, added[at + 2] ?? none];
    const stride = 3 * this.shCount;
    for (let i = 0, to = 3 * j; i < n; i++, to += stride) {
      const y = (b0[i]! * u0 + a0[i]!) * R3;
      const c1 = (b1[i]! * u1 + a1[i]!) * R2;
      const c2 = (b2[i]! * u2 + a2[i]!) * R6;
      out[to] = y + c1 + c2;
      out[to + 1] = y - 2 * c2;
      out[to + 2] = y - c1 + c2;
    }
  }
}

/** n zeros, to be read only. */
let zeros = new Float32Array(0);
function ZEROS(n: number): Float32Array {
  if (zeros.length < n) zeros = new Float32Array(n);
  return zeros;
}

function clampLog(x: number): number {
  return Math.min(Math.max(x, -30), 20);
}

/** e^x for |x| < 0.5, to 1e-8 of it. */
function shortExp(x: number): number {
  return 1 + x * (1 + x * (1 / 2 + x * (1 / 6 + x * (1 / 24 + x * (1 / 120 + x * (1 / 720 + x / 5040))))));
}

/** cos(a / 2) of the square of an angle a; to 1e-9 where the series is taken. */
function halfCos(square: number): number {
  if (square > 1) return Math.cos(0.5 * Math.sqrt(square));
  return 1 - square * (1 / 8 - square * (1 / 384 - square * (1 / 46080 - square / 10321920)));
}

/** sin(a / 2) / a of the square of an angle a. */
function halfSin(square: number): number {
  if (square > 1) return Math.sin(0.5 * Math.sqrt(square)) / Math.sqrt(square);
  return 1 / 2 - square * (1 / 48 - square * (1 / 3840 - square * (1 / 645120 - square / 185794560)));
}

function checkRange(values: Int32Array, unit: number): void {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]!));
  if (!Number.isFinite(most * unit)) throw new BadData("base: values out of range");
}

/** (N, 4): each slot's base rotation, told relative to its nearest neighbour's. */
function baseTurns({ model, base, neighbours, shape }: Planes): Float64Array {
  const out = new Float64Array(4 * model.slots);
  const [x, y, z] = [base[6]!, base[7]!, base[8]!];
  const [ux, uy, uz] = [model.baseUnit[6]!, model.baseUnit[7]!, model.baseUnit[8]!];
  for (let i = 0; i < model.slots; i++) {
    const near = neighbours.count[i]! > 0 ? 4 * neighbours.nearest(i) : -1;
    const from: Quaternion = near >= 0 ? [out[near]!, out[near + 1]!, out[near + 2]!, out[near + 3]!] : [1, 0, 0, 0];
    const q = multiply(from, swingTwist([x[i]! * ux, y[i]! * uy, z[i]! * uz], shape.axis[i]!));
    const norm = Math.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
    if (!(norm > 0)) throw new BadData("base: values out of range");
    for (let k = 0; k < 4; k++) out[4 * i + k] = q[k]! / norm;
  }
  return out;
}
