/** Sums of coefficients over the frames: what each channel of each slot differs by from its base (SPEC.md 5.10). */

import type { Coded } from "./coefficients.js";
import { groupOf, MODE_CODED, planesOf, videoPlanes } from "./model.js";
import type { Planes } from "./planes.js";

/** Frames that are summed in one go: a coefficient is fetched once for all of them. */
const BLOCK = 4;

/** A plane of the video, with what it weighs in each frame. */
interface VideoPlane {
  values: Int32Array;
  weights: Float64Array;
}

interface Channel {
  coded: Coded;
  /** By block of frames: (m, BLOCK) basis value times unit. */
  weights: Float64Array[];
  video: VideoPlane[];
}

export class Series {
  /** By channel; null where nothing changes. */
  private readonly channels: (Channel | null)[];
  /** By channel: (BLOCK, N), of the block that was asked for last. */
  private readonly sums: Float32Array[];
  private block = -1;

  constructor(
    planes: Planes,
    private readonly count: number,
  ) {
    this.channels = Array.from({ length: planes.model.channels }, (_, c) => channelOf(planes, c));
    this.sums = this.channels.map(() => new Float32Array(0));
  }

  moves(channel: number): boolean {
    return this.channels[channel] !== null;
  }

  /** Bytes of coefficients, and of the sums once there are any. */
  get memory(): number {
    let out = 0;
    for (const channel of this.channels) {
      if (channel === null) continue;
      out += channel.coded.values.byteLength + channel.coded.reach.byteLength + 4 * BLOCK * this.count;
      for (const { values } of channel.video) out += values.byteLength;
    }
    return out;
  }

  /** By channel: what frame t adds to the base of each slot; null where nothing changes. */
  at(t: number): (Float32Array | null)[] {
    const block = Math.floor(t / BLOCK);
    if (block !== this.block) {
      this.channels.forEach((channel, c) => {
        if (channel !== null) this.sums[c] = this.sum(channel, block, this.sums[c]!);
      });
      this.block = block;
    }
    const start = (t % BLOCK) * this.count;
    return this.channels.map((channel, c) =>
      channel === null ? null : this.sums[c]!.subarray(start, start + this.count),
    );
  }

  private sum({ coded, weights, video }: Channel, block: number, before: Float32Array): Float32Array {
    const n = this.count;
    const out = before.length > 0 ? before.fill(0) : new Float32Array(BLOCK * n);
    if (coded.m > 0) addCoded(coded, weights[block]!, n, out);
    for (const plane of video) {
      for (let f = 0; f < BLOCK; f++) {
        const w = plane.weights[block * BLOCK + f] ?? 0;
        const to = f * n;
        if (w !== 0) for (let i = 0; i < n; i++) out[to + i]! += w * plane.values[i]!;
      }
    }
    return out;
  }
}

/** Two slots at a time, as far as both reach: a weight is fetched once for both. */
function addCoded({ reach, values }: Coded, weights: Float64Array, n: number, out: Float32Array): void {
  let at = 0;
  for (let i = 0; i < n; i += 2) {
    const first = reach[i]!;
    const second = i + 1 < n ? reach[i + 1]! : 0;
    const next = at + first;
    const both = Math.min(first, second);
    let a0 = 0;
    let a1 = 0;
    let a2 = 0;
    let a3 = 0;
    let b0 = 0;
    let b1 = 0;
    let b2 = 0;
    let b3 = 0;
    let w = 0;
    for (let j = 0; j < both; j++, w += BLOCK) {
      const a = values[at + j]!;
      const b = values[next + j]!;
      const w0 = weights[w]!;
      const w1 = weights[w + 1]!;
      const w2 = weights[w + 2]!;
      const w3 = weights[w + 3]!;
      a0 += a * w0;
      a1 += a * w1;
      a2 += a * w2;
      a3 += a * w3;
      b0 += b * w0;
      b1 += b * w1;
      b2 += b * w2;
      b3 += b * w3;
    }
    for (let j = both, v = w; j < first; j++, v += BLOCK) {
      const a = values[at + j]!;
      a0 += a * weights[v]!;
      a1 += a * weights[v + 1]!;
      a2 += a * weights[v + 2]!;
      a3 += a * weights[v + 3]!;
    }
    for (let j = both, v = w; j < second; j++, v += BLOCK) {
      const b = values[next + j]!;
      b0 += b * weights[v]!;
      b1 += b * weights[v + 1]!;
      b2 += b * weights[v + 2]!;
      b3 += b * weights[v + 3]!;
    }
    out[i] = a0;
    out[n + i] = a1;
    out[2 * n + i] = a2;
    out[3 * n + i] = a3;
    if (i + 1 < n) {
      out[i + 1] = b0;
      out[n + i + 1] = b1;
      out[2 * n + i + 1] = b2;
      out[3 * n + i + 1] = b3;
    }
    at = next + second;
  }
}

function channelOf(planes: Planes, c: number): Channel | null {
  const { model, bases } = planes;
  const coded = planes.coded[c]!;
  const rows = bases[groupOf(c)]!;
  const unit = model.coefUnit[c]!;
  const video: VideoPlane[] = [];
  videoPlanes(model).forEach(([channel, k], p) => {
    const values = planes.video[p]!;
    if (channel !== c || values.every((v) => v === 0)) return;
    video.push({ values, weights: rows[k - 1]!.map((v) => (v * unit) / model.gain) });
  });
  if (coded.values.length === 0 && video.length === 0) return null;
  const numbers = planesOf(model, c, MODE_CODED);
  const weights = Array.from({ length: Math.ceil(model.frames / BLOCK) }, (_, block) => {
    const out = new Float64Array(numbers.length * BLOCK);
    numbers.forEach((k, j) => {
      for (let f = 0; f < BLOCK; f++) out[j * BLOCK + f] = unit * (rows[k - 1]![block * BLOCK + f] ?? 0);
    });
    return out;
  });
  return { coded, weights, video };
}
