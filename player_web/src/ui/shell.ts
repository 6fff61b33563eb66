/** The player's shadow tree: picture, controls, notices. Reads the element's public state once a drawn frame. */

import { Bar } from "./bar.js";
import { ICONS } from "./icons.js";
import { act, KEY_LIST, togglePlay } from "./keys.js";
import type { Playable } from "./playable.js";
import { STYLE } from "./style.js";

const IDLE = 2800; // ms without a hand on it before the controls leave a playing picture
const STATS_EVERY = 500;

const MARKUP = `<style>${STYLE}</style>
<div class="stage"></div>
<canvas tabindex="0" role="img" aria-label="Volumetric video. Drag or use the arrow keys to look around."></canvas>
<img class="poster" alt="" hidden>
<div class="spinner"></div>
<div class="notice" hidden></div>
<pre class="stats" hidden></pre>
<button class="big" aria-label="Play" hidden>${ICONS.play}</button>
<div class="bar" part="controls" role="group" aria-label="Video controls" hidden></div>
<div class="failure" role="alert" hidden>${ICONS.alert}<p></p></div>
<dialog aria-labelledby="keys"><h2 id="keys">Keys</h2><dl>${KEY_LIST.map(
  ([keys, what]) =>
    `<dt>${keys
      .split(" ")
      .map((key) => `<kbd>${key.replace("<", "&lt;").replace(">", "&gt;")}</kbd>`)
      .join("")}</dt><dd>${what}</dd>`,
).join("")}</dl><form method="dialog"><button>Close</button></form></dialog>
<div class="said" role="status"></div>`;

export class Shell {
  readonly canvas: HTMLCanvasElement;
  private readonly root: ShadowRoot;
  private readonly bar: Bar;
  private idle = 0;
  private statsAt = 0;
  private lost: string | null = null;

  constructor(private readonly player: Playable) {
    this.root = player.attachShadow({ mode: "open" });
    this.root.innerHTML = MARKUP;
    this.canvas = this.find("canvas");
    this.bar = new Bar(this.find(".bar"), player, this);
    this.find(".big").addEventListener("click", () => void player.play());
    this.listen();
  }

  private find<T extends HTMLElement = HTMLElement>(selector: string): T {
    return this.root.querySelector<T>(selector)!;
  }

  private listen(): void {
    const { player, canvas } = this;
    for (const type of ["pointermove", "pointerdown", "keydown", "focusin"]) {
      player.addEventListener(type, () => this.wake(), { capture: true });
    }
    player.addEventListener("pointerleave", () => this.rest());
    player.addEventListener("pause", () => this.wake());
    canvas.addEventListener("dblclick", () => this.toggleFullscreen());
    let press: { x: number; y: number } | null = null;
    canvas.addEventListener("pointerdown", ({ clientX: x, clientY: y, button }) => {
      press = button === 0 ? { x, y } : null;
    });
    canvas.addEventListener("click", ({ clientX, clientY, detail }) => {
      // a click, not the end of a drag
      if (press !== null && detail === 1 && Math.hypot(clientX - press.x, clientY - press.y) < 4) togglePlay(player);
    });
    player.addEventListener("warning", (event) => this.announce((event as CustomEvent).detail.message, true));
    player.addEventListener("seeked", () => {
      this.find(".poster").hidden = true;
    });
  }

  private readonly onKey = (event: KeyboardEvent): void => {
    const inside = this.root.activeElement;
    const elsewhere = document.activeElement;
    const mine = elsewhere === this.player || elsewhere === document.body || elsewhere === null;
    if (!mine || event.defaultPrevented || this.find<HTMLDialogElement>("dialog").open) return;
    if (inside instanceof HTMLSelectElement) return;
    if (inside instanceof HTMLButtonElement && (event.key === " " || event.key === "Enter")) return;
    if (act(this.player, event, inside === this.canvas, this)) {
      event.preventDefault();
      this.wake();
    }
  };

  attach(): void {
    document.addEventListener("keydown", this.onKey);
  }

  detach(): void {
    document.removeEventListener("keydown", this.onKey);
    clearTimeout(this.idle);
  }

  /** Show the controls, and hide them again after a while. */
  private wake(): void {
    this.player.classList.remove("idle");
    clearTimeout(this.idle);
    this.idle = window.setTimeout(() => this.rest(), IDLE);
  }

  private rest(): void {
    const busy = this.player.paused || this.bar.busy || this.root.activeElement?.closest(".bar") != null;
    if (!busy) this.player.classList.add("idle");
  }

  // ---- what the element says ------------------------------------------------------------------------------------

  poster(src: string | null): void {
    const image = this.find<HTMLImageElement>(".poster");
    image.hidden = src === null;
    if (src !== null) image.src = src;
  }

  showControls(on: boolean): void {
    this.find(".bar").hidden = !on;
  }

  loading(on: boolean): void {
    if (on) this.find(".failure").hidden = true;
    if (on) this.find(".bar").hidden = !this.player.controls;
    this.find(".spinner").classList.toggle("on", on);
  }

  /** The connection is lost, for this reason; null: it is back. */
  connection(reason: string | null): void {
    if (this.lost === null && reason === null) return;
    this.lost = reason;
    if (reason === null) this.announce("Connected again", true);
    else this.announce(`Waiting: ${reason}. Trying again…`, false);
  }

  fail(message: string): void {
    this.loading(false);
    this.find(".notice").hidden = true;
    this.find(".bar").hidden = true;
    this.find(".failure p").textContent = message;
    this.find(".failure").hidden = false;
  }

  private noticeTimer = 0;

  private announce(message: string, passing: boolean): void {
    const notice = this.find(".notice");
    notice.textContent = message;
    notice.hidden = false;
    this.find(".said").textContent = message;
    clearTimeout(this.noticeTimer);
    if (!passing) return;
    this.noticeTimer = window.setTimeout(() => {
      notice.hidden = true;
    }, 3500);
  }

  /** Bring what is shown up to date. */
  update(): void {
    const { player } = this;
    this.bar.update();
    const ready = player.error === null && player.frame >= 0;
    this.find(".big").hidden = !(
      ready &&
      player.paused &&
      player.controls &&
      player.currentTime === 0 &&
      player.frames > 1
    );
    const now = performance.now();
    if (now - this.statsAt > STATS_EVERY && !this.find(".stats").hidden) {
      this.statsAt = now;
      this.find(".stats").textContent = this.statsText();
    }
  }

  private statsText(): string {
    const { fps, splats, decodeMs, dropped } = this.player.stats;
    const { canvas, player } = this;
    return [
      `frame     ${player.frame + 1} of ${player.frames}`,
      `drawn     ${fps} a second, ${dropped} left out`,
      `Gaussians ${splats.toLocaleString("en")}`,
      `decode    ${decodeMs.toFixed(0)} ms a segment`,
      `picture   ${canvas.width} × ${canvas.height}`,
    ].join("\n");
  }

  // ---- what keys and buttons do ---------------------------------------------------------------------------------

  toggleFullscreen(): void {
    if (document.fullscreenElement !== null) void document.exitFullscreen();
    else void this.player.requestFullscreen?.().catch(() => this.announce("No full screen here", true));
  }

  toggleStats(): void {
    const stats = this.find(".stats");
    stats.hidden = !stats.hidden;
    this.statsAt = 0;
  }

  toggleHelp(): void {
    const dialog = this.find<HTMLDialogElement>("dialog");
    if (dialog.open) dialog.close();
    else dialog.showModal();
  }
}
