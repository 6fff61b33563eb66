/** The bar of controls. */

import { ICONS } from "./icons.js";
import { type KeyActions, RATES, step, togglePlay } from "./keys.js";
import type { Playable } from "./playable.js";

const SEEK_STEP = 1; // seconds, by arrow keys on the seek bar

const MARKUP = `<div class="seek timed" role="slider" tabindex="0" aria-label="Seek" aria-valuemin="0">
  <div class="rail"><div class="buffers"></div><div class="played"></div></div><div class="knob"></div><div class="bubble"></div>
</div>
<div class="row">
  <button data-do="play" class="timed"></button>
  <button data-do="back" class="wide timed" aria-label="One frame back" title="One frame back (,)">${ICONS.back}</button>
  <button data-do="on" class="wide timed" aria-label="One frame on" title="One frame on (.)">${ICONS.forward}</button>
  <div class="time timed"></div>
  <div class="space"></div>
  <select class="rate timed" aria-label="Speed" title="Speed (&lt; &gt;)">${RATES.map((r) => `<option value="${r}">${r}×</option>`).join("")}</select>
  <button data-do="loop" class="timed" aria-label="Loop" title="Loop (l)">${ICONS.loop}</button>
  <button data-do="home" aria-label="First view" title="First view (r)">${ICONS.home}</button>
  <button data-do="help" class="wide" aria-label="Keys" title="Keys (?)">${ICONS.help}</button>
  <button data-do="full"></button>
</div>`;

/** 1:23.4, or 1:23 where `whole`. */
export function clockText(time: number, whole = false): string {
  const seconds = Math.max(0, Number.isFinite(time) ? time : 0);
  const minutes = Math.floor(seconds / 60);
  const rest = seconds - 60 * minutes;
  return whole
    ? `${minutes}:${Math.floor(rest).toString().padStart(2, "0")}`
    : `${minutes}:${(Math.floor(rest * 10) / 10).toFixed(1).padStart(4, "0")}`;
}

export class Bar {
  private readonly seek: HTMLElement;
  private readonly rate: HTMLSelectElement;
  private dragging = false;
  private resume = false;
  /** What is shown, so that nothing is written twice. */
  private readonly last = new Map<string, string>();

  constructor(
    private readonly root: HTMLElement,
    private readonly player: Playable,
    actions: KeyActions,
  ) {
    root.innerHTML = MARKUP;
    this.seek = root.querySelector(".seek")!;
    this.rate = root.querySelector(".rate")!;
    const deeds: Record<string, () => void> = {
      play: () => togglePlay(player),
      back: () => step(player, -1),
      on: () => step(player, 1),
      loop: () => {
        player.loop = !player.loop;
      },
      home: () => player.resetCamera(),
      help: () => actions.toggleHelp(),
      full: () => actions.toggleFullscreen(),
    };
    for (const button of root.querySelectorAll("button")) {
      button.addEventListener("click", () => deeds[button.dataset["do"]!]?.());
    }
    this.rate.addEventListener("change", () => {
      player.playbackRate = Number(this.rate.value);
    });
    this.listenSeek();
  }

  /** Somebody holds on to it. */
  get busy(): boolean {
    return this.dragging || this.root.matches(":hover");
  }

