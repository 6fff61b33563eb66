/** <gs-player>: plays .gsv volumetric video. It speaks like a media element. */

import type { Header } from "./container/header.js";
import { openContainer, parseHeader } from "./container/open.js";
import { Clock } from "./control/clock.js";
import { type CameraState, Orbit } from "./control/orbit.js";
import { Timeline } from "./control/timeline.js";
import { dot } from "./gl/camera.js";
import { Renderer } from "./gl/renderer.js";
import { Pipeline, type Ready } from "./player/pipeline.js";
import { type StartedWorkers, startWorkers } from "./player/workers.js";
import { Gestures } from "./ui/gestures.js";
import { Shell } from "./ui/shell.js";
import { WorkerLuma } from "./video/client.js";
import { ElementLuma } from "./video/mse.js";
import { webCodecsAvailable } from "./video/webcodecs.js";
import { HttpRangeSource } from "./wire/http.js";
import { type SegmentSource, SourceError, type SourceState } from "./wire/source.js";
import { WebSocketSource } from "./wire/websocket.js";

const MAX_RATIO = 2; // device pixels a CSS pixel: beyond, nobody sees more
const LAG = 0.25; // seconds that the picture may fall behind before time waits for it
const RESORT = 0.9998; // cosine between the camera's axis and the one that a frame is sorted for
const TIMEUPDATE = 0.25;

const seconds = () => performance.now() / 1000;

export interface Stats {
  /** Drawn in the last second. */
  fps: number;
  splats: number;
  /** Of the last segment's decoding. */
  decodeMs: number;
  dropped: number;
}

/** A list of [start, end] in seconds with the look of TimeRanges. */
function ranges(list: [number, number][]): TimeRanges {
  return { length: list.length, start: (i: number) => list[i]![0], end: (i: number) => list[i]![1] };
}

export class GsPlayer extends HTMLElement {
  static readonly observedAttributes = ["src", "loop", "controls", "poster"];

  private readonly shell: Shell;
  private readonly orbit = new Orbit();
  private readonly clock = new Clock();
  private renderer: Renderer | null = null;
  private workers: StartedWorkers | null = null;
  private source: SegmentSource<Header> | null = null;
  private pipeline: Pipeline | null = null;
  private timeline: Timeline | null = null;
  private header: Header | null = null;
  private shown: Ready | null = null;
  private failure: MediaError | null = null;
  private playing = false;
  private isSeeking = false;
  private isWaiting = false;
  private isEnded = false;
  private dirty = true;
  private loopHandle = 0;
  private lastUpdate = 0;
  private drawn: number[] = [];
  private harmonicsGop = -1;
  private readonly counted = { decodeMs: 0, dropped: 0 };

  constructor() {
    super();
    this.shell = new Shell(this);
    new Gestures(this.shell.canvas, this.orbit, () => {
      this.dirty = true;
    });
    new ResizeObserver(() => {
      this.dirty = true;
    }).observe(this);
  }

  // ---- what pages use -------------------------------------------------------------------------------------------

  get src(): string {
    return this.getAttribute("src") ?? "";
  }

  set src(value: string) {
    this.setAttribute("src", value);
  }

  get loop(): boolean {
    return this.hasAttribute("loop");
  }

  set loop(value: boolean) {
    this.toggleAttribute("loop", value);
  }

  get autoplay(): boolean {
    return this.hasAttribute("autoplay");
  }

  set autoplay(value: boolean) {
    this.toggleAttribute("autoplay", value);
  }

  get controls(): boolean {
    return this.hasAttribute("controls");
  }

  set controls(value: boolean) {
    this.toggleAttribute("controls", value);
  }

  get poster(): string {
    return this.getAttribute("poster") ?? "";
  }

  set poster(value: string) {
    this.setAttribute("poster", value);
  }

  /** Seconds; NaN before the file is open. */
  get duration(): number {
    return this.timeline?.duration ?? Number.NaN;
  }

  get currentTime(): number {
    return Math.min(this.clock.at(seconds()), this.timeline?.duration ?? 0);
  }

  set currentTime(time: number) {
    if (this.timeline === null || !Number.isFinite(time)) return;
    this.isSeeking = true;
    this.isEnded = false;
    this.clock.set(Math.min(Math.max(0, time), this.timeline.duration), seconds());
    this.say("seeking");
    this.dirty = true;
  }

  get paused(): boolean {
    return !this.playing;
  }

