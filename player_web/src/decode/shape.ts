/** How much finer or coarser a rotation is quantised about each axis, from the slot's own decoded scales (SPEC.md 5.6). */

const GAP_ONE = 65536; // of log scale 1
const SCALE_LIMIT = 2 ** 19;
const UNIT_LIMIT = 2 ** 20;
/** A shift is the number of thresholds above the gap: 65536 asinh(2^((0.5 - s) / 0.7) / 2), s = 0..8. */
const THRESHOLDS = [49052, 19675, 7404, 2756, 1024, 380, 141, 53, 20];

export interface Shape {
  /** By axis: log2 of how much coarser the steps about it are. */
  shifts: [Uint8Array, Uint8Array, Uint8Array];
  /** The axis of the largest shift, the lowest on ties: turning about it shows least. */
  axis: Uint8Array;
}

/** `scales`: the three base planes of log scale, in `units`. */
export function shapeOf(scales: readonly Int32Array[], units: ArrayLike<number>): Shape {
  const [a, b, c] = scales as [Int32Array, Int32Array, Int32Array];
  const n = a.length;
  const shifts: Shape["shifts"] = [new Uint8Array(n), new Uint8Array(n), new Uint8Array(n)];
  const axis = new Uint8Array(n);
  const [ua, ub, uc] = [wholeUnit(units[0]!), wholeUnit(units[1]!), wholeUnit(units[2]!)];
  for (let i = 0; i < n; i++) {
    const la = ua * Math.min(Math.max(a[i]!, -SCALE_LIMIT), SCALE_LIMIT);
    const lb = ub * Math.min(Math.max(b[i]!, -SCALE_LIMIT), SCALE_LIMIT);
    const lc = uc * Math.min(Math.max(c[i]!, -SCALE_LIMIT), SCALE_LIMIT);
    const s0 = shiftOf(Math.abs(lb - lc));
    const s1 = shiftOf(Math.abs(la - lc));
    const s2 = shiftOf(Math.abs(la - lb));
    shifts[0][i] = s0;
    shifts[1][i] = s1;
    shifts[2][i] = s2;
    axis[i] = s0 >= s1 && s0 >= s2 ? 0 : s1 >= s2 ? 1 : 2;
  }
  return { shifts, axis };
}

function wholeUnit(unit: number): number {
  return Math.min(Math.floor(unit * GAP_ONE + 0.5), UNIT_LIMIT);
}

function shiftOf(gap: number): number {
  let shift = 0;
  while (shift < THRESHOLDS.length && THRESHOLDS[shift]! > gap) shift++;
  return shift;
}
