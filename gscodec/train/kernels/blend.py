"""Blending front to back and its gradient, sixteen pixels of a tile's row at a time.

The same thresholds as render/rasterize: the inner loops have no branches, so that the compiler turns them into vector
code. exp(-s) is p(s / 16)^16 with a polynomial p of degree 5, exact to float32 over what the 1/255 test lets through.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from gscodec.base.jit import njit
from gscodec.render.projection import MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE, TILE

__all__ = ["bin_tiles", "blend", "blend_backward", "gather"]

F = np.float32
FAST = {"reassoc", "contract", "nsz", "arcp"}
FAR = F(5.6)  # exp(-5.6) < 1/255: what lies beyond is culled whatever its opacity
# exp(-u) on 0 .. 0.35, least squares of the relative error at Chebyshev points, p(0) = 1: wrong by 1.5e-9 at most
P1, P2, P3, P4, P5 = F(-0.999999822), F(0.499993088), F(-0.166578029), F(0.041163016), F(-0.007005933)
A_MAX, A_MIN, T_MIN = F(MAX_ALPHA), F(MIN_ALPHA), F(MIN_TRANSMITTANCE)
ONE, ZERO, HALF = F(1.0), F(0.0), F(0.5)
LOOK = 32  # entries after which a tile looks whether all its pixels are done


@njit(inline="always")
def exp_minus(s):
    """exp(-s) for s in 0 .. FAR."""
    u = s * F(0.0625)
    e = ONE + u * (P1 + u * (P2 + u * (P3 + u * (P4 + u * P5))))
    e = e * e
    e = e * e
    e = e * e
    return e * e


@njit
def _box(x, y, rx, ry, tiles_x, tiles_y):
    """Tiles that a rectangle touches: x0, x1, y0, y1; coordinates from the window's corner."""
    x0 = max(0, int(np.floor(max(x - rx, -1e6) / TILE)))
    x1 = min(tiles_x, int(np.floor(min(x + rx, 1e6) / TILE)) + 1)
    y0 = max(0, int(np.floor(max(y - ry, -1e6) / TILE)))
    y1 = min(tiles_y, int(np.floor(min(y + ry, 1e6) / TILE)) + 1)
    return x0, x1, y0, y1


@njit
def bin_tiles(order, shape, reach, window):
    """(starts (tiles + 1,), members): Gaussians of each tile, near ones first.

    order (N,): by depth; window (4,): x0, y0, width, height of the part of the picture that is drawn.
    """
    tiles_x, tiles_y = (window[2] + TILE - 1) // TILE, (window[3] + TILE - 1) // TILE
    starts = np.zeros(tiles_x * tiles_y + 1, np.int64)
    for i in range(shape.shape[0]):
        if reach[i, 0] >= 0:
            x0, x1, y0, y1 = _box(
                shape[i, 0] - window[0], shape[i, 1] - window[1], reach[i, 0], reach[i, 1], tiles_x, tiles_y
            )
            for y in range(y0, y1):
                for x in range(x0, x1):
                    starts[y * tiles_x + x + 1] += 1
    for k in range(1, starts.shape[0]):
        starts[k] += starts[k - 1]
    fill = starts[:-1].copy()
    members = np.empty(starts[-1], np.int32)
    for k in range(order.shape[0]):
        i = order[k]
        if reach[i, 0] >= 0:
            x0, x1, y0, y1 = _box(
                shape[i, 0] - window[0], shape[i, 1] - window[1], reach[i, 0], reach[i, 1], tiles_x, tiles_y
            )
            for y in range(y0, y1):
                for x in range(x0, x1):
                    members[fill[y * tiles_x + x]] = i
                    fill[y * tiles_x + x] += 1
    return starts, members


@njit(inline="always")
def _rows(y, reach, top):
    """First and last + 1 row of a tile that an ellipse reaches."""
    first = max(0, int(np.floor(y - reach - top)))
    last = min(TILE, int(np.ceil(y + reach - top)))
    return first, last


@njit(fastmath=FAST)
def _paint_row(dx0, dy, a, b, c, o, r, g, bl, light, red, green, blue, live):
    """One Gaussian over sixteen pixels of a row; dx0: its mean minus the first pixel's centre."""
    for x in range(TILE):
        dx = dx0 - F(x)
        s = HALF * (a * dx * dx + c * dy * dy) + b * dx * dy
        alpha = min(A_MAX, o * exp_minus(min(max(s, ZERO), FAR)))
        t = light[x]
        left = t * (ONE - alpha)
        seen = (alpha >= A_MIN) & (s >= ZERO) & (live[x] > ZERO)
        stop = seen & (left <= T_MIN)
        take = seen & (left > T_MIN)
        w = alpha * t if take else ZERO
        red[x] += w * r
        green[x] += w * g
        blue[x] += w * bl
        light[x] = left if take else t
        live[x] = ZERO if stop else live[x]


