/**
 * Where a point will lie: on the plane through earlier points nearby, and not too near to any (SPEC.md 5.5).
 *
 * Everything is IEEE double arithmetic (+, -, *, /, sqrt) in the order written, so every reader gets the same contexts.
 */

import { LIST_CAP, listOf } from "./neighbours.js";

const NEAR = 8; // earlier points that are looked at
const FAR = 1e300;

/** Finds the earlier points about a place, and says what they tell of a box's halves. */
export class Surface {
  private readonly head: Int32Array;
  private readonly next: Int32Array;
  private readonly mask: number;
  private readonly near = new Int32Array(NEAR);
  private readonly dist = new Float64Array(NEAR);
  private count = 0;
  private flat = false;
  /** Mean point and unit normal of the near points, and their variance along it. */
  private readonly mean = new Float64Array(3);
  private readonly normal = new Float64Array(3);
  private variance = 0;

  constructor(
    private readonly x: Int32Array,
    private readonly y: Int32Array,
    private readonly z: Int32Array,
    private readonly shift: number,
  ) {
    let size = 16;
    while (size < 2 * x.length) size *= 2;
    this.head = new Int32Array(size).fill(-1);
    this.next = new Int32Array(x.length).fill(-1);
    this.mask = size - 1;
  }

  /** Enter point i into the lists. */
  add(i: number): void {
    const { shift } = this;
    const own = listOf(this.x[i]! >> shift, this.y[i]! >> shift, this.z[i]! >> shift, this.mask);
    this.next[i] = this.head[own]!;
    this.head[own] = i;
  }

  /** Look around a place: the levels below then tell of boxes there. */
  look(px: number, py: number, pz: number): void {
    const { head, next, mask, shift, near, dist } = this;
    const cx = (px | 0) >> shift;
    const cy = (py | 0) >> shift;
    const cz = (pz | 0) >> shift;
    let count = 0;
    for (let dz = -1; dz <= 1; dz++) {
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          let j = head[listOf(cx + dx, cy + dy, cz + dz, mask)]!;
          for (let seen = 0; j >= 0 && seen < LIST_CAP; seen++) {
            const ex = this.x[j]! - px;
            const ey = this.y[j]! - py;
            const ez = this.z[j]! - pz;
            const d2 = ex * ex + ey * ey + ez * ez;
            if (count < NEAR || d2 < dist[NEAR - 1]!) {
              let known = false; // two cells may share a list
              for (let k = 0; k < count; k++) known ||= near[k] === j;
              if (!known) {
                let k = Math.min(count, NEAR - 1);
                for (; k > 0 && dist[k - 1]! > d2; k--) {
                  dist[k] = dist[k - 1]!;
                  near[k] = near[k - 1]!;
                }
                dist[k] = d2;
                near[k] = j;
                count = Math.min(count + 1, NEAR);
              }
            }
            j = next[j]!;
          }
        }
      }
    }
    this.count = count;
    this.flat = this.fit();
  }

  /**
   * The plane through the near points; false where they fix none. The normal is the largest column of the covariance's
   * adjugate, which is the normal's outer product but for terms of the smaller eigenvalue.
   */
  private fit(): boolean {
    const { count, near, x, y, z } = this;
    if (count < 3) return false;
    let mx = 0;
    let my = 0;
    let mz = 0;
    for (let k = 0; k < count; k++) {
      const j = near[k]!;
      mx += x[j]!;
      my += y[j]!;
      mz += z[j]!;
    }
    mx /= count;
    my /= count;
    mz /= count;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    let e = 0;
    let f = 0;
    for (let k = 0; k < count; k++) {
      const j = near[k]!;
      const dx = x[j]! - mx;
      const dy = y[j]! - my;
      const dz = z[j]! - mz;
      a += dx * dx;
      b += dy * dy;
      c += dz * dz;
      d += dx * dy;
      e += dx * dz;
      f += dy * dz;
    }
    const a00 = b * c - f * f;
    const a11 = a * c - e * e;
    const a22 = a * b - d * d;
    const a01 = e * f - d * c;
    const a02 = d * f - e * b;
    const a12 = d * e - a * f;
    let n0 = a02;
    let n1 = a12;
    let n2 = a22;
    if (a00 >= a11 && a00 >= a22) {
      n0 = a00;
      n1 = a01;
      n2 = a02;
    } else if (a11 >= a22) {
      n0 = a01;
      n1 = a11;
      n2 = a12;
    }
    const length = Math.sqrt(n0 * n0 + n1 * n1 + n2 * n2);
    if (!(length > 0)) return false;
    n0 /= length;
    n1 /= length;
    n2 /= length;
    const spread = n0 * (a * n0 + d * n1 + e * n2) + n1 * (d * n0 + b * n1 + f * n2) + n2 * (e * n0 + f * n1 + c * n2);
    const { mean, normal } = this;
    mean[0] = mx;
    mean[1] = my;
    mean[2] = mz;
    normal[0] = n0;
    normal[1] = n1;
    normal[2] = n2;
    this.variance = Math.max(spread, 0) / count;
    return true;
  }

  /** 0..31: how much likelier the upper half of a box along axis a is, by the plane; 16: equal; 0: there is none. */
  planeLevel(centre: Float64Array, size: Float64Array, a: number): number {
    if (!this.flat) return 0;
    const { mean, normal } = this;
    let d = 0;
    let extent = 0;
    for (let b = 0; b < 3; b++) {
      d += normal[b]! * (centre[b]! - mean[b]!);
      const edge = b === a ? 0.5 * size[b]! : size[b]!;
      extent += normal[b]! * normal[b]! * (edge * edge);
    }
    // the halves' centres being a quarter of the edge below and above
    const odds = -(d * (normal[a]! * size[a]!)) / (this.variance + extent / 12 + 0.25);
    return Math.floor(Math.min(Math.max(8 * odds, -15.5), 15) + 16.5);
  }

  /** 0..15: how much farther from the nearest early point the upper half's centre is than the lower half's. */
  spacingLevel(centre: Float64Array, size: Float64Array, a: number): number {
    const { count, near } = this;
    if (count === 0) return 0;
    const quarter = 0.25 * size[a]!;
    const b = a === 0 ? 1 : 0;
    const c = a === 2 ? 1 : 2;
    const along = this.axis(a);
    const second = this.axis(b);
    const third = this.axis(c);
    let low = FAR;
    let high = FAR;
    for (let k = 0; k < count; k++) {
      const j = near[k]!;
      const u = second[j]! - centre[b]!;
      const v = third[j]! - centre[c]!;
      const s = u * u + v * v;
      const t = along[j]! - centre[a]!;
      low = Math.min(low, s + (t + quarter) * (t + quarter));
      high = Math.min(high, s + (t - quarter) * (t - quarter));
    }
    const share = (high - low) / (high + low + 1);
    return Math.floor(Math.min(Math.max(7 * share, -7), 7) + 8.5);
  }

  private axis(a: number): Int32Array {
    return a === 0 ? this.x : a === 1 ? this.y : this.z;
  }
}
