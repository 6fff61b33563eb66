"""Lattice positions as point counts of a binary space partition, with the position classes (SPEC.md 5.5).

No order is sent: the partition implies one, which saves log2(N!) bits.
"""

from __future__ import annotations

import numpy as np

from gscodec.base.jit import njit
from gscodec.codec.entropy.coder import ERR_BAD, ERROR, WRITING, Coder, code_bit, code_mixed, code_raw
from gscodec.codec.entropy.surface import NEAR, add_point, fit_plane, near_points, plane_level, spacing_level

__all__ = ["code_positions", "partition_keys", "position_coder"]

LEFT, EMPTY = 0, 17 * 32
BIG = EMPTY + 64 * 2
CLASS = BIG + 64 * 8
CLASS_FAMILY = 256 * 16
POINT = CLASS + 4 * CLASS_FAMILY
POINT_FAMILY = 512
COUNTERS = POINT + 4 * POINT_FAMILY
POINT_WEIGHTS = 16 * 4
WEIGHTS = POINT_WEIGHTS + 8 * 4


def position_coder(data: bytes | None, n: int) -> Coder:
    """A coder for the POSITION section; writes at most about 16 bytes a slot."""
    return Coder(COUNTERS, WEIGHTS, data=data, capacity=4096 + 24 * n)


@njit
def split_axes(bits):
    """The axis of each split: most bits remaining, lowest index on ties."""
    rem = bits.copy()
    out = np.empty(rem.sum(), np.int64)
    for d in range(out.shape[0]):
        a = 0
        for b in range(1, 3):
            if rem[b] > rem[a]:
                a = b
        out[d] = a
        rem[a] -= 1
    return out


@njit
def partition_keys(x, bits):
    """int64 (N,): the split decisions of lattice points `x` (N, 3), first split highest."""
    axes = split_axes(bits)
    keys = np.zeros(x.shape[0], np.int64)
    for i in range(x.shape[0]):
        left = bits.copy()
        key = 0
        for d in range(axes.shape[0]):
            a = axes[d]
            left[a] -= 1
            key = key * 2 + ((x[i, a] >> left[a]) & 1)
        keys[i] = key
    return keys


@njit
def _code_left(st, buf, counters, n, depth, value):
    """How many of n points lie in the left half."""
    if n <= 16:
        node = 1
        for i in range(4, -1, -1):
            node = 2 * node + code_bit(st, buf, counters, LEFT + n * 32 + node, (value >> i) & 1)
        value = node - 32
        if value > n:
            st[ERROR] = ERR_BAD
        return min(value, n)
    if code_bit(st, buf, counters, EMPTY + 2 * depth, 1 if value == 0 else 0):
        return 0
    if code_bit(st, buf, counters, EMPTY + 2 * depth + 1, 1 if value == n else 0):
        return n
    top = 0
    while ((n - 2) >> top) > 0:
        top += 1
    node, out = 1, 0
    for i in range(top):
        bit = ((value - 1) >> (top - 1 - i)) & 1
        if i < 3:
            bit = code_bit(st, buf, counters, BIG + 8 * depth + node, bit)
            node = 2 * node + bit
        else:
            bit = code_raw(st, buf, bit)
        out = 2 * out + bit
    if out > n - 2:
        st[ERROR] = ERR_BAD
        out = n - 2
    return out + 1


@njit
def _code_class(st, buf, counters, weight, classes, i, remaining, value):
    s1 = classes[i - 1] if i > 0 else 0
    s2 = classes[i - 2] if i > 1 else 0
    four = 0
    for j in range(max(0, i - 4), i):
        four += classes[j]
    k0 = CLASS + s1 * 16
    k1 = CLASS + CLASS_FAMILY + (s1 * 16 + s2) * 16
    k2 = CLASS + 2 * CLASS_FAMILY + min(63, remaining) * 16
    k3 = CLASS + 3 * CLASS_FAMILY + four * 16
    node = 1
    for b in range(3, -1, -1):
        bit = (value >> b) & 1
        bit = code_mixed(st, buf, counters, weight, k0 + node, k1 + node, k2 + node, k3 + node, 4 * node, bit)
        node = 2 * node + bit
    return node - 16