@njit(parallel=True, fastmath=FAST)
def blend(starts, members, shape, reach, window, out):
    """Fill out (height, width, 4) float32: colour over black, alpha. One thread a tile, so repeatable."""
    left, top, width, height = window[0], window[1], window[2], window[3]
    tiles_x = (width + TILE - 1) // TILE
    for tile in prange(starts.shape[0] - 1):
        x0, y0 = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
        px, py = left + x0, top + y0
        light, live = np.ones((TILE, TILE), np.float32), np.ones((TILE, TILE), np.float32)
        red, green, blue = (
            np.zeros((TILE, TILE), np.float32),
            np.zeros((TILE, TILE), np.float32),
            np.zeros((TILE, TILE), np.float32),
        )
        for k in range(starts[tile], starts[tile + 1]):
            i = members[k]
            first, last = _rows(shape[i, 1], reach[i, 1], py)
            dx0 = shape[i, 0] - F(px) - HALF
            for y in range(first, last):
                _paint_row(
                    dx0, shape[i, 1] - F(py + y) - HALF, shape[i, 2], shape[i, 3], shape[i, 4], shape[i, 5],
                    shape[i, 6], shape[i, 7], shape[i, 8], light[y], red[y], green[y], blue[y], live[y],
                )  # fmt: skip
            if (k - starts[tile]) % LOOK == LOOK - 1 and live.max() == ZERO:
                break
        for y in range(min(TILE, height - y0)):
            for x in range(min(TILE, width - x0)):
                out[y0 + y, x0 + x, 0], out[y0 + y, x0 + x, 1] = red[y, x], green[y, x]
                out[y0 + y, x0 + x, 2], out[y0 + y, x0 + x, 3] = blue[y, x], ONE - light[y, x]


@njit(fastmath=FAST)
def _back_row(dx0, dy, a, b, c, o, r, g, bl, light, done, live, vr, vg, vb, behind, sums):
    """The gradient of one Gaussian from sixteen pixels of a row, added to sums (9,).

    done: sum of v . colour over what lies before; behind: v . (whole colour) + what alpha's gradient adds.
    """
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = ZERO
    for x in range(TILE):
        dx = dx0 - F(x)
        s = HALF * (a * dx * dx + c * dy * dy) + b * dx * dy
        free = o * exp_minus(min(max(s, ZERO), FAR))
        alpha = min(A_MAX, free)
        t = light[x]
        left = t * (ONE - alpha)
        seen = (alpha >= A_MIN) & (s >= ZERO) & (live[x] > ZERO)
        stop = seen & (left <= T_MIN)
        take = seen & (left > T_MIN)
        w = alpha * t if take else ZERO
        own = vr[x] * r + vg[x] * g + vb[x] * bl
        past = done[x] + w * own
        done[x] = past
        s6 += w * vr[x]
        s7 += w * vg[x]
        s8 += w * vb[x]
        va = t * own - (behind[x] - past) / (ONE - alpha)
        va = va if take & (free <= A_MAX) else ZERO
        vs = -alpha * va
        p, q = a * dx + b * dy, b * dx + c * dy
        s0 += vs * p
        s1 += vs * q
        s2 += vs * dx * dx
        s3 += vs * dx * dy
        s4 += vs * dy * dy
        s5 -= vs
        light[x] = left if take else t
        live[x] = ZERO if stop else live[x]
    sums[0] += s0
    sums[1] += s1
    sums[2] += HALF * s2
    sums[3] += s3
    sums[4] += HALF * s4
    sums[5] += s5
    sums[6] += s6
    sums[7] += s7
    sums[8] += s8


@njit(parallel=True, fastmath=FAST)
def blend_backward(starts, members, shape, reach, window, picture, v_picture, rows):
    """Fill rows (members, 9): gradient by the shape of each Gaussian in each tile.

    picture (height, width, 4) as drawn; v_picture (height, width, 4): derivatives by it.
    """
    left, top, width, height = window[0], window[1], window[2], window[3]
    tiles_x = (width + TILE - 1) // TILE
    for tile in prange(starts.shape[0] - 1):
        x0, y0 = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
        px, py = left + x0, top + y0
        light, live = np.ones((TILE, TILE), np.float32), np.zeros((TILE, TILE), np.float32)
        done, behind = np.zeros((TILE, TILE), np.float32), np.zeros((TILE, TILE), np.float32)
        vr, vg, vb = (
            np.zeros((TILE, TILE), np.float32),
            np.zeros((TILE, TILE), np.float32),
            np.zeros((TILE, TILE), np.float32),
        )
        for y in range(min(TILE, height - y0)):
            for x in range(min(TILE, width - x0)):
                v, c = v_picture[y0 + y, x0 + x], picture[y0 + y, x0 + x]
                vr[y, x], vg[y, x], vb[y, x] = v[0], v[1], v[2]
                behind[y, x] = v[0] * c[0] + v[1] * c[1] + v[2] * c[2] - v[3] * (ONE - c[3])
                live[y, x] = ONE
        over = False
        for k in range(starts[tile], starts[tile + 1]):
            sums = rows[k]
            sums[:] = ZERO
            if over:
                continue
            i = members[k]
            first, last = _rows(shape[i, 1], reach[i, 1], py)
            dx0 = shape[i, 0] - F(px) - HALF
            for y in range(first, last):
                _back_row(
                    dx0, shape[i, 1] - F(py + y) - HALF, shape[i, 2], shape[i, 3], shape[i, 4], shape[i, 5],
                    shape[i, 6], shape[i, 7], shape[i, 8], light[y], done[y], live[y], vr[y], vg[y], vb[y],
                    behind[y], sums,
                )  # fmt: skip
            sums[5] /= shape[i, 5]
            over = (k - starts[tile]) % LOOK == LOOK - 1 and live.max() == ZERO


@njit
def gather(members, rows, out):
    """Add rows (members, 9) to out (N, 9) in the order of the tiles: the same sums on every run."""
    for k in range(members.shape[0]):
        i = members[k]
        for c in range(out.shape[1]):
            out[i, c] += rows[k, c]