  get ended(): boolean {
    return this.isEnded;
  }

  get seeking(): boolean {
    return this.isSeeking;
  }

  /** Whether playing waits for data. */
  get waiting(): boolean {
    return this.isWaiting;
  }

  get playbackRate(): number {
    return this.clock.rate;
  }

  set playbackRate(rate: number) {
    if (!(rate >= 0.0625 && rate <= 16)) throw new RangeError("playbackRate is a number from 0.0625 to 16");
    this.clock.setRate(rate, seconds());
    this.say("ratechange");
  }

  get error(): { code: number; message: string } | null {
    return this.failure;
  }

  get buffered(): TimeRanges {
    return ranges(this.pipeline?.buffered() ?? []);
  }

  get frames(): number {
    return this.timeline?.frames ?? 0;
  }

  /** The frame on screen, -1 before the first. Setting it seeks to that frame. */
  get frame(): number {
    return this.shown?.frame ?? -1;
  }

  set frame(frame: number) {
    if (this.timeline === null) return;
    this.currentTime = this.timeline.timeOf(Math.min(Math.max(0, Math.round(frame)), this.frames - 1));
  }

  get camera(): CameraState {
    return this.orbit.state;
  }

  set camera(state: Partial<CameraState>) {
    this.orbit.state = state;
    this.dirty = true;
  }

  async play(): Promise<void> {
    if (this.isEnded) this.currentTime = 0;
    if (this.playing) return;
    this.playing = true;
    this.say("play");
  }

  pause(): void {
    if (!this.playing) return;
    this.playing = false;
    this.clock.stop(seconds());
    this.setWaiting(false);
    this.say("pause");
  }

  /** The picture as it is, as a PNG. */
  async capture(): Promise<Blob> {
    this.fit();
    await this.sorted();
    this.renderer?.draw(this.orbit.view());
    const blob = await new Promise<Blob | null>((resolve) => this.shell.canvas.toBlob(resolve, "image/png"));
    if (blob === null) throw new Error("The picture can't be taken now.");
    return blob;
  }

  /** For tests: every integer plane of the segment on screen. */
  debugPlanes(): Promise<Map<string, Int32Array>> {
    return this.pipeline?.planes(Math.max(0, this.frame)) ?? Promise.resolve(new Map());
  }

  /** For the player's own display. */
  get stats(): Stats {
    const now = performance.now();
    this.drawn = this.drawn.filter((at) => now - at < 1000);
    return { fps: this.drawn.length, splats: this.shown?.packed.count ?? 0, ...this.counted };
  }

  resetCamera(): void {
    this.orbit.reset(this.aspect());
    this.dirty = true;
  }

  flip(): void {
    this.orbit.flip();
    this.dirty = true;
  }

  get orbiting(): Orbit {
    return this.orbit;
  }

  redraw(): void {
    this.dirty = true;
  }

  /** Report that nothing can be played. */
  fail(message: string): void {
    this.failure = { code: 4, message } as MediaError;
    this.playing = false;
    this.clock.stop(seconds());
    this.shell.fail(message);
    this.say("error", { message });
  }

  // ---- life -----------------------------------------------------------------------------------------------------

  connectedCallback(): void {
    this.shell.attach();
    this.loopHandle = requestAnimationFrame(this.tick);
    if (this.src !== "" && this.source === null) void this.load();
  }

  disconnectedCallback(): void {
    cancelAnimationFrame(this.loopHandle);
    this.shell.detach();
    this.unload();
  }

  attributeChangedCallback(name: string, _: string | null, value: string | null): void {
    if (name === "src" && this.isConnected) void this.load();
    else if (name === "poster") this.shell.poster(value);
    else if (name === "controls") this.shell.showControls(value !== null);
    else if (name === "loop") this.dirty = true;
  }

  private unload(): void {
    this.source?.close();
    this.pipeline?.close();
    this.workers?.stop();
    this.source = null;
    this.pipeline = null;
    this.workers = null;
    this.timeline = null;
    this.header = null;
    this.shown = null;
    this.failure = null;
    this.isEnded = false;
    this.isSeeking = false;
    this.harmonicsGop = -1;
    this.clock.stop(seconds());
    this.clock.set(0, seconds());
  }

