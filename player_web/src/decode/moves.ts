/** How parts move, frame by frame (SPEC.md 5.7, 5.10). */

import { dct } from "./dct.js";
import type { Planes } from "./planes.js";
import { polar } from "./rotation.js";

/** Of a part in one frame: 3 x 4 M | b row-major, quaternion, what it adds to log scales, centre. */
export const MOVE = 20;
export const TURN = 12;
export const GROW = 16;
export const CENTRE = 17;

/** (P, 3) world: the floor of the mean lattice position of each part's slots. */
function partCentres({ model, labels, x }: Planes): Float64Array {
  const sums = new Float64Array(3 * model.parts);
  const counts = new Float64Array(model.parts);
  for (let i = 0; i < (model.parts > 0 ? model.slots : 0); i++) {
    counts[labels[i]!]! += 1;
    for (let a = 0; a < 3; a++) sums[3 * labels[i]! + a]! += x[a]![i]!;
  }
  return sums.map((sum, i) => {
    const a = i % 3;
    return model.origin[a]! + Math.floor(sum / Math.max(1, counts[Math.floor(i / 3)]!)) * model.baseUnit[a]!;
  });
}

/** (K, 3) world: the places of nodes. */
function nodeCentres({ model, places }: Planes): Float64Array {
  return Float64Array.from(places, (v, i) => model.origin[i % 3]! + v * model.baseUnit[i % 3]!);
}

/** By frame: (P, MOVE); empty without parts. */
export function partMoves(planes: Planes): Float64Array[] {
  const { model, parts } = planes;
  if (parts.length === 0) return [];
  const cosines = dct(model.frames);
  const centres = model.soft ? nodeCentres(planes) : partCentres(planes);
  return Array.from({ length: model.frames }, (_, t) => {
    const out = new Float64Array(parts.length * MOVE);
    parts.forEach((series, p) => {
      const matrix = series.map((coefficients, e) => {
        const sum = coefficients.reduce((s, v, k) => s + v * cosines[k]![t]!, 0);
        return e === 0 || e === 5 || e === 10 ? 1 + sum : sum;
      });
      const { turn, logDet } = polar([0, 1, 2, 4, 5, 6, 8, 9, 10].map((e) => matrix[e]!));
      out.set([...matrix, ...turn, model.soft ? 0 : logDet / 3, ...centres.subarray(3 * p, 3 * p + 3)], p * MOVE);
    });
    return out;
  });
}
