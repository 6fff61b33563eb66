/** From a segment's integers to its frames (SPEC.md 5.7, 5.10), in double precision until the last rounding. */

import { BadData } from "./errors.js";
import { groupOf, MODE_CODED, planesOf, videoPlanes } from "./model.js";
import { MOST } from "./neighbours.js";
import { type Base, dct, namedPlanes, type Planes } from "./planes.js";
import { multiply, polar, type Quaternion, swingTwist } from "./rotation.js";

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

interface Move {
  /** 3 x 4, row-major: M | b. */
  matrix: Float64Array;
  turn: Quaternion;
  logDet: number;
}

const R3 = 1 / Math.sqrt(3);
const R2 = 1 / Math.sqrt(2);
const R6 = 1 / Math.sqrt(6);

export class Gop {
  readonly frames: number;
  readonly count: number;
  /** K: coefficients of spherical harmonics a colour, the constant one included. */
  readonly shCount: number;
  /** Whether coefficients 1..K-1 change over the group. */
  readonly shMoves: boolean;
  private readonly base: Float64Array;
  private readonly world: Float64Array;
  private readonly turns: Float64Array;
  private readonly centres: Float64Array;
  /** By frame, by part. */
  private readonly moves: Move[][];
  /** (N, J): the planes that are not zero, by channel; those of channel c are starts[c]..starts[c + 1]. */
  private readonly coefs: Int32Array;
  private readonly starts: Int32Array;
  /** (T, J): basis value times unit. */
  private readonly weights: Float64Array[];

  constructor(private readonly decoded: Planes) {
    const { model, x } = decoded;
    const n = model.slots;
    const c = model.channels;
    this.frames = model.frames;
    this.count = n;
    this.shCount = (model.shDegree + 1) ** 2;
    this.world = new Float64Array(3 * n);
    this.base = new Float64Array(c * n);
    for (let i = 0; i < n; i++) {
      for (let a = 0; a < 3; a++) this.world[3 * i + a] = model.origin[a]! + x[a]![i]! * model.baseUnit[a]!;
      for (let k = 3; k < c; k++) this.base[c * i + k] = decoded.base[k]![i]! * model.baseUnit[k]!;
    }
    if (!this.base.every(Number.isFinite) || !this.world.every(Number.isFinite)) {
      throw new BadData("base: values out of range");
    }
    this.turns = baseTurns(decoded, this.base);
    this.centres = partCentres(decoded);
    this.moves = partMoves(decoded);
    const stacked = stackPlanes(decoded);
    this.coefs = stacked.coefs;
    this.starts = stacked.starts;
    this.weights = stacked.weights;
    this.shMoves = this.starts[c]! > this.starts[13]!;
  }

  /** Bytes that it takes, about. */
  get memory(): number {
    return 2 * (this.coefs.byteLength + this.base.byteLength);
  }

  /** What it gives those that share its base. */
  get shared(): Base {
    const { model, x, classes, base, labels, neighbours, shape } = this.decoded;
    return { model, x, classes, base, labels, neighbours, shape };
  }

  planes(): Map<string, Int32Array> {
    return namedPlanes(this.decoded);
  }

  /** Frame t of the group, rebuilt. */
  frame(t: number): FrameAttributes {
    const { count: n, shCount: k } = this;
    const out: FrameAttributes = {
      means: new Float32Array(3 * n),
      quats: new Float32Array(4 * n),
      scales: new Float32Array(3 * n),
      opacities: new Float32Array(n),
      sh: new Float32Array(3 * k * n),
    };
    const c = this.decoded.model.channels;
    const a = new Float64Array(c);
    const weights = this.weights[t]!;
    const moves = this.moves[t];
    for (let i = 0; i < n; i++) {
      this.accumulate(i, c, weights, a);
      this.place(i, a, moves, out);
      out.opacities[i] = 1 / (1 + Math.exp(-Math.min(Math.max(a[9]!, -30), 30)));
      for (let j = 0; j < k; j++) {
        const at = 10 + 3 * j;
        const y = a[at]! * R3;
        const c1 = a[at + 1]! * R2;
        const c2 = a[at + 2]! * R6;
        const to = 3 * (k * i + j);
        out.sh[to] = y + c1 + c2;
        out.sh[to + 1] = y - 2 * c2;
        out.sh[to + 2] = y - c1 + c2;
      }
    }
    return out;
  }

