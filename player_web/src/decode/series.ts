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

function addCoded({ reach, values }: Coded, weights: Float64Array, n: number, out: Float32Array): void {
  const second = n;
  const third = 2 * n;
  const fourth = 3 * n;
  let at = 0;
  for (let i = 0; i < n; i++) {
    const end = at + reach[i]!;
    if (at === end) continue;
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    for (let w = 0; at < end; at++, w += BLOCK) {
      const v = values[at]!;
      s0 += v * weights[w]!;
      s1 += v * weights[w + 1]!;
      s2 += v * weights[w + 2]!;
      s3 += v * weights[w + 3]!;
    }
    out[i] = s0;
    out[second + i] = s1;
    out[third + i] = s2;
    out[fourth + i] = s3;
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
