/** Neighbours of each slot among the earlier ones (SPEC.md 5.5). */

export const MOST = 6;
export const LIST_CAP = 16;
const RECENT = 4;

export class Neighbours {
  /** (N, 6) slot numbers, nearest first; 0, of weight 0, where there are no more. */
  readonly index: Int32Array;
  readonly weight: Int32Array;
  readonly count: Uint8Array;
  readonly total: Int32Array;
  /** L2(i): the distance feature. */
  readonly feature: Int32Array;

  /** The first slots' are those of `known`. */
  constructor(n: number, known?: Neighbours) {
    this.index = new Int32Array(n * MOST);
    this.weight = new Int32Array(n * MOST);
    this.count = new Uint8Array(n);
    this.total = new Int32Array(n);
    this.feature = new Int32Array(n);
    if (known === undefined) return;
    this.index.set(known.index);
    this.weight.set(known.weight);
    this.count.set(known.count);
    this.total.set(known.total);
    this.feature.set(known.feature);
  }

  get bytesPerSlot(): number {
    return 8 * MOST + 4 * 2 + 1;
  }

  /** Sum of weight times v over the neighbours of slot i. */
  sum(i: number, v: Int32Array): number {
    let s = 0;
    for (let k = i * MOST, end = k + this.count[i]!; k < end; k++) s += this.weight[k]! * v[this.index[k]!]!;
    return s;
  }

  /** 16 times the weighted mean magnitude of q. */
  magnitude(i: number, q: Int32Array): number {
    const { index, weight } = this;
    const k = i * MOST;
    // residuals are below 2^21 by their code and weights below 2^10; neighbours that are not there weigh nothing
    const s =
      Math.imul(weight[k]!, Math.abs(q[index[k]!]!)) +
      Math.imul(weight[k + 1]!, Math.abs(q[index[k + 1]!]!)) +
      Math.imul(weight[k + 2]!, Math.abs(q[index[k + 2]!]!)) +
      Math.imul(weight[k + 3]!, Math.abs(q[index[k + 3]!]!)) +
      Math.imul(weight[k + 4]!, Math.abs(q[index[k + 4]!]!)) +
      Math.imul(weight[k + 5]!, Math.abs(q[index[k + 5]!]!));
    return s === 0 ? 0 : Math.floor((16 * s) / this.total[i]!);
  }

  /** Number of the nearest neighbour, where there is one. */
  nearest(i: number): number {
    return this.index[i * MOST]!;
  }
}

/** The six best of the candidates offered, by squared distance, ties to the later slot. */
class Best {
  readonly slot = new Int32Array(MOST + 1);
  readonly d2 = new Float64Array(MOST + 1); // up to 3 * 2^40
  count = 0;

  offer(j: number, d2: number): void {
    const { slot, d2: dist } = this;
    let k = this.count;
    if (k === MOST) {
      const last = dist[MOST - 1]!;
      if (d2 > last || (d2 === last && j < slot[MOST - 1]!)) return; // most offers end here
    }
    for (let other = 0; other < k; other++) if (slot[other] === j) return;
    if (k === MOST) {
      k--;
      this.count--;
    }
    while (k > 0 && (dist[k - 1]! > d2 || (dist[k - 1] === d2 && slot[k - 1]! < j))) {
      dist[k] = dist[k - 1]!;
      slot[k] = slot[k - 1]!;
      k--;
    }
    dist[k] = d2;
    slot[k] = j;
    this.count++;
  }
}

function squared(x: number, y: number, z: number): number {
  return x * x + y * y + z * z;
}

function isqrt(v: number): number {
  let r = Math.floor(Math.sqrt(v));
  while (r * r > v) r--;
  while ((r + 1) * (r + 1) <= v) r++;
  return r;
}

/** The list of a cell: cells may share one. */
export function listOf(cx: number, cy: number, cz: number, mask: number): number {
  return (Math.imul(cx, 73856093) ^ Math.imul(cy, 19349663) ^ Math.imul(cz, 83492791)) & mask;
}

/** x, y, z: lattice coordinates of N slots. `known`: the neighbours of the first ones. */
export function findNeighbours(
  x: Int32Array,
  y: Int32Array,
  z: Int32Array,
  shift: number,
  known: Neighbours,
): Neighbours {
  const n = x.length;
  const start = known.count.length;
  const out = new Neighbours(n, known);
  let size = 16;
  while (size < 2 * n) size *= 2;
  const head = new Int32Array(size).fill(-1);
  const next = new Int32Array(n).fill(-1);
  const best = new Best();
  for (let i = 0; i < n; i++) {
    const xi = x[i]!;
    const yi = y[i]!;
    const zi = z[i]!;
    const cx = xi >> shift;
    const cy = yi >> shift;
    const cz = zi >> shift;
    const own = listOf(cx, cy, cz, size - 1);
    if (i < start) {
      next[i] = head[own]!;
      head[own] = i;
      continue;
    }
    best.count = 0;
    for (let j = Math.max(0, i - RECENT); j < i; j++) best.offer(j, squared(xi - x[j]!, yi - y[j]!, zi - z[j]!));
    for (let dz = -1; dz <= 1; dz++) {
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          let j = head[listOf(cx + dx, cy + dy, cz + dz, size - 1)]!;
          for (let seen = 0; j >= 0 && seen < LIST_CAP; seen++) {
            best.offer(j, squared(xi - x[j]!, yi - y[j]!, zi - z[j]!));
            j = next[j]!;
          }
        }
      }
    }
    next[i] = head[own]!;
    head[own] = i;
    store(out, i, best);
  }
  return out;
}

function store(out: Neighbours, i: number, best: Best): void {
  const { count } = best;
  const m = count > 0 ? isqrt(best.d2[Math.min(count - 1, 2)]!) : 0;
  let total = 0;
  for (let k = 0; k < count; k++) {
    const w = Math.max(1, Math.floor((256 * (m + 1)) / (isqrt(best.d2[k]!) + Math.floor((3 * m) / 10) + 1)));
    out.index[i * MOST + k] = best.slot[k]!;
    out.weight[i * MOST + k] = w;
    total += w;
  }
  out.count[i] = count;
  out.total[i] = total;
  const b = 31 - Math.clz32(m + 1);
  out.feature[i] = 4 * b + ((4 * (m + 1)) >> b) - 4;
}