  private async load(): Promise<void> {
    this.unload();
    if (this.src === "") return;
    this.playing = this.autoplay;
    this.shell.loading(true);
    this.say("loadstart");
    const url = new URL(this.src, document.baseURI);
    const source = open(url);
    this.source = source;
    source.onstate = (state) => this.sourceState(state);
    try {
      this.renderer ??= this.makeRenderer();
      const { header, index, complete } = await source.open();
      if (this.source !== source) return;
      this.begin(header, new Timeline(index, header.fps, complete ? header.frames : 0), source);
      source.onindex = (rows) => this.grow(rows);
    } catch (error) {
      if (this.source === source) this.fail(explain(error));
    }
  }

  private makeRenderer(): Renderer {
    const renderer = new Renderer(this.shell.canvas);
    renderer.onrestored = () => {
      this.dirty = true;
    };
    return renderer;
  }

  private begin(header: Header, timeline: Timeline, source: SegmentSource<Header>): void {
    if (header.kernel !== "classic" && header.kernel !== "compensated") {
      throw new Error(`This file asks for the kernel "${header.kernel}", which this player can't draw.`);
    }
    if (timeline.frames === 0) throw new Error("This file has no frames.");
    this.header = header;
    this.timeline = timeline;
    this.renderer!.compensated = header.kernel === "compensated";
    this.orbit.frame(header.center, header.radius, header.up, this.aspect());
    const workers = startWorkers();
    const luma = webCodecsAvailable() ? new WorkerLuma(workers.video) : new ElementLuma();
    this.workers = {
      ...workers,
      stop: () => {
        workers.stop();
        luma.close();
      },
    };
    this.pipeline = new Pipeline(timeline, source, workers, {
      onchange: () => {
        this.dirty = true;
      },
      onprogress: () => this.say("progress"),
      ondamaged: (gop, reason) => this.say("warning", { gop, message: `Segment ${gop} is left out: ${reason}` }),
      onfatal: (reason) => this.fail(reason),
      onreorder: (frame, order) => {
        if (this.shown?.frame !== frame) return;
        this.renderer?.reorder(order);
        this.dirty = true;
      },
      ondecoded: (milliseconds) => {
        this.counted.decodeMs = milliseconds;
      },
      luma: (units, width, height) => luma.decode(units, width, height),
    });
    this.isSeeking = true; // up to the first picture
    this.say("durationchange");
    this.say("loadedmetadata");
    if (this.playing) this.say("play");
  }

  private grow(rows: Parameters<NonNullable<SegmentSource<Header>["onindex"]>>[0]): void {
    if (this.header === null) return;
    this.timeline = new Timeline(rows, this.header.fps);
    this.pipeline?.adopt(this.timeline);
    this.say("durationchange");
  }

  private sourceState(state: SourceState): void {
    this.shell.connection(state.kind === "waiting" ? state.reason : null);
  }

  private say(type: string, detail?: unknown): void {
    this.dispatchEvent(new CustomEvent(type, detail === undefined ? {} : { detail }));
  }

  // ---- time -----------------------------------------------------------------------------------------------------

  private readonly tick = (): void => {
    this.loopHandle = requestAnimationFrame(this.tick);
    if (this.timeline !== null && this.pipeline !== null && this.failure === null) {
      this.advance(this.timeline, this.pipeline, seconds());
    }
    if (this.dirty && this.renderer !== null) this.paint(this.renderer);
    this.shell.update();
  };

  private advance(timeline: Timeline, pipeline: Pipeline, now: number): void {
    let time = this.clock.at(now);
    if (this.playing && this.loop && time >= timeline.duration) {
      time %= timeline.duration;
      this.clock.set(time, now);
    }
    const frame = timeline.frameAt(time);
    const view = this.orbit.view();
    pipeline.aim(frame, this.loop, view.rotation.slice(6, 9));
    this.present(timeline, pipeline, frame, now);
    if (this.playing && !this.loop && time >= timeline.duration) this.finish(timeline, pipeline, now);
    if (this.playing && now - this.lastUpdate > TIMEUPDATE) {
      this.lastUpdate = now;
      this.say("timeupdate");
    }
  }

  /** The end is reached: once its frame is on screen, playing stops. */
  private finish(timeline: Timeline, pipeline: Pipeline, now: number): void {
    const last = timeline.frames - 1;
    if (!pipeline.isDamaged(last) && pipeline.take(last) !== this.shown) return;
    this.playing = false;
    this.isEnded = true;
    this.clock.stop(now);
    this.clock.set(timeline.duration, now);
    this.say("timeupdate");
    this.say("pause");
    this.say("ended");
  }

