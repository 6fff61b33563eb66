/** A camera that looks at a point from around it. */

import { add, cross, dot, lookAt, sub, times, unit, type Vec3, type View } from "../gl/camera.js";

const MAX_PITCH = 1.55;
const FIT = 1; // room around the ball that is worth seeing

export interface CameraState {
  eye: Vec3;
  target: Vec3;
  up: Vec3;
  /** Vertical field of view, degrees. */
  fov: number;
}

export class Orbit {
  target: Vec3 = [0, 0, 0];
  up: Vec3 = [0, -1, 0];
  fov = 45;
  yaw = 0;
  pitch = 0;
  distance = 3;
  private radius = 1;
  private home: { center: Vec3; up: Vec3 } = { center: [0, 0, 0], up: [0, -1, 0] };

  /** Show the ball as a whole, from in front. `aspect`: width over height. */
  frame(center: Vec3, radius: number, up: Vec3, aspect: number): void {
    this.home = { center, up: unit(up) };
    this.radius = radius;
    this.reset(aspect);
  }

  reset(aspect: number): void {
    const half = Math.atan(Math.tan((this.fov * Math.PI) / 360) * Math.min(1, aspect));
    this.target = [...this.home.center];
    this.up = this.home.up;
    this.yaw = 0.35;
    this.pitch = 0.15;
    this.distance = (FIT * this.radius) / Math.sin(half);
  }

  flip(): void {
    this.up = times(this.up, -1);
  }

  /** Drag by fractions of the picture's height. */
  turn(dx: number, dy: number): void {
    this.yaw -= dx * Math.PI;
    this.pitch = Math.min(Math.max(this.pitch + dy * Math.PI, -MAX_PITCH), MAX_PITCH);
  }

  pan(dx: number, dy: number): void {
    const { rotation } = this.view();
    const step = 2 * this.distance * Math.tan((this.fov * Math.PI) / 360);
    const right: Vec3 = [rotation[0]!, rotation[1]!, rotation[2]!];
    const down: Vec3 = [rotation[3]!, rotation[4]!, rotation[5]!];
    this.target = sub(this.target, add(times(right, dx * step), times(down, dy * step)));
  }

  /** Above 1: nearer. */
  zoom(factor: number): void {
    this.distance = Math.min(Math.max(this.distance / factor, this.radius * 1e-2), this.radius * 100);
  }

  /** Two axes square to `up`: towards the viewer at yaw 0, and to the right. */
  private axes(): [Vec3, Vec3] {
    // As the measure counts azimuths: from world +X, or +Y where up is near X.
    const towards: Vec3 = Math.abs(this.up[0]) > 0.9 ? [0, 1, 0] : [1, 0, 0];
    const front = unit(sub(towards, times(this.up, dot(towards, this.up))));
    return [front, cross(this.up, front)];
  }

  private eye(): Vec3 {
    const [front, right] = this.axes();
    const flat = Math.cos(this.pitch);
    const from = add(times(front, flat * Math.cos(this.yaw)), times(right, flat * Math.sin(this.yaw)));
    return add(this.target, times(add(from, times(this.up, Math.sin(this.pitch))), this.distance));
  }

  view(): View {
    return lookAt(this.eye(), this.target, this.up, (this.fov * Math.PI) / 180);
  }

  get state(): CameraState {
    return { eye: this.eye(), target: [...this.target], up: [...this.up], fov: this.fov };
  }

  set state(state: Partial<CameraState>) {
    const eye = state.eye ?? this.eye();
    this.target = state.target ?? this.target;
    this.up = unit(state.up ?? this.up);
    this.fov = state.fov ?? this.fov;
    const from = sub(eye, this.target);
    this.distance = Math.max(Math.hypot(...from), 1e-9);
    const [front, right] = this.axes();
    this.pitch = Math.asin(Math.min(Math.max(dot(from, this.up) / this.distance, -1), 1));
    this.yaw = Math.atan2(dot(from, right), dot(from, front));
  }
}
