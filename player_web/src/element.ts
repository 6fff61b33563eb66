/** <gs-player>: plays .gsv volumetric video. It speaks like a media element. */

import type { Header } from "./container/header.js";
import { type CameraState, Orbit } from "./control/orbit.js";
import { Timeline } from "./control/timeline.js";
import { dot, type Vec3 } from "./gl/camera.js";
import { Renderer } from "./gl/renderer.js";
import { Pipeline, type Ready } from "./player/pipeline.js";
import { Playback } from "./player/playback.js";
import { explain, openSource } from "./player/sources.js";
import { type StartedWorkers, startWorkers } from "./player/workers.js";
import { Gestures } from "./ui/gestures.js";
import type { Playable, Stats } from "./ui/playable.js";
import { Shell } from "./ui/shell.js";
import { WorkerLuma } from "./video/client.js";
import { ElementLuma } from "./video/mse.js";
import { webCodecsAvailable } from "./video/webcodecs.js";
import type { SegmentSource, SourceState } from "./wire/source.js";

const MAX_RATIO = 2; // device pixels a CSS pixel: beyond, nobody sees more
const SORT_TRIES = 500; // of 10 ms each: a picture that is asked for waits for its order so long
const RESORT = 0.9998; // cosine between the camera's axis and the one that a frame is sorted for

const seconds = () => performance.now() / 1000;

/** A list of [start, end] in seconds with the look of TimeRanges. */
function ranges(list: [number, number][]): TimeRanges {
  return { length: list.length, start: (i: number) => list[i]![0], end: (i: number) => list[i]![1] };
}

export class GsPlayer extends HTMLElement implements Playable {
  static readonly observedAttributes = ["src", "loop", "controls", "poster"];

  private readonly shell: Shell;
  private readonly orbit = new Orbit();
  private readonly playback: Playback;
  private renderer: Renderer | null = null;
  private workers: StartedWorkers | null = null;
  private source: SegmentSource<Header> | null = null;
  private header: Header | null = null;
  private failure: MediaError | null = null;
  private dirty = true;
  private loopHandle = 0;
  private drawn: number[] = [];
  private harmonicsGop = -1;
  private decodeMs = 0;

  constructor() {
    super();
    this.shell = new Shell(this);
    this.playback = new Playback({
      say: (type, detail) => {
        this.dirty ||= type === "pause"; // what stands still is drawn at its best
        this.say(type, detail);
      },
      show: (ready, pipeline) => this.show(ready, pipeline),
      loading: (on) => this.shell.loading(on),
    });
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
    return this.playback.timeline?.duration ?? Number.NaN;
  }

  get currentTime(): number {
    return Math.min(this.playback.clock.at(seconds()), this.playback.timeline?.duration ?? 0);
  }

  set currentTime(time: number) {
    this.playback.seek(time, seconds());
    this.dirty = true;
  }

  get paused(): boolean {
    return !this.playback.playing;
  }

  get ended(): boolean {
    return this.playback.ended;
  }

  get seeking(): boolean {
    return this.playback.seeking;
  }

  /** Whether playing waits for data. */
  get waiting(): boolean {
    return this.playback.waiting;
  }

  get playbackRate(): number {
    return this.playback.clock.rate;
  }

  set playbackRate(rate: number) {
    if (!(rate >= 0.0625 && rate <= 16)) throw new RangeError("playbackRate is a number from 0.0625 to 16");
    this.playback.clock.setRate(rate, seconds());
    this.say("ratechange");
  }

  get error(): { code: number; message: string } | null {
    return this.failure;
  }

  get buffered(): TimeRanges {
    return ranges(this.playback.pipeline?.buffered() ?? []);
  }

  get frames(): number {
    return this.playback.timeline?.frames ?? 0;
  }

  /** The frame on screen, -1 before the first. Setting it seeks to that frame. */
  get frame(): number {
    return this.playback.frame;
  }

  set frame(frame: number) {
    const { timeline } = this.playback;
    if (timeline === null) return;
    this.currentTime = timeline.timeOf(Math.min(Math.max(0, Math.round(frame)), timeline.frames - 1));
  }

  get camera(): CameraState {
    return this.orbit.state;
  }

  set camera(state: Partial<CameraState>) {
    this.orbit.state = state;
    this.dirty = true;
  }

  async play(): Promise<void> {
    this.playback.play(seconds());
  }

