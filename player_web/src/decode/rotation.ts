/** Quaternions (w, x, y, z) and 3 x 3 matrices (row-major arrays of nine). */

export type Quaternion = [number, number, number, number];

export function multiply(a: Quaternion, b: Quaternion): Quaternion {
  return [
    a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
    a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
    a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
    a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
  ];
}

/**
 * exp(swing) * exp(twist) of r (radians): the twist is r's component along body axis `axis`, the swing the two others. A
 * twist stands rightmost, so an error in it turns a Gaussian about its own axis and nothing else.
 */
export function swingTwist(r: readonly [number, number, number], axis: number): Quaternion {
  const swing: [number, number, number] = [...r];
  swing[axis] = 0;
  const twist: Quaternion = [Math.cos(0.5 * r[axis]!), 0, 0, 0];
  twist[1 + axis] = Math.sin(0.5 * r[axis]!);
  return multiply(exp(...swing), twist);
}

/** Quaternion of a rotation vector (radians). */
function exp(x: number, y: number, z: number): Quaternion {
  const angle = Math.sqrt(x * x + y * y + z * z);
  const s = angle > 1e-12 ? Math.sin(0.5 * angle) / angle : 0.5;
  return [Math.cos(0.5 * angle), s * x, s * y, s * z];
}

export function determinant(m: readonly number[]): number {
  return (
    m[0]! * (m[4]! * m[8]! - m[5]! * m[7]!) -
    m[1]! * (m[3]! * m[8]! - m[5]! * m[6]!) +
    m[2]! * (m[3]! * m[7]! - m[4]! * m[6]!)
  );
}

/** The inverse's transpose: cofactors over the determinant. */
function inverseTransposed(m: readonly number[]): number[] {
  const d = determinant(m);
  const cofactor = (r: number, c: number) => {
    const at = (i: number, j: number) => m[((r + i) % 3) * 3 + ((c + j) % 3)]!;
    return at(1, 1) * at(2, 2) - at(1, 2) * at(2, 1);
  };
  return Array.from({ length: 9 }, (_, i) => cofactor(Math.floor(i / 3), i % 3) / d);
}

/** The polar factor's quaternion and ln det; identity and 0 where det <= 1e-9 (SPEC.md 5.10). */
export function polar(m: readonly number[]): { turn: Quaternion; logDet: number } {
  const det = determinant(m);
  if (!(det > 1e-9)) return { turn: [1, 0, 0, 0], logDet: 0 };
  let r = [...m];
  for (let step = 0; step < 12; step++) {
    const t = inverseTransposed(r);
    r = r.map((v, i) => 0.5 * (v + t[i]!));
  }
  return { turn: fromMatrix(r), logDet: Math.log(det) };
}

/** By the largest of the four components, w, x, y, z in this order on ties. */
function fromMatrix(m: readonly number[]): Quaternion {
  const trace = m[0]! + m[4]! + m[8]!;
  const squares = [1 + trace, ...[0, 4, 8].map((i) => 1 - trace + 2 * m[i]!)];
  const pick = squares.indexOf(Math.max(...squares));
  const s = Math.sqrt(Math.max(squares[pick]!, 1e-30));
  const d = 0.5 / s;
  const h = 0.5 * s;
  const [a, b, c] = [m[7]! - m[5]!, m[2]! - m[6]!, m[3]! - m[1]!];
  const [xy, xz, yz] = [m[1]! + m[3]!, m[2]! + m[6]!, m[5]! + m[7]!];
  const options: Quaternion[] = [
    [h, a * d, b * d, c * d],
    [a * d, h, xy * d, xz * d],
    [b * d, xy * d, h, yz * d],
    [c * d, xz * d, yz * d, h],
  ];
  const q = options[pick]!;
  const norm = Math.hypot(...q);
  return [q[0] / norm, q[1] / norm, q[2] / norm, q[3] / norm];
}
