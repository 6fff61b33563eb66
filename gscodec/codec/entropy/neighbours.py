"""Neighbours of each slot among the earlier ones, from decoded lattice positions (SPEC.md 5.5)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gscodec.base.jit import njit

__all__ = [
    "MAX_NEIGHBOURS",
    "Neighbours",
    "bucket",
    "cell_shift_for",
    "find_neighbours",
    "neighbour_magnitude",
    "neighbour_mean",
]

MAX_NEIGHBOURS = 6
LIST_CAP = 16  # newest members of a cell that are looked at: bounds the work on hostile input
RECENT = 4


class Neighbours(NamedTuple):
    """Arrays in the order in which the kernels take them; `feature` is L2 of SPEC.md 5.5."""

    slots: np.ndarray  # (N, 6) int32, -1 where there is none
    weights: np.ndarray  # (N, 6) int64
    counts: np.ndarray  # (N,) int64
    totals: np.ndarray  # (N,) int64, sum of weights
    feature: np.ndarray  # (N,) int64


def cell_shift_for(x: np.ndarray) -> int:
    """The cell size (a shift) with about three slots in an occupied cell.

    x: (N, 3) lattice positions in the partition's order, in which the slots of a cell follow one another.
    """
    few, most = 0, 20  # coarser cells are never more: the smallest shift that does is found by halving
    while few < most:
        shift = (few + most) // 2
        cells = x >> shift
        if x.shape[0] >= 3 * (1 + np.count_nonzero((cells[1:] != cells[:-1]).any(axis=1))):
            most = shift
        else:
            few = shift + 1
    return few


@njit
def bucket(cx, cy, cz, mask):
    h = (cx * 73856093) ^ (cy * 19349663) ^ (cz * 83492791)
    return h & mask  # low bits only, so that 64-bit products agree with 32-bit ones


@njit
def _offer(best, dist, count, j, d2):
    """Insert slot j at squared distance d2 into the sorted best list; returns the new count."""
    for k in range(count):
        if best[k] == j:
            return count
    if count == MAX_NEIGHBOURS:
        last = count - 1
        if d2 > dist[last] or (d2 == dist[last] and j < best[last]):
            return count
        count -= 1
    k = count
    while k > 0 and (dist[k - 1] > d2 or (dist[k - 1] == d2 and best[k - 1] < j)):
        dist[k] = dist[k - 1]
        best[k] = best[k - 1]
        k -= 1
    dist[k] = d2
    best[k] = j
    return count + 1


@njit
def _isqrt(v):
    r = np.int64(np.sqrt(np.float64(v)))
    while r * r > v:
        r -= 1
    while (r + 1) * (r + 1) <= v:
        r += 1
    return r


@njit
def _squared(x, i, j):
    dx, dy, dz = x[i, 0] - x[j, 0], x[i, 1] - x[j, 1], x[i, 2] - x[j, 2]
    return dx * dx + dy * dy + dz * dz


@njit
def _find(x, start, shift, index, weight, counts, total, feature):
    """Of the slots from `start` on; the others are found as neighbours."""
    n = x.shape[0]
    size = 16
    while size < 2 * n:
        size *= 2
    head = np.full(size, -1, np.int32)
    nxt = np.full(n, -1, np.int32)
    best = np.zeros(MAX_NEIGHBOURS + 1, np.int64)
    dist = np.zeros(MAX_NEIGHBOURS + 1, np.int64)
    for i in range(n):
        cx, cy, cz = x[i, 0] >> shift, x[i, 1] >> shift, x[i, 2] >> shift
        if i < start:
            own = bucket(cx, cy, cz, size - 1)
            nxt[i] = head[own]
            head[own] = i
            continue
        count = 0
        for j in range(max(0, i - RECENT), i):
            count = _offer(best, dist, count, j, _squared(x, i, j))
        for o in range(27):
            j = np.int64(head[bucket(cx + o % 3 - 1, cy + (o // 3) % 3 - 1, cz + o // 9 - 1, size - 1)])
            seen = 0
            while j >= 0 and seen < LIST_CAP:
                count = _offer(best, dist, count, j, _squared(x, i, j))
                j = np.int64(nxt[j])
                seen += 1
        own = bucket(cx, cy, cz, size - 1)
        nxt[i] = head[own]
        head[own] = i
        counts[i] = count
        m = _isqrt(dist[min(count - 1, 2)]) if count > 0 else 0
        s = 0
        for k in range(count):
            index[i, k] = best[k]
            weight[i, k] = max(1, (256 * (m + 1)) // (_isqrt(dist[k]) + (3 * m) // 10 + 1))
            s += weight[i, k]
        total[i] = s
        b = 0
        while ((m + 1) >> (b + 1)) > 0:
            b += 1
        feature[i] = 4 * b + ((4 * (m + 1)) >> b) - 4


def find_neighbours(x: np.ndarray, shift: int, known: Neighbours | None = None) -> Neighbours:
    """Neighbours of slots at lattice positions x (N, 3) int64, for cells of 2^shift lattice units.

    `known`: of the first slots, where they stand already.
    """
    n = x.shape[0]
    out = Neighbours(
        np.full((n, MAX_NEIGHBOURS), -1, np.int32),
        np.zeros((n, MAX_NEIGHBOURS), np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
    )
    start = 0
    if known is not None:
        start = known.counts.shape[0]
        for mine, theirs in zip(out, known, strict=True):
            mine[:start] = theirs
    _find(x, start, shift, *out)
    return out


@njit
def neighbour_mean(index, weight, count, total, i, v):
    """Weighted mean of v over the neighbours of slot i, rounded; 0 where there are none."""
    if count[i] == 0:
        return np.int64(0)
    s = np.int64(0)
    for k in range(count[i]):
        s += weight[i, k] * v[index[i, k]]
    return (2 * s + total[i]) // (2 * total[i])


@njit
def neighbour_magnitude(index, weight, count, total, i, q):
    """16 times the weighted mean magnitude of q over the neighbours of slot i."""
    if count[i] == 0:
        return np.int64(0)
    s = np.int64(0)
    for k in range(count[i]):
        s += weight[i, k] * abs(q[index[i, k]])
    return (16 * s) // total[i]
