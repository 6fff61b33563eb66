/** Back-to-front order by a counting sort of 16-bit depths. */

const BINS = 65536;
const counts = new Uint32Array(BINS + 1);

/**
 * Vertex numbers of two triangles a splat (4 i + corner), farthest splat first; ties stay in slot order.
 * means: (N, 3); forward: the camera's z axis. Depth is z, as in the CPU renderer.
 */
export function sortedIndices(means: Float32Array, forward: readonly number[]): Uint32Array<ArrayBuffer> {
  const n = means.length / 3;
  const [fx, fy, fz] = [forward[0]!, forward[1]!, forward[2]!];
  const depth = new Float32Array(n);
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < n; i++) {
    const d = means[3 * i]! * fx + means[3 * i + 1]! * fy + means[3 * i + 2]! * fz;
    depth[i] = d;
    if (d < low) low = d;
    if (d > high) high = d;
  }
  const scale = high > low ? (BINS - 1) / (high - low) : 0;
  const bins = new Uint16Array(n);
  counts.fill(0);
  for (let i = 0; i < n; i++) {
    const bin = ((high - depth[i]!) * scale) | 0;
    bins[i] = bin;
    counts[(bin & 0xffff) + 1]!++;
  }
  for (let b = 0; b < BINS; b++) counts[b + 1]! += counts[b]!;
  const out = new Uint32Array(6 * n);
  for (let i = 0; i < n; i++) {
    const to = 6 * counts[bins[i]!]!++;
    const v = 4 * i;
    out[to] = v;
    out[to + 1] = v + 1;
    out[to + 2] = v + 2;
    out[to + 3] = v + 2;
    out[to + 4] = v + 1;
    out[to + 5] = v + 3;
  }
  return out;
}
