/** The SIDE section: temporal bases and the motion of parts (SEGMENT.md 5.7). */

import { Decoder } from "./coder.js";
import { dct } from "./dct.js";
import { BASIS_EXPLICIT, GROUPS } from "./model.js";
import type { Planes } from "./planes.js";
import { readNodes } from "./soft.js";

const SIDE_BASIS = 0;
const SIDE_LINEAR = 1;
const SIDE_TRANSLATION = 2;
const SIDE_COUNT = 3;
const SIDE_SETS = 5;
const BASIS_SCALE = 512;

/** Bases, and the motion of parts, of the SIDE section into `planes`. */
export function readSide(section: Uint8Array, planes: Planes): void {
  const { model } = planes;
  const coder = Decoder.ofSets(section, "side", SIDE_SETS);
  const t = model.frames;
  const cosines = dct(t);
  const first = model.shared ? 0 : 1; // the base is the mean, unless it is another segment's
  for (let g = 0; g < GROUPS; g++) {
    const count = model.basisCount[g]!;
    planes.bases[g] =
      model.basisKind[g] === BASIS_EXPLICIT
        ? Array.from({ length: count }, () =>
            Float64Array.from({ length: t }, () => coder.number(SIDE_BASIS, true) / BASIS_SCALE),
          )
        : cosines.slice(first, count + first);
  }
  if (model.soft) {
    readNodes(coder, planes);
    return;
  }
  for (let p = 0; p < model.parts; p++) {
    planes.parts.push(
      Array.from({ length: 12 }, (_, e) => {
        const count = coder.number(SIDE_COUNT, false);
        if (count > t) throw coder.bad("too many part coefficients");
        const moves = e % 4 === 3;
        const unit = model.partUnit[moves ? 1 : 0]!;
        const set = moves ? SIDE_TRANSLATION : SIDE_LINEAR;
        return Float64Array.from({ length: count }, () => coder.number(set, true) * unit);
      }),
    );
  }
}
