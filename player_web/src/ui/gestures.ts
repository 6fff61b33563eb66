/** Orbit, pan and zoom by mouse and touch. */

import type { Orbit } from "../control/orbit.js";

const WHEEL = 0.0012;

interface Point {
  x: number;
  y: number;
}

export class Gestures {
  private readonly fingers = new Map<number, Point>();
  private panning = false;

  constructor(
    private readonly surface: HTMLElement,
    private readonly orbit: Orbit,
    private readonly changed: () => void,
  ) {
    surface.addEventListener("pointerdown", (event) => this.down(event));
    surface.addEventListener("pointermove", (event) => this.move(event));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"] as const) {
      surface.addEventListener(type, (event) => this.fingers.delete(event.pointerId));
    }
    surface.addEventListener("contextmenu", (event) => event.preventDefault());
    surface.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  private down(event: PointerEvent): void {
    this.panning = event.button !== 0 || event.shiftKey;
    this.surface.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  }

  private move(event: PointerEvent): void {
    const before = this.fingers.get(event.pointerId);
    if (before === undefined) return;
    const now = { x: event.clientX, y: event.clientY };
    const height = this.surface.clientHeight || 1;
    const dx = (now.x - before.x) / height;
    const dy = (now.y - before.y) / height;
    const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1];
    this.fingers.set(event.pointerId, now);
    if (other !== undefined) {
      // two fingers: their middle pans, their distance zooms
      this.orbit.pan(dx / 2, dy / 2);
      this.orbit.zoom(distance(now, other) / Math.max(1, distance(before, other)));
    } else if (this.panning) {
      this.orbit.pan(dx, dy);
    } else {
      this.orbit.turn(dx, dy);
    }
    this.changed();
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 30 : event.deltaMode === 2 ? 300 : 1);
    this.orbit.zoom(Math.exp(-pixels * WHEEL * (event.ctrlKey ? 6 : 1)));
    this.changed();
  }
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
