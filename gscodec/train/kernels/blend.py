"""Blending front to back and its gradient, sixteen pixels of a tile's row at a time.

The same thresholds as render/rasterize: the inner loops have no branches, so that the compiler turns them into vector
code (numpy's error model: a division that could raise would be a branch). exp(-s) is p(s / 16)^16 with a polynomial p of degree 5, exact to float32 over what the 1/255 test lets through.
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


@njit(inline="always")
def _level(opacity):
    """The exponent from which a Gaussian is culled at a pixel, with a little room for rounding."""
    return F(np.log(opacity / A_MIN)) + F(1e-3)


@njit(inline="always")
def _misses(dx0, dy, a, b, c, level):
    """Whether the exponent stays above `level` over a row of sixteen pixels: then nothing of the row is painted."""
    dx = min(
        max(-b * dy / a, dx0 - F(TILE - 1)), dx0
    )  # where it is least, or the end of the row nearest to that
    return HALF * (a * dx * dx + c * dy * dy) + b * dx * dy > level


@njit(fastmath=FAST, error_model="numpy")
def _paint_row(dx0, dy, a, b, c, o, red, green, blue, row):
    """One Gaussian over sixteen pixels of a row; dx0: its mean minus the first pixel's centre.

    row (4 x 16,): what light still passes (negative where the pixel has stopped, at what passed then); red, green,
    blue so far. One array, because the compiler knows that its parts don't overlap.
    """
    for x in range(TILE):
        dx = dx0 - F(x)
        s = HALF * (a * dx * dx + c * dy * dy) + b * dx * dy
        alpha = min(A_MAX, o * exp_minus(min(max(s, ZERO), FAR)))
        t = row[x]
        left = t * (ONE - alpha)
        seen = (alpha >= A_MIN) & (s >= ZERO)
        take = seen & (left > T_MIN)
        w = alpha * t if take else ZERO
        row[TILE + x] += w * red
        row[2 * TILE + x] += w * green
        row[3 * TILE + x] += w * blue
        row[x] = left if take else (-abs(t) if seen else t)


@njit(parallel=True, fastmath=FAST)
def blend(starts, members, shape, reach, window, out):
    """Fill out (height, width, 4) float32: colour over black, alpha. One thread a tile, so repeatable."""
    left, top, width, height = window[0], window[1], window[2], window[3]
    tiles_x = (width + TILE - 1) // TILE
    for tile in prange(starts.shape[0] - 1):
        x0, y0 = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
        px, py = left + x0, top + y0
        state = np.zeros((TILE, 4 * TILE), np.float32)
        state[:, :TILE] = ONE
        for k in range(starts[tile], starts[tile + 1]):
            i = members[k]
            x, y, a, b, c, o = shape[i, 0], shape[i, 1], shape[i, 2], shape[i, 3], shape[i, 4], shape[i, 5]
            red, green, blue = shape[i, 6], shape[i, 7], shape[i, 8]
            first, last = _rows(y, reach[i, 1], py)
            dx0, level = x - F(px) - HALF, _level(o)
            for row in range(first, last):
                dy = y - F(py + row) - HALF
                if not _misses(dx0, dy, a, b, c, level):
                    _paint_row(dx0, dy, a, b, c, o, red, green, blue, state[row])
            if (k - starts[tile]) % LOOK == LOOK - 1 and state[:, :TILE].max() < ZERO:
                break
        for y in range(min(TILE, height - y0)):
            for x in range(min(TILE, width - x0)):
                for channel in range(3):
                    out[y0 + y, x0 + x, channel] = state[y, (channel + 1) * TILE + x]
                out[y0 + y, x0 + x, 3] = ONE - abs(state[y, x])


@njit(fastmath=FAST, error_model="numpy")
def _back_row(dx0, dy, a, b, c, o, red, green, blue, row, sums):
    """The gradient of one Gaussian from sixteen pixels of a row, added to sums (9,).

    row (6 x 16,): light as in _paint_row; sum of v . colour over what lies before; v . (whole colour) + what alpha's
    gradient adds; v by red, green, blue.
    """
    m0 = m1 = m2 = s6 = s7 = s8 = ZERO  # m: moments along the row of the gradient by the exponent
    for x in range(TILE):
        dx = dx0 - F(x)
        s = HALF * (a * dx * dx + c * dy * dy) + b * dx * dy
        free = o * exp_minus(min(max(s, ZERO), FAR))
        alpha = min(A_MAX, free)
        t = row[x]
        left = t * (ONE - alpha)
        seen = (alpha >= A_MIN) & (s >= ZERO)
        take = seen & (left > T_MIN)
        w = alpha * t if take else ZERO
        vr, vg, vb = row[3 * TILE + x], row[4 * TILE + x], row[5 * TILE + x]
        own = vr * red + vg * green + vb * blue
        past = row[TILE + x] + w * own
        row[TILE + x] = past
        s6 += w * vr
        s7 += w * vg
        s8 += w * vb
        va = t * own - (row[2 * TILE + x] - past) / (ONE - alpha)
        vs = -alpha * va if take & (free <= A_MAX) else ZERO
        m0 += vs
        m1 += vs * dx
        m2 += vs * dx * dx
        row[x] = left if take else (-abs(t) if seen else t)
    sums[0] += a * m1 + b * dy * m0
    sums[1] += b * m1 + c * dy * m0
    sums[2] += HALF * m2
    sums[3] += dy * m1
    sums[4] += HALF * dy * dy * m0
    sums[5] -= m0
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
        state = np.zeros((TILE, 6 * TILE), np.float32)
        state[:, :TILE] = -ONE  # what lies off the picture has stopped
        for y in range(min(TILE, height - y0)):
            for x in range(min(TILE, width - x0)):
                v, p = v_picture[y0 + y, x0 + x], picture[y0 + y, x0 + x]
                state[y, x] = ONE
                state[y, 2 * TILE + x] = v[0] * p[0] + v[1] * p[1] + v[2] * p[2] - v[3] * (ONE - p[3])
                for channel in range(3):
                    state[y, (3 + channel) * TILE + x] = v[channel]
        over = False
        for k in range(starts[tile], starts[tile + 1]):
            sums = rows[k]
            sums[:] = ZERO
            if over:
                continue
            i = members[k]
            x, y, a, b, c, o = shape[i, 0], shape[i, 1], shape[i, 2], shape[i, 3], shape[i, 4], shape[i, 5]
            red, green, blue = shape[i, 6], shape[i, 7], shape[i, 8]
            first, last = _rows(y, reach[i, 1], py)
            dx0, level = x - F(px) - HALF, _level(o)
            for row in range(first, last):
                dy = y - F(py + row) - HALF
                if not _misses(dx0, dy, a, b, c, level):
                    _back_row(dx0, dy, a, b, c, o, red, green, blue, state[row], sums)
            sums[5] /= o
            over = (k - starts[tile]) % LOOK == LOOK - 1 and state[:, :TILE].max() < ZERO


@njit
def gather(members, rows, out):
    """Add rows (members, 9) to out (N, 9) in the order of the tiles: the same sums on every run."""
    for k in range(members.shape[0]):
        i = members[k]
        for c in range(out.shape[1]):
            out[i, c] += rows[k, c]
