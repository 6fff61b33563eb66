"""Where a point will lie: on the plane through earlier points nearby, and not too near to any (SPEC.md 5.5).

Everything is IEEE double arithmetic (+, -, *, /, sqrt) in the order written, so every reader gets the same contexts.
"""

from __future__ import annotations

import numpy as np

from gscodec.base.jit import njit
from gscodec.codec.entropy.neighbours import LIST_CAP, bucket

__all__ = [
    "NEAR",
    "add_point",
    "fit_plane",
    "near_points",
    "plane_level",
    "spacing_level",
]

NEAR = 8  # earlier points that are looked at


@njit
def near_points(x, centre, shift, head, nxt, near, dist):
    """Fill near (NEAR,) with the earlier points nearest to `centre` (3,) among the 27 cells about it; their number."""
    count = 0
    cx, cy, cz = np.int64(centre[0]) >> shift, np.int64(centre[1]) >> shift, np.int64(centre[2]) >> shift
    mask = head.shape[0] - 1
    for o in range(27):
        j = np.int64(head[bucket(cx + o % 3 - 1, cy + (o // 3) % 3 - 1, cz + o // 9 - 1, mask)])
        seen = 0
        while j >= 0 and seen < LIST_CAP:
            seen += 1
            dx, dy, dz = x[j, 0] - centre[0], x[j, 1] - centre[1], x[j, 2] - centre[2]
            d2 = dx * dx + dy * dy + dz * dz
            known = False
            for k in range(count):  # two cells may share a list
                known = known or near[k] == j
            if not known and (count < NEAR or d2 < dist[NEAR - 1]):
                k = min(count, NEAR - 1)
                while k > 0 and dist[k - 1] > d2:
                    dist[k], near[k] = dist[k - 1], near[k - 1]
                    k -= 1
                dist[k], near[k] = d2, j
                count = min(count + 1, NEAR)
            j = np.int64(nxt[j])
    return count


@njit
def add_point(x, i, shift, head, nxt):
    """Enter point i into the lists."""
    own = bucket(x[i, 0] >> shift, x[i, 1] >> shift, x[i, 2] >> shift, head.shape[0] - 1)
    nxt[i] = head[own]
    head[own] = i


@njit
def fit_plane(x, near, count, plane):
    """plane (7,): mean point, unit normal, variance along it, of the near points; False where they fix none.

    The normal is the largest column of the covariance's adjugate, which is the normal's outer product but for terms
    of the smaller eigenvalue.
    """
    if count < 3:
        return False
    mx, my, mz = 0.0, 0.0, 0.0
    for k in range(count):
        mx, my, mz = mx + x[near[k], 0], my + x[near[k], 1], mz + x[near[k], 2]
    mx, my, mz = mx / count, my / count, mz / count
    a, b, c, d, e, f = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(count):
        dx, dy, dz = x[near[k], 0] - mx, x[near[k], 1] - my, x[near[k], 2] - mz
        a, b, c = a + dx * dx, b + dy * dy, c + dz * dz
        d, e, f = d + dx * dy, e + dx * dz, f + dy * dz
    a00, a11, a22 = b * c - f * f, a * c - e * e, a * b - d * d
    a01, a02, a12 = e * f - d * c, d * f - e * b, d * e - a * f
    if a00 >= a11 and a00 >= a22:
        n0, n1, n2 = a00, a01, a02
    elif a11 >= a22:
        n0, n1, n2 = a01, a11, a12
    else:
        n0, n1, n2 = a02, a12, a22
    length = np.sqrt(n0 * n0 + n1 * n1 + n2 * n2)
    if not length > 0.0:
        return False
    n0, n1, n2 = n0 / length, n1 / length, n2 / length
    spread = (
        n0 * (a * n0 + d * n1 + e * n2) + n1 * (d * n0 + b * n1 + f * n2) + n2 * (e * n0 + f * n1 + c * n2)
    )
    plane[0], plane[1], plane[2] = mx, my, mz
    plane[3], plane[4], plane[5] = n0, n1, n2
    plane[6] = max(spread, 0.0) / count
    return True


@njit
def plane_level(plane, centre, size, a):
    """0..31: how much likelier the upper half of a box along axis a is, by the plane; 16: equal. size (3,): edges."""
    d = 0.0
    extent = 0.0
    for b in range(3):
        d += plane[3 + b] * (centre[b] - plane[b])
        edge = 0.5 * size[b] if b == a else size[b]
        extent += plane[3 + b] * plane[3 + b] * (edge * edge)
    # (dL^2 - dR^2) / variance, the halves' centres being a quarter of the edge below and above
    odds = -(d * (plane[3 + a] * size[a])) / (plane[6] + extent / 12.0 + 0.25)
    return np.int64(np.floor(min(max(8.0 * odds, -15.5), 15.0) + 16.5))


@njit
def spacing_level(x, near, count, centre, size, a):
    """0..15: how much farther from the nearest early point the upper half's centre is than the lower half's."""
    if count == 0:
        return np.int64(0)
    quarter = 0.25 * size[a]
    low, high = 1e300, 1e300
    for k in range(count):
        j = near[k]
        s = 0.0
        for b in range(3):
            if b != a:
                t = x[j, b] - centre[b]
                s += t * t
        t = x[j, a] - centre[a]
        low, high = min(low, s + (t + quarter) * (t + quarter)), min(high, s + (t - quarter) * (t - quarter))
    share = (high - low) / (high + low + 1.0)
    return np.int64(np.floor(min(max(7.0 * share, -7.0), 7.0) + 8.5))