  /** Show the frame that is due, or the newest before it, or wait. */
  private present(timeline: Timeline, pipeline: Pipeline, frame: number, now: number): void {
    const due = pipeline.take(frame);
    const damaged = due === undefined && pipeline.isDamaged(frame);
    if (due !== undefined && due !== this.shown) this.show(due, pipeline);
    else if (due === undefined && !this.isSeeking && this.frame < frame) {
      const late = pipeline.newest(this.frame + 1, frame);
      if (late !== undefined) this.show(late, pipeline);
    }
    if ((due !== undefined || damaged) && this.isSeeking) this.arrived();
    const lag = due !== undefined || damaged ? 0 : this.lagOf(timeline, frame);
    if (this.isSeeking || lag > LAG) {
      if (this.clock.running) this.clock.stop(now);
      if (this.playing) this.setWaiting(true);
    } else if (lag === 0 || !this.isWaiting) {
      this.setWaiting(false);
      if (this.playing) this.clock.start(now);
    }
  }

  /** Seconds by which the picture is behind `frame`; across the end of a loop it counts as much. */
  private lagOf(timeline: Timeline, frame: number): number {
    const behind = frame - this.frame;
    return (behind >= 0 ? behind : behind + timeline.frames) / timeline.fps;
  }

  private arrived(): void {
    this.isSeeking = false;
    this.shell.loading(false);
    this.say("seeked");
    this.say("timeupdate");
  }

  private setWaiting(waiting: boolean): void {
    if (waiting === this.isWaiting) return;
    this.isWaiting = waiting;
    this.shell.loading(waiting);
    if (waiting) this.say("waiting");
    else if (this.playing) this.say("playing");
  }

  private show(ready: Ready, pipeline: Pipeline): void {
    if (this.shown !== null && ready.frame > this.shown.frame + 1 && !this.isSeeking) {
      this.counted.dropped += ready.frame - this.shown.frame - 1;
    }
    let { packed } = ready;
    if (packed.harmonics === null && this.harmonicsGop !== ready.gop) {
      packed = { ...packed, harmonics: pipeline.harmonicsOf(ready.gop) };
    }
    this.harmonicsGop = ready.gop;
    this.shown = ready;
    pipeline.shown = ready.frame;
    this.renderer?.show(packed, ready.order);
    this.dirty = true;
    this.say("framechange", { frame: ready.frame });
  }

  // ---- picture --------------------------------------------------------------------------------------------------

  private aspect(): number {
    return this.clientWidth / Math.max(1, this.clientHeight) || 1;
  }

  private fit(): void {
    const { canvas } = this.shell;
    const ratio = Math.min(window.devicePixelRatio || 1, MAX_RATIO);
    const width = Math.max(1, Math.round(this.clientWidth * ratio));
    const height = Math.max(1, Math.round(this.clientHeight * ratio));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  }

  private paint(renderer: Renderer): void {
    this.dirty = false;
    this.fit();
    const view = this.orbit.view();
    renderer.draw(view);
    this.drawn.push(performance.now());
    if (this.shown === null || this.pipeline === null) return;
    const forward = view.rotation.slice(6, 9) as [number, number, number];
    if (dot(forward, this.shown.forward as [number, number, number]) < RESORT) {
      this.pipeline.resort(this.shown.frame, forward);
    }
  }

  /** Resolves when the frame on screen is sorted for the camera as it is. */
  private async sorted(): Promise<void> {
    for (let tries = 0; tries < 100 && this.shown !== null && this.pipeline !== null; tries++) {
      const forward = this.orbit.view().rotation.slice(6, 9) as [number, number, number];
      if (dot(forward, this.shown.forward as [number, number, number]) >= 1 - 1e-12) return;
      this.pipeline.resort(this.shown.frame, forward);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

function explain(error: unknown): string {
  if (error instanceof SourceError && error.code === "missing") return `The video isn't there: ${error.message}.`;
  const text = error instanceof Error ? error.message : String(error);
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

/** Web sockets by their scheme or their place on our server; else byte ranges. */
function open(url: URL): SegmentSource<Header> {
  if (url.protocol === "ws:" || url.protocol === "wss:" || url.pathname.startsWith("/ws/")) {
    url.protocol = url.protocol.replace("http", "ws");
    return new WebSocketSource<Header>(url.href, { parseHeader });
  }
  return new HttpRangeSource<Header>(url.href, openContainer);
}

if (customElements.get("gs-player") === undefined) customElements.define("gs-player", GsPlayer);
