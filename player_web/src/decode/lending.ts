/** A base on its way from the worker that decoded it to another, so that each is decoded once. */

import { Neighbours } from "./neighbours.js";
import type { Base } from "./planes.js";

/** A copy whose memory may be handed over. */
export function copyOfBase({ model, x, classes, base, labels, neighbours, shape }: Base): Base {
  return structuredClone({ model, x, classes, base, labels, neighbours, shape });
}

/** The memory of a copy. */
export function buffersOf({ x, classes, base, labels, neighbours: nb, shape }: Base): ArrayBuffer[] {
  const found = [nb.index, nb.weight, nb.count, nb.total, nb.feature, ...shape.shifts, shape.axis];
  return [...x, ...classes, ...base, labels, ...found].map(({ buffer }) => buffer as ArrayBuffer);
}

/** A base as it arrives: objects lose their class on the way. */
export function received(base: Base): Base {
  return { ...base, neighbours: Object.assign(new Neighbours(0), base.neighbours) };
}