@njit
def _code_point(st, buf, counters, weight, x, i, low, size, least, search, near, dist, plane):
    """The rest of a single point's position: bits of the box (low (3,), size (3,)) down to edges `least` (3,)."""
    shift, head, nxt = search
    count = 0
    flat = False
    centre = np.empty(3)
    for level in range(64):
        a = -1
        for b in range(3):
            if size[b] > least[b] and (a < 0 or size[b] > size[a]):
                a = b
        if a < 0:
            break
        for b in range(3):
            centre[b] = low[b] + 0.5 * size[b]
        if level == 0:
            count = near_points(x, centre, shift, head, nxt, near, dist)
            flat = fit_plane(x, near, count, plane)
        u = plane_level(plane, centre, size, a) if flat else np.int64(0)
        v = spacing_level(x, near, count, centre, size, a)
        depth = min(level, 7)
        w = POINT_WEIGHTS + 4 * depth
        bit = code_mixed(
            st, buf, counters, weight, POINT + u, POINT + POINT_FAMILY + 16 * u + 2 * min(7, depth),
            POINT + 2 * POINT_FAMILY + 16 * v + depth, POINT + 3 * POINT_FAMILY + 16 * u + v, w,
            1 if np.float64(x[i, a]) >= centre[a] else 0,
        )  # fmt: skip
        size[a] *= 0.5
        low[a] += bit * size[a]
    for b in range(3):
        x[i, b] = np.int64(low[b] + np.floor(0.5 * least[b]))
    add_point(x, i, shift, head, nxt)


@njit
def _first_right(keys, lo, hi, bit):
    """First index in lo..hi (sorted keys alike above `bit`) whose `bit` is one."""
    while lo < hi:
        mid = (lo + hi) >> 1
        if (keys[mid] >> bit) & 1:
            hi = mid
        else:
            lo = mid + 1
    return lo


@njit
def code_positions(st, buf, counters, weight, bits, shift, start, keys, x, classes):
    """Code the slots from `start` on; the others stand already. Fills x (N, 3) with the decoded positions.

    When writing, `x`, `classes` (N,) are given, and `keys` (N - start,), sorted. Returns False where the input is bad
    (the coder's state says why).
    """
    n_all = x.shape[0]
    axes = split_axes(bits)
    n_splits = axes.shape[0]
    entries = 16
    while entries < 2 * n_all:
        entries *= 2
    search = (shift, np.full(entries, -1, np.int32), np.full(n_all, -1, np.int32))
    for i in range(start):
        add_point(x, i, *search)
    near, dist, plane = np.zeros(NEAR, np.int64), np.zeros(NEAR), np.zeros(7)
    low, size, least = np.zeros(3), np.zeros(3), np.zeros(3)
    # A box on the stack: slots lo..hi, splits done, prefix on each axis.
    stack = np.zeros((2 * n_splits + 4, 6), np.int64)
    top = 1
    stack[0, 0], stack[0, 1] = start, n_all
    while top > 0:
        top -= 1
        lo, hi, depth = stack[top, 0], stack[top, 1], stack[top, 2]
        px, py, pz = stack[top, 3], stack[top, 4], stack[top, 5]
        n = hi - lo
        if n == 0:
            continue
        if st[ERROR] != 0:
            return False
        if n == 1 or depth == n_splits:
            for i in range(lo, hi):
                classes[i] = _code_class(st, buf, counters, weight, classes, i, n_splits - depth, classes[i])
                for a in range(3):
                    prefix = px if a == 0 else (py if a == 1 else pz)
                    used = 0
                    for d in range(depth):
                        if axes[d] == a:
                            used += 1
                    rem = bits[a] - used
                    size[a], least[a] = np.float64(1 << rem), np.float64(1 << min(rem, classes[i]))
                    low[a] = np.float64(prefix) * size[a]
                _code_point(st, buf, counters, weight, x, i, low, size, least, search, near, dist, plane)
            continue
        middle = lo
        if st[WRITING]:
            middle = start + _first_right(keys, lo - start, hi - start, n_splits - 1 - depth)
        left = _code_left(st, buf, counters, n, min(63, n_splits - depth), middle - lo)
        a = axes[depth]
        for half in range(1, -1, -1):  # right is pushed first, so left is done first
            stack[top, 0] = lo + left if half else lo
            stack[top, 1] = hi if half else lo + left
            stack[top, 2] = depth + 1
            stack[top, 3] = 2 * px + half if a == 0 else px
            stack[top, 4] = 2 * py + half if a == 1 else py
            stack[top, 5] = 2 * pz + half if a == 2 else pz
            top += 1
    return st[ERROR] == 0
