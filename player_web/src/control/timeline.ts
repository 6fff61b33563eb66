/** Frames, times and segments of one rung. */

import type { SegmentEntry } from "../wire/source.js";

export class Timeline {
  readonly entries: readonly SegmentEntry[];
  readonly frames: number;

  constructor(
    index: readonly SegmentEntry[],
    readonly fps: number,
    /** As the header says; 0: as far as the index goes. */
    frames = 0,
  ) {
    this.entries = [...index].sort((a, b) => a.firstFrame - b.firstFrame);
    const last = this.entries.at(-1);
    this.frames = Math.max(frames, last === undefined ? 0 : last.firstFrame + last.nFrames);
  }

  get duration(): number {
    return this.frames / this.fps;
  }

  /** The frame shown at `time`, seconds; a hair of slack keeps n / fps in frame n. */
  frameAt(time: number): number {
    return Math.min(Math.max(0, Math.floor(time * this.fps + 1e-6)), Math.max(0, this.frames - 1));
  }

  timeOf(frame: number): number {
    return frame / this.fps;
  }

  /** Number in `entries` of the segment that shows `frame`: frames that are missing show the one before. */
  positionOf(frame: number): number {
    let low = 0;
    let high = this.entries.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.entries[middle]!.firstFrame <= frame) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Times covered by segments for which `has` is true, neighbours joined. */
  covered(has: (entry: SegmentEntry) => boolean): [number, number][] {
    const out: [number, number][] = [];
    for (const entry of this.entries) {
      if (!has(entry)) continue;
      const start = this.timeOf(entry.firstFrame);
      const end = this.timeOf(entry.firstFrame + entry.nFrames);
      const before = out.at(-1);
      if (before !== undefined && start <= before[1] + 1e-6) before[1] = end;
      else out.push([start, end]);
    }
    return out;
  }
}
