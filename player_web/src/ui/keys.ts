/** What keys do, and the list of them that people see. */

import type { Playable } from "./playable.js";

export const RATES = [0.25, 0.5, 1, 1.5, 2];
const STEP = 0.08; // of the picture's height
const ZOOM = 1.15;
const JUMP = 5; // seconds

export const KEY_LIST: readonly (readonly [string, string])[] = [
  ["Space", "Play or pause"],
  ["← →", "Back or on by five seconds (on the picture: turn)"],
  [", .", "One frame back or on"],
  ["Home End", "To the start or the end"],
  ["< >", "Slower or faster"],
  ["l", "Loop"],
  ["+ -", "Nearer or farther"],
  ["Shift ← ↑ → ↓", "Move the picture"],
  ["r", "Back to the first view"],
  ["u", "Turn upside down"],
  ["f", "Full screen"],
  ["s", "Statistics"],
  ["?", "This list"],
];

export interface KeyActions {
  toggleFullscreen(): void;
  toggleStats(): void;
  toggleHelp(): void;
}

const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [STEP, 0],
  ArrowRight: [-STEP, 0],
  ArrowUp: [0, STEP],
  ArrowDown: [0, -STEP],
};

export function togglePlay(player: Playable): void {
  if (player.paused) void player.play();
  else player.pause();
}

export function step(player: Playable, by: number): void {
  player.pause();
  player.frame += by;
}

function changeRate(player: Playable, by: number): void {
  const at = RATES.findIndex((rate) => rate >= player.playbackRate);
  player.playbackRate = RATES[Math.min(Math.max(0, at + by), RATES.length - 1)]!;
}

/** True where the key meant something. `onPicture`: arrows steer the camera. */
export function act(player: Playable, event: KeyboardEvent, onPicture: boolean, actions: KeyActions): boolean {
  if (event.ctrlKey || event.altKey || event.metaKey) return false;
  const arrow = ARROWS[event.key];
  if (arrow !== undefined && (onPicture || event.shiftKey)) {
    if (event.shiftKey) player.orbiting.pan(...arrow);
    else player.orbiting.turn(...arrow);
    player.redraw();
    return true;
  }
  const seek = (time: number) => {
    player.currentTime = Math.min(Math.max(0, time), player.duration);
  };
  const keys: Record<string, () => void> = {
    " ": () => togglePlay(player),
    k: () => togglePlay(player),
    ArrowLeft: () => seek(player.currentTime - JUMP),
    ArrowRight: () => seek(player.currentTime + JUMP),
    ",": () => step(player, -1),
    ".": () => step(player, 1),
    Home: () => seek(0),
    End: () => step(player, player.frames),
    "<": () => changeRate(player, -1),
    ">": () => changeRate(player, 1),
    l: () => {
      player.loop = !player.loop;
    },
    "+": () => player.orbiting.zoom(ZOOM),
    "=": () => player.orbiting.zoom(ZOOM),
    "-": () => player.orbiting.zoom(1 / ZOOM),
    r: () => player.resetCamera(),
    u: () => player.flip(),
    f: () => actions.toggleFullscreen(),
    s: () => actions.toggleStats(),
    "?": () => actions.toggleHelp(),
  };
  const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (action === undefined) return false;
  action();
  player.redraw();
  return true;
}
