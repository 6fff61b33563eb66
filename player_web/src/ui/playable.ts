/** What the controls need of a player. */

import type { Orbit } from "../control/orbit.js";

export interface Stats {
  /** Drawn in the last second. */
  fps: number;
  splats: number;
  /** Of the last segment's decoding. */
  decodeMs: number;
  dropped: number;
}

export interface Playable extends HTMLElement {
  readonly paused: boolean;
  readonly ended: boolean;
  /** Seconds; NaN before the file is open. */
  readonly duration: number;
  currentTime: number;
  readonly frames: number;
  /** The frame on screen, -1 before the first. Setting it seeks to that frame. */
  frame: number;
  loop: boolean;
  readonly controls: boolean;
  playbackRate: number;
  readonly buffered: TimeRanges;
  readonly error: { code: number; message: string } | null;
  readonly stats: Stats;
  readonly orbiting: Orbit;
  play(): Promise<void>;
  pause(): void;
  resetCamera(): void;
  flip(): void;
  redraw(): void;
}
