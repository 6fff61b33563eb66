/** Lattice positions as point counts of a binary space partition, with the position classes (SPEC.md 5.5). */

import { Decoder } from "./coder.js";

const LEFT = 0;
const EMPTY = 17 * 32;
const BIG = EMPTY + 64 * 2;
const CLASS = BIG + 64 * 8;
const CLASS_FAMILY = 256 * 16;
const COUNTERS = CLASS + 4 * CLASS_FAMILY;
const WEIGHTS = 16 * 4;

export interface Positions {
  x: [Int32Array, Int32Array, Int32Array];
  classes: Int32Array;
}

interface Box {
  lo: number;
  hi: number;
  depth: number;
  prefix: [number, number, number];
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

export function readPositions(section: Uint8Array, n: number, bits: readonly number[]): Positions {
  const coder = new Decoder(section, "position", COUNTERS, WEIGHTS);
  const x: Positions["x"] = [new Int32Array(n), new Int32Array(n), new Int32Array(n)];
  const classes = new Int32Array(n);
  const axes = splitAxes(bits);
  const used = [0, 1, 2].map((a) => splitsBefore(axes, a));
  const stack: Box[] = [{ lo: 0, hi: n, depth: 0, prefix: [0, 0, 0] }];
  for (let box = stack.pop(); box !== undefined; box = stack.pop()) {
    const { lo, hi, depth, prefix } = box;
    const count = hi - lo;
    if (count === 0) continue;
    const remaining = axes.length - depth;
    if (count === 1 || remaining === 0) {
      for (let i = lo; i < hi; i++) {
        const s = readClass(coder, classes, i, remaining);
        classes[i] = s;
        for (let a = 0; a < 3; a++) x[a]![i] = finish(coder, prefix[a]!, bits[a]! - used[a]![depth]!, s);
      }
      continue;
    }
    const left = readLeft(coder, count, Math.min(63, remaining));
    const a = axes[depth]!;
    const half = (bit: number): Box["prefix"] => {
      const out: Box["prefix"] = [...prefix];
      out[a] = 2 * out[a]! + bit;
      return out;
    };
    stack.push({ lo: lo + left, hi, depth: depth + 1, prefix: half(1) });
    stack.push({ lo, hi: lo + left, depth: depth + 1, prefix: half(0) });
  }
  return { x, classes };
}

/** One coordinate: its remaining bits down to its class's, then the middle of what is left. */
function finish(coder: Decoder, prefix: number, rem: number, s: number): number {
  const low = Math.min(rem, s);
  let out = prefix;
  for (let b = rem; b > low; b--) out = 2 * out + coder.raw();
  return low > 0 ? (out << low) + (1 << (low - 1)) : out;
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
