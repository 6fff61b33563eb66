"""Values to integers, closed loop: each is told from what the decoder has of earlier slots (SEGMENT.md 5.5 to 5.8).

The writer's twins of the coder's kernels, without the coder: to see what a step does to the picture needs no bytes.
"""

from __future__ import annotations

import numpy as np

from gscodec.base.jit import njit
from gscodec.codec.entropy.neighbours import neighbour_mean
from gscodec.codec.entropy.planes import plane_means

__all__ = ["decoded_positions", "quantise_base", "quantise_coefficients"]


@njit
def _round(x, offset):
    """x to the nearest integer with rounding offset (0.5: plain; less: a dead zone)."""
    a = np.int64(np.floor(abs(x) + offset))
    return -a if x < 0 else a


@njit
def _shared_splits(a, b, splits):
    """How many first splits two keys have in common."""
    differ, n = a ^ b, splits
    while differ:
        differ >>= 1
        n -= 1
    return n


@njit
def decoded_positions(keys, axes, bits, classes, x):
    """(N, 3) int64: what the partition's boxes tell of lattice points x (N, 3), sorted by their keys (N,).

    A point alone in its box is told down to an edge of 2^class and stands in its middle; axes: of the splits.
    """
    n, splits = x.shape[0], axes.shape[0]
    out = np.empty_like(x)
    for i in range(n):
        depth = 0
        if i > 0:
            depth = min(splits, _shared_splits(keys[i - 1], keys[i], splits) + 1)
        if i + 1 < n:
            depth = max(depth, min(splits, _shared_splits(keys[i], keys[i + 1], splits) + 1))
        left = bits.copy()
        for d in range(depth):
            left[axes[d]] -= 1
        for a in range(3):
            shift = min(left[a], classes[i])
            out[i, a] = ((x[i, a] >> shift) << shift) + ((1 << shift) >> 1)
    return out


@njit
def quantise_base(nb_i, nb_w, nb_n, nb_t, start, classes, target, q, v):
    """One base plane: residuals q (N,) and decoded integers v (N,) out, of target (N,) float64 in base units.

    Of the slots from `start` on; v of the others is given."""
    for i in range(start, q.shape[0]):
        c = classes[i]
        mean = neighbour_mean(nb_i, nb_w, nb_n, nb_t, i, v)
        q[i] = _round((target[i] - mean) / np.float64(1 << c), 0.5)
        v[i] = mean + (q[i] << c)


@njit
def quantise_coefficients(nb_i, nb_w, nb_n, nb_t, classes, beta, offsets, target, q, r, last):
    """All context-coded planes of one channel: residuals q, decoded integers r (N, m), one past the last q that is not
    zero (N,) out, of target (N, m) float64 in units; beta (m,) int64; offsets (m,): rounding offset of each plane."""
    n, m = q.shape
    means = np.zeros(m, np.int64)
    reach = np.zeros(n, np.int64)
    for i in range(n):
        c = classes[i]
        scale = 1.0 / np.float64(1 << c)
        plane_means(nb_i, nb_w, nb_n, nb_t, i, r, reach, beta, means)
        for j in range(m):
            q[i, j] = _round((target[i, j] - means[j]) * scale, offsets[j])
            if q[i, j] != 0:
                last[i] = j + 1
            r[i, j] = means[j] + (q[i, j] << c)
            if r[i, j] != 0:
                reach[i] = j + 1