  pause(): void {
    this.playback.pause(seconds());
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
    return this.playback.pipeline?.planes(Math.max(0, this.frame)) ?? Promise.resolve(new Map());
  }

  /** For the player's own display. */
  get stats(): Stats {
    const now = performance.now();
    this.drawn = this.drawn.filter((at) => now - at < 1000);
    const { shown, dropped } = this.playback;
    return { fps: this.drawn.length, splats: shown?.packed.count ?? 0, decodeMs: this.decodeMs, dropped };
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
    this.playback.playing = false;
    this.playback.clock.stop(seconds());
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
    else if (name === "loop") this.playback.loop = value !== null;
  }

  private unload(): void {
    this.playback.reset(seconds());
    this.source?.close();
    this.workers?.stop();
    this.source = null;
    this.workers = null;
    this.header = null;
    this.failure = null;
    this.harmonicsGop = -1;
  }

  private async load(): Promise<void> {
    this.unload();
    if (this.src === "") return;
    this.playback.playing = this.autoplay;
    this.shell.loading(true);
    this.say("loadstart");
    const url = new URL(this.src, document.baseURI);
    const source = openSource(url);
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
    const pipeline = new Pipeline(timeline, source, workers, {
      onchange: () => {
        this.dirty = true;
      },
      onprogress: () => this.say("progress"),
      ondamaged: (gop, reason) => this.say("warning", { gop, message: `Segment ${gop} is left out: ${reason}` }),
      onfatal: (reason) => this.fail(reason),
      onreorder: (frame, order) => {
        if (this.playback.frame !== frame) return;
        this.renderer?.reorder(order);
        this.dirty = true;
      },
      ondecoded: (milliseconds) => {
        this.decodeMs = milliseconds;
      },
      luma: (units, width, height) => luma.decode(units, width, height),
    });
    this.playback.begin(timeline, pipeline);
    this.say("durationchange");
    this.say("loadedmetadata");
    if (this.playback.playing) this.say("play");
  }

  private grow(rows: Parameters<NonNullable<SegmentSource<Header>["onindex"]>>[0]): void {
    if (this.header === null) return;
    const timeline = new Timeline(rows, this.header.fps);
    this.playback.timeline = timeline;
    this.playback.pipeline?.adopt(timeline);
    this.say("durationchange");
  }

  private sourceState(state: SourceState): void {
    this.shell.connection(state.kind === "waiting" ? state.reason : null);
  }

  private say(type: string, detail?: unknown): void {
    this.dispatchEvent(new CustomEvent(type, detail === undefined ? {} : { detail }));
  }

  // ---- picture --------------------------------------------------------------------------------------------------

  private readonly tick = (): void => {
    this.loopHandle = requestAnimationFrame(this.tick);
    if (this.failure === null) this.playback.advance(seconds(), this.forward());
    if (this.dirty && this.renderer !== null) this.paint(this.renderer);
    this.shell.update();
  };

  private forward(): Vec3 {
    return this.orbit.view().rotation.slice(6, 9) as Vec3;
  }

  private show(ready: Ready, pipeline: Pipeline): void {
    let { packed } = ready;
    if (packed.harmonics === null && this.harmonicsGop !== ready.gop) {
      packed = { ...packed, harmonics: pipeline.harmonicsOf(ready.gop) };
    }
    this.harmonicsGop = ready.gop;
    this.renderer?.show(packed, ready.order);
    this.dirty = true;
  }

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
    renderer.draw(this.orbit.view(), this.playback.playing);
    this.drawn.push(performance.now());
    const { shown, pipeline } = this.playback;
    if (shown === null || pipeline === null) return;
    const forward = this.forward();
    if (dot(forward, shown.forward as Vec3) < RESORT) pipeline.resort(shown.frame, forward);
  }

  /** Resolves when the frame on screen is sorted for the camera as it is. */
  private async sorted(): Promise<void> {
    for (let tries = 0; tries < SORT_TRIES; tries++) {
      const { shown, pipeline } = this.playback;
      if (shown === null || pipeline === null) return;
      const forward = this.forward();
      if (dot(forward, shown.forward as Vec3) >= 1 - 1e-12) return;
      pipeline.resort(shown.frame, forward);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

if (customElements.get("gs-player") === undefined) customElements.define("gs-player", GsPlayer);