  private listenSeek(): void {
    const { seek, player } = this;
    const share = (event: PointerEvent) => {
      const box = seek.getBoundingClientRect();
      return Math.min(Math.max(0, (event.clientX - box.left) / Math.max(1, box.width)), 1);
    };
    const go = (event: PointerEvent) => {
      player.currentTime = share(event) * player.duration;
    };
    seek.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !(player.duration > 0)) return;
      seek.setPointerCapture(event.pointerId);
      this.dragging = true;
      seek.classList.add("drag");
      this.resume = !player.paused;
      player.pause();
      go(event);
    });
    seek.addEventListener("pointermove", (event) => {
      const bubble = seek.querySelector<HTMLElement>(".bubble")!;
      bubble.style.left = `${share(event) * 100}%`;
      bubble.textContent = clockText(share(event) * (player.duration || 0));
      if (this.dragging) go(event);
    });
    const release = () => {
      if (!this.dragging) return;
      this.dragging = false;
      seek.classList.remove("drag");
      if (this.resume) void player.play();
    };
    seek.addEventListener("pointerup", release);
    seek.addEventListener("pointercancel", release);
    seek.addEventListener("keydown", (event) => {
      const by: Record<string, number> = {
        ArrowLeft: -SEEK_STEP,
        ArrowDown: -SEEK_STEP,
        ArrowRight: SEEK_STEP,
        ArrowUp: SEEK_STEP,
      };
      const move = by[event.key];
      if (move === undefined || event.shiftKey) return;
      event.preventDefault();
      player.currentTime = Math.min(Math.max(0, player.currentTime + move), player.duration);
    });
  }

  private set(name: string, value: string, write: (value: string) => void): void {
    if (this.last.get(name) === value) return;
    this.last.set(name, value);
    write(value);
  }

  private button(name: string): HTMLButtonElement {
    return this.root.querySelector(`[data-do="${name}"]`)!;
  }

  update(): void {
    const { player } = this;
    const duration = player.duration || 0;
    const share = duration > 0 ? Math.min(1, player.currentTime / duration) : 0;
    this.set("share", share.toFixed(4), (value) => {
      this.seek.querySelector<HTMLElement>(".played")!.style.transform = `scaleX(${value})`;
      this.seek.querySelector<HTMLElement>(".knob")!.style.left = `${Number(value) * 100}%`;
    });
    const now = clockText(player.currentTime);
    const end = clockText(duration);
    this.set("time", `${now} <span>/ ${end}</span>`, (value) => {
      this.root.querySelector(".time")!.innerHTML = value;
      this.seek.setAttribute("aria-valuemax", duration.toFixed(1));
      this.seek.setAttribute("aria-valuenow", player.currentTime.toFixed(1));
      this.seek.setAttribute("aria-valuetext", `${now} of ${end}`);
    });
    this.set("still", String(player.frames === 1), (value) => {
      this.root.classList.toggle("still", value === "true");
    });
    this.updateButtons();
    this.updateBuffers(duration);
  }

  private updateButtons(): void {
    const { player } = this;
    const play = player.paused ? (player.ended ? "replay" : "play") : "pause";
    this.set("play", play, () => {
      const button = this.button("play");
      button.innerHTML = ICONS[play];
      button.setAttribute("aria-label", { play: "Play", pause: "Pause", replay: "Play again" }[play]);
      button.title = `${button.getAttribute("aria-label")} (Space)`;
    });
    this.set("loop", String(player.loop), (value) => this.button("loop").setAttribute("aria-pressed", value));
    const full = document.fullscreenElement === player;
    this.set("full", String(full), () => {
      const button = this.button("full");
      button.innerHTML = full ? ICONS.small : ICONS.full;
      button.setAttribute("aria-label", full ? "Leave full screen" : "Full screen");
      button.title = `${button.getAttribute("aria-label")} (f)`;
    });
    this.set("rate", String(player.playbackRate), (value) => {
      this.rate.value = value;
    });
  }

  private updateBuffers(duration: number): void {
    const { buffered } = this.player;
    const parts: string[] = [];
    for (let i = 0; i < buffered.length && duration > 0; i++) {
      const left = (100 * buffered.start(i)) / duration;
      const width = (100 * (buffered.end(i) - buffered.start(i))) / duration;
      parts.push(`<div class="loaded" style="left:${left.toFixed(2)}%;width:${width.toFixed(2)}%"></div>`);
    }
    this.set("buffers", parts.join(""), (value) => {
      this.seek.querySelector(".buffers")!.innerHTML = value;
    });
  }
}