  /** a = base + coefficients of slot i (positions and rotations: coefficients alone, their base rows are not sums). */
  private accumulate(i: number, c: number, weights: Float64Array, a: Float64Array): void {
    const { starts, coefs, base } = this;
    const row = i * weights.length;
    for (let k = 0; k < c; k++) {
      let sum = 0;
      for (let j = starts[k]!, end = starts[k + 1]!; j < end; j++) sum += coefs[row + j]! * weights[j]!;
      a[k] = k < 3 || (k >= 6 && k < 9) ? sum : base[i * c + k]! + sum;
    }
  }

  /** Mean, scales and rotation of slot i. */
  private place(i: number, a: Float64Array, moves: Move[] | undefined, out: FrameAttributes): void {
    const { world, turns } = this;
    let x = world[3 * i]! + a[0]!;
    let y = world[3 * i + 1]! + a[1]!;
    let z = world[3 * i + 2]! + a[2]!;
    let w0 = turns[4 * i]!;
    let w1 = turns[4 * i + 1]!;
    let w2 = turns[4 * i + 2]!;
    let w3 = turns[4 * i + 3]!;
    let grow = 0;
    if (moves !== undefined) {
      const p = this.decoded.labels[i]!;
      const { matrix: m, turn: g, logDet } = moves[p]!;
      const [zx, zy, zz] = [this.centres[3 * p]!, this.centres[3 * p + 1]!, this.centres[3 * p + 2]!];
      const [dx, dy, dz] = [x - zx, y - zy, z - zz];
      x = zx + m[0]! * dx + m[1]! * dy + m[2]! * dz + m[3]!;
      y = zy + m[4]! * dx + m[5]! * dy + m[6]! * dz + m[7]!;
      z = zz + m[8]! * dx + m[9]! * dy + m[10]! * dz + m[11]!;
      grow = logDet / 3;
      const [v0, v1, v2, v3] = [w0, w1, w2, w3];
      w0 = g[0] * v0 - g[1] * v1 - g[2] * v2 - g[3] * v3;
      w1 = g[0] * v1 + g[1] * v0 + g[2] * v3 - g[3] * v2;
      w2 = g[0] * v2 - g[1] * v3 + g[2] * v0 + g[3] * v1;
      w3 = g[0] * v3 + g[1] * v2 - g[2] * v1 + g[3] * v0;
    }
    out.means[3 * i] = x;
    out.means[3 * i + 1] = y;
    out.means[3 * i + 2] = z;
    for (let k = 0; k < 3; k++) out.scales[3 * i + k] = Math.exp(Math.min(Math.max(a[3 + k]! + grow, -30), 20));
    const [e0, e1, e2, e3] = swingTwist([a[6]!, a[7]!, a[8]!], this.decoded.shape.axis[i]!);
    const q0 = w0 * e0 - w1 * e1 - w2 * e2 - w3 * e3;
    const q1 = w0 * e1 + w1 * e0 + w2 * e3 - w3 * e2;
    const q2 = w0 * e2 - w1 * e3 + w2 * e0 + w3 * e1;
    const q3 = w0 * e3 + w1 * e2 - w2 * e1 + w3 * e0;
    const norm = Math.sqrt(q0 * q0 + q1 * q1 + q2 * q2 + q3 * q3);
    out.quats[4 * i] = q0 / norm;
    out.quats[4 * i + 1] = q1 / norm;
    out.quats[4 * i + 2] = q2 / norm;
    out.quats[4 * i + 3] = q3 / norm;
  }
}

