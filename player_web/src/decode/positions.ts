/** Lattice positions as point counts of a binary space partition, with the position classes (SPEC.md 5.5). */

import { Decoder } from "./coder.js";
import { Surface } from "./surface.js";

const LEFT = 0;
const EMPTY = 17 * 32;
const BIG = EMPTY + 64 * 2;
const CLASS = BIG + 64 * 8;
const CLASS_FAMILY = 256 * 16;
const POINT = CLASS + 4 * CLASS_FAMILY;
const POINT_FAMILY = 512;
const COUNTERS = POINT + 4 * POINT_FAMILY;
const POINT_LEVELS = 8; // with contexts of their own
const POINT_WEIGHTS = 16 * 4;
const WEIGHTS = POINT_WEIGHTS + POINT_LEVELS * 4;

type Axes = readonly [Int32Array, Int32Array, Int32Array];

export interface Positions {
  x: [Int32Array, Int32Array, Int32Array];
  classes: Int32Array;
}

/** The axis of each split: most bits remaining, lowest index on ties. */
function splitAxes(bits: readonly number[]): number[] {
  const rem = [...bits];
  const out: number[] = [];
  for (;;) {
    const a = rem.indexOf(Math.max(...rem));
    if (rem[a] === 0) return out;
    rem[a]!--;
    out.push(a);
  }
}

/** By depth: how many of the splits so far were along axis `a`. */
function splitsBefore(axes: readonly number[], a: number): number[] {
  const out = [0];
  for (const axis of axes) out.push(out.at(-1)! + (axis === a ? 1 : 0));
  return out;
}

/** Fills the positions and classes of the slots from `start` on; the others stand already. */
export function readPositions(
  section: Uint8Array,
  start: number,
  { x, classes }: Positions,
  bits: readonly number[],
  shift: number,
): void {
  const coder = new Decoder(section, "position", COUNTERS, WEIGHTS);
  const axes = splitAxes(bits);
  const used = [0, 1, 2].map((a) => splitsBefore(axes, a));
  const points = new Points(coder, x, shift, start);
  // boxes, six numbers each: slots lo..hi, splits done, prefix on each axis
  const stack = new Int32Array(6 * (2 * axes.length + 4));
  stack[0] = start;
  stack[1] = classes.length;
  for (let top = 6; top > 0; ) {
    top -= 6;
    const lo = stack[top]!;
    const hi = stack[top + 1]!;
    const depth = stack[top + 2]!;
    const count = hi - lo;
    if (count === 0) continue;
    const remaining = axes.length - depth;
    if (count === 1 || remaining === 0) {
      for (let i = lo; i < hi; i++) {
        const s = readClass(coder, classes, i, remaining);
        classes[i] = s;
        for (let a = 0; a < 3; a++) points.box(a, stack[top + 3 + a]!, bits[a]! - used[a]![depth]!, s);
        points.read(i);
      }
      continue;
    }
    const middle = lo + readLeft(coder, count, Math.min(63, remaining));
    const a = axes[depth]!;
    stack.copyWithin(top + 6, top, top + 6);
    stack[top] = middle; // the right half lies below, so that the left one is done first
    stack[top + 7] = middle;
    stack[top + 2] = depth + 1;
    stack[top + 8] = depth + 1;
    const prefix = 2 * stack[top + 3 + a]!;
    stack[top + 3 + a] = prefix + 1;
    stack[top + 9 + a] = prefix;
    top += 12;
  }
}

/** The rest of a single point's position: bits of its box down to edges of its class. */
class Points {
  private readonly low = new Float64Array(3);
  private readonly size = new Float64Array(3);
  private readonly least = new Float64Array(3);
  private readonly centre = new Float64Array(3);
  private readonly surface: Surface;

  constructor(
    private readonly coder: Decoder,
    private readonly x: Axes,
    shift: number,
    start: number,
  ) {
    this.surface = new Surface(...x, shift);
    for (let i = 0; i < start; i++) this.surface.add(i);
  }

  /** The box's side along axis a: `rem` bits are left, of which the class leaves `s` untold. */
  box(a: number, prefix: number, rem: number, s: number): void {
    this.size[a] = 2 ** rem;
    this.least[a] = 2 ** Math.min(rem, s);
    this.low[a] = prefix * 2 ** rem;
  }

  read(i: number): void {
    const { low, size, least, centre, surface } = this;
    for (let level = 0; ; level++) {
      let a = -1;
      for (let b = 0; b < 3; b++) if (size[b]! > least[b]! && (a < 0 || size[b]! > size[a]!)) a = b;
      if (a < 0) break;
      for (let b = 0; b < 3; b++) centre[b] = low[b]! + 0.5 * size[b]!;
      if (level === 0) surface.look(centre[0]!, centre[1]!, centre[2]!);
      const u = surface.planeLevel(centre, size, a);
      const v = surface.spacingLevel(centre, size, a);
      const depth = Math.min(level, POINT_LEVELS - 1);
      const bit = this.coder.mixed(
        POINT + u,
        POINT + POINT_FAMILY + 16 * u + 2 * depth,
        POINT + 2 * POINT_FAMILY + 16 * v + depth,
        POINT + 3 * POINT_FAMILY + 16 * u + v,
        POINT_WEIGHTS + 4 * depth,
      );
      size[a]! *= 0.5;
      low[a]! += bit * size[a]!;
    }
    for (let b = 0; b < 3; b++) this.x[b]![i] = low[b]! + Math.floor(0.5 * least[b]!);
    surface.add(i);
  }
}

function readLeft(coder: Decoder, n: number, depth: number): number {
  if (n <= 16) {
    let node = 1;
    for (let i = 0; i < 5; i++) node = 2 * node + coder.simple(LEFT + n * 32 + node);
    if (node - 32 > n) throw coder.bad("value out of range");
    return node - 32;
  }
  if (coder.simple(EMPTY + 2 * depth) === 1) return 0;
  if (coder.simple(EMPTY + 2 * depth + 1) === 1) return n;
  const top = 32 - Math.clz32(n - 2);
  let node = 1;
  let out = 0;
  for (let i = 0; i < top; i++) {
    let bit: number;
    if (i < 3) {
      bit = coder.simple(BIG + 8 * depth + node);
      node = 2 * node + bit;
    } else {
      bit = coder.raw();
    }
    out = 2 * out + bit;
  }
  if (out > n - 2) throw coder.bad("value out of range");
  return out + 1;
}

function readClass(coder: Decoder, classes: Int32Array, i: number, remaining: number): number {
  const s1 = i > 0 ? classes[i - 1]! : 0;
  const s2 = i > 1 ? classes[i - 2]! : 0;
  let four = 0;
  for (let j = Math.max(0, i - 4); j < i; j++) four += classes[j]!;
  const k0 = CLASS + s1 * 16;
  const k1 = CLASS + CLASS_FAMILY + (s1 * 16 + s2) * 16;
  const k2 = CLASS + 2 * CLASS_FAMILY + Math.min(63, remaining) * 16;
  const k3 = CLASS + 3 * CLASS_FAMILY + four * 16;
  let node = 1;
  for (let b = 0; b < 4; b++) node = 2 * node + coder.mixed(k0 + node, k1 + node, k2 + node, k3 + node, 4 * node);
  return node - 16;
}
