/** Time and frames of one file: what is due, what is shown, when to wait. Draws nothing. */

import { Clock } from "../control/clock.js";
import type { Timeline } from "../control/timeline.js";
import type { Pipeline, Ready } from "./pipeline.js";

const LAG = 0.25; // seconds that the picture may fall behind before time waits for it
const TIMEUPDATE = 0.25;

export interface PlaybackHooks {
  say(type: string, detail?: unknown): void;
  /** A frame is to be on screen from now on. */
  show(ready: Ready, pipeline: Pipeline): void;
  loading(on: boolean): void;
}

export class Playback {
  readonly clock = new Clock();
  timeline: Timeline | null = null;
  pipeline: Pipeline | null = null;
  shown: Ready | null = null;
  playing = false;
  loop = false;
  seeking = false;
  waiting = false;
  ended = false;
  /** Frames that were passed over. */
  dropped = 0;
  private lastUpdate = 0;

  constructor(private readonly hooks: PlaybackHooks) {}

  get frame(): number {
    return this.shown?.frame ?? -1;
  }

  /** A file is open. The first picture counts as a seek. */
  begin(timeline: Timeline, pipeline: Pipeline): void {
    this.timeline = timeline;
    this.pipeline = pipeline;
    this.seeking = true;
  }

  reset(now: number): void {
    this.pipeline?.close();
    this.timeline = null;
    this.pipeline = null;
    this.shown = null;
    this.ended = false;
    this.seeking = false;
    this.waiting = false;
    this.dropped = 0;
    this.clock.stop(now);
    this.clock.set(0, now);
  }

  seek(time: number, now: number): void {
    if (this.timeline === null || !Number.isFinite(time)) return;
    this.seeking = true;
    this.ended = false;
    this.clock.set(Math.min(Math.max(0, time), this.timeline.duration), now);
    this.hooks.say("seeking");
  }

  play(now: number): void {
    if (this.ended) this.seek(0, now);
    if (this.playing) return;
    this.playing = true;
    this.hooks.say("play");
  }

  pause(now: number): void {
    if (!this.playing) return;
    this.playing = false;
    this.clock.stop(now);
    this.holdPicture(now);
    this.setWaiting(false);
    this.hooks.say("pause");
  }

  /** Where the picture lags behind time, time goes back to it: what one pauses on stays. */
  private holdPicture(now: number): void {
    const { timeline, pipeline, shown } = this;
    if (timeline === null || pipeline === null || shown === null || this.seeking) return;
    const due = timeline.frameAt(this.clock.at(now));
    if (pipeline.take(due) !== shown && !pipeline.isDamaged(due)) this.clock.set(timeline.timeOf(shown.frame), now);
  }

  /** Once a drawn frame. `forward`: the camera's axis, which frames are sorted along. */
  advance(now: number, forward: readonly number[]): void {
    const { timeline, pipeline } = this;
    if (timeline === null || pipeline === null) return;
    let time = this.clock.at(now);
    if (this.playing && this.loop && time >= timeline.duration) {
      time %= timeline.duration;
      this.clock.set(time, now);
    }
    const frame = timeline.frameAt(time);
    pipeline.aim(frame, this.loop, forward);
    this.present(timeline, pipeline, frame, now);
    if (this.playing && !this.loop && time >= timeline.duration) this.finish(timeline, pipeline, now);
    if (this.playing && now - this.lastUpdate > TIMEUPDATE) {
      this.lastUpdate = now;
      this.hooks.say("timeupdate");
    }
  }

  /** The end is reached: once its frame is on screen, playing stops. */
  private finish(timeline: Timeline, pipeline: Pipeline, now: number): void {
    const last = timeline.frames - 1;
    if (!pipeline.isDamaged(last) && pipeline.take(last) !== this.shown) return;
    this.playing = false;
    this.ended = true;
    this.clock.stop(now);
    this.clock.set(timeline.duration, now);
    this.hooks.say("timeupdate");
    this.hooks.say("pause");
    this.hooks.say("ended");
  }

  /** Show the frame that is due, or the newest before it, or wait. */
  private present(timeline: Timeline, pipeline: Pipeline, frame: number, now: number): void {
    const due = pipeline.take(frame);
    const damaged = due === undefined && pipeline.isDamaged(frame);
    if (due !== undefined && due !== this.shown) this.show(due, pipeline);
    else if (due === undefined && !this.seeking && this.frame < frame) {
      const late = pipeline.newest(this.frame + 1, frame);
      if (late !== undefined) this.show(late, pipeline);
    }
    if ((due !== undefined || damaged) && this.seeking) this.arrived();
    const lag = due !== undefined || damaged ? 0 : this.lagOf(timeline, frame);
    if (this.seeking || lag > LAG) {
      if (this.clock.running) this.clock.stop(now);
      if (this.playing) this.setWaiting(true);
    } else if (lag === 0 || !this.waiting) {
      this.setWaiting(false);
      if (this.playing) this.clock.start(now);
    }
  }

  private show(ready: Ready, pipeline: Pipeline): void {
    if (this.shown !== null && ready.frame > this.shown.frame + 1 && !this.seeking) {
      this.dropped += ready.frame - this.shown.frame - 1;
    }
    this.shown = ready;
    pipeline.shown = ready.frame;
    this.hooks.show(ready, pipeline);
    this.hooks.say("framechange", { frame: ready.frame });
  }

  /** Seconds by which the picture is behind `frame`; across the end of a loop it counts as much. */
  private lagOf(timeline: Timeline, frame: number): number {
    const behind = frame - this.frame;
    return (behind >= 0 ? behind : behind + timeline.frames) / timeline.fps;
  }

  private arrived(): void {
    this.seeking = false;
    this.hooks.loading(false);
    this.hooks.say("seeked");
    this.hooks.say("timeupdate");
  }

  private setWaiting(waiting: boolean): void {
    if (waiting === this.waiting) return;
    this.waiting = waiting;
    this.hooks.loading(waiting);
    if (waiting) this.hooks.say("waiting");
    else if (this.playing) this.hooks.say("playing");
  }
}