/** (N, 4): each slot's base rotation, told relative to its nearest neighbour's. */
function baseTurns({ model, neighbours, shape }: Planes, base: Float64Array): Float64Array {
  const out = new Float64Array(4 * model.slots);
  for (let i = 0; i < model.slots; i++) {
    const near = neighbours.index[i * MOST]!;
    const from: Quaternion =
      near >= 0 ? [out[4 * near]!, out[4 * near + 1]!, out[4 * near + 2]!, out[4 * near + 3]!] : [1, 0, 0, 0];
    const at = i * model.channels + 6;
    const q = multiply(from, swingTwist([base[at]!, base[at + 1]!, base[at + 2]!], shape.axis[i]!));
    const norm = Math.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
    for (let k = 0; k < 4; k++) out[4 * i + k] = q[k]! / norm;
  }
  return out;
}

/** (P, 3) world: the floor of the mean lattice position of each part's slots. */
function partCentres({ model, labels, x }: Planes): Float64Array {
  const sums = new Float64Array(3 * model.parts);
  const counts = new Float64Array(model.parts);
  for (let i = 0; i < (model.parts > 0 ? model.slots : 0); i++) {
    counts[labels[i]!]! += 1;
    for (let a = 0; a < 3; a++) sums[3 * labels[i]! + a]! += x[a]![i]!;
  }
  return sums.map((sum, i) => {
    const a = i % 3;
    return model.origin[a]! + Math.floor(sum / Math.max(1, counts[Math.floor(i / 3)]!)) * model.baseUnit[a]!;
  });
}

function partMoves({ model, parts }: Planes): Move[][] {
  if (parts.length === 0) return [];
  const cosines = dct(model.frames);
  return Array.from({ length: model.frames }, (_, t) =>
    parts.map((series) => {
      const matrix = Float64Array.from(series, (coefficients, e) => {
        const sum = coefficients.reduce((s, v, k) => s + v * cosines[k]![t]!, 0);
        return e === 0 || e === 5 || e === 10 ? 1 + sum : sum;
      });
      const linear = [0, 1, 2, 4, 5, 6, 8, 9, 10].map((e) => matrix[e]!);
      return { matrix, ...polar(linear) };
    }),
  );
}

interface Stack {
  coefs: Int32Array;
  starts: Int32Array;
  weights: Float64Array[];
}

/** The planes that are not all zero, side by side, with what each weighs at each frame. */
function stackPlanes(decoded: Planes): Stack {
  const { model, coded, video, bases } = decoded;
  const numbers = videoPlanes(model);
  const columns: { values: Int32Array; stride: number; first: number; row: Float64Array; unit: number }[] = [];
  const starts = new Int32Array(model.channels + 1);
  for (let c = 0; c < model.channels; c++) {
    const rows = bases[groupOf(c)]!;
    const unit = model.coefUnit[c]!;
    planesOf(model, c, MODE_CODED).forEach((k, j) => {
      const { r, m } = coded[c]!;
      if (anyNonzero(r, m, j)) columns.push({ values: r, stride: m, first: j, row: rows[k - 1]!, unit });
    });
    numbers.forEach(([channel, k], p) => {
      const values = video[p]!;
      if (channel !== c || !anyNonzero(values, 1, 0)) return;
      columns.push({ values, stride: 1, first: 0, row: rows[k - 1]!, unit: unit / model.gain });
    });
    starts[c + 1] = columns.length;
  }
  const width = columns.length;
  const coefs = new Int32Array(model.slots * width);
  columns.forEach(({ values, stride, first }, j) => {
    for (let i = 0; i < model.slots; i++) coefs[i * width + j] = values[i * stride + first]!;
  });
  const weights = Array.from({ length: model.frames }, (_, t) =>
    Float64Array.from(columns, ({ row, unit }) => row[t]! * unit),
  );
  return { coefs, starts, weights };
}

function anyNonzero(values: Int32Array, stride: number, first: number): boolean {
  for (let i = first; i < values.length; i += stride) if (values[i] !== 0) return true;
  return false;
}
