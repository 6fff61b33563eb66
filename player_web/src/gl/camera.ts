/** A camera as OpenCV has it: x right, y down, z forward. */

export type Vec3 = [number, number, number];

export interface View {
  /** World to camera, row-major. */
  rotation: readonly number[];
  translation: Vec3;
  eye: Vec3;
  /** Vertical field of view, radians. */
  fov: number;
}

export const sub = (a: Vec3, b: Vec3): Vec3 => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const add = (a: Vec3, b: Vec3): Vec3 => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const times = (a: Vec3, s: number): Vec3 => [a[0] * s, a[1] * s, a[2] * s];
export const dot = (a: Vec3, b: Vec3): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const cross = (a: Vec3, b: Vec3): Vec3 => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];
export const unit = (a: Vec3): Vec3 => times(a, 1 / Math.max(Math.hypot(...a), 1e-30));

/** The view from `eye` to `target`, the picture's top towards `up`. */
export function lookAt(eye: Vec3, target: Vec3, up: Vec3, fov: number): View {
  const z = unit(sub(target, eye));
  let x = cross(z, up);
  if (Math.hypot(...x) < 1e-6) x = cross(z, Math.abs(z[0]) < 0.9 ? [1, 0, 0] : [0, 1, 0]);
  x = unit(x);
  const y = cross(z, x);
  return { rotation: [...x, ...y, ...z], translation: [-dot(x, eye), -dot(y, eye), -dot(z, eye)], eye, fov };
}
