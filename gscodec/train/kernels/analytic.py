"""Blending with the integral of each Gaussian over the pixel (Analytic-Splatting, Liang et al. 2024), and its gradient.

alpha = opacity F(u, s1) F(w, s2) with F(u, s) = sqrt(2 pi) s [S((u + 1/2) / s) - S((u - 1/2) / s)]: u and w are the
pixel's distances from the mean along the axes of the ellipse, s1 and s2 the standard deviations there, and S a logistic
function close to the cumulative normal. The pixel is taken to be square to the axes. Plain scalar code: an option to
compare with, several times slower than kernels/blend. Shapes hold the covariance in place of the conic.
"""

from __future__ import annotations

import numpy as np

from gscodec.base.jit import njit
from gscodec.render.projection import MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE, TILE

__all__ = ["blend_analytic", "blend_analytic_backward"]

ROOT = np.sqrt(2 * np.pi)
STEEP, CUBIC = 1.6, 0.07
FAR = 8.0  # standard deviations beyond which S is 0 or 1
ROUND = 1e-2  # relative difference of the variances below which the ellipse has no direction


@njit(inline="always")
def _cumulative(x):
    """S and its derivative."""
    x = min(max(x, -FAR), FAR)
    s = 1 / (1 + np.exp(-(STEEP + CUBIC * x * x) * x))
    return s, (STEEP + 3 * CUBIC * x * x) * s * (1 - s)


@njit(inline="always")
def _window(u, s):
    """F, dF/du and dF/ds."""
    high, low = (u + 0.5) / s, (u - 0.5) / s
    a, a_slope = _cumulative(high)
    b, b_slope = _cumulative(low)
    return ROOT * s * (a - b), ROOT * (a_slope - b_slope), ROOT * (a - b - high * a_slope + low * b_slope)


@njit(inline="always")
def _axes(xx, xy, yy):
    """Cosine and sine of the long axis, the two standard deviations."""
    turn = 0.5 * np.arctan2(2 * xy, xx - yy)
    middle, away = 0.5 * (xx + yy), np.sqrt(0.25 * (xx - yy) ** 2 + xy * xy)
    return np.cos(turn), np.sin(turn), np.sqrt(middle + away), np.sqrt(max(middle - away, 1e-6))


@njit(error_model="numpy")
def blend_analytic(starts, members, shape, reach, window, out):
    """As kernels.blend.blend."""
    left, top, width, height = window[0], window[1], window[2], window[3]
    tiles_x = (width + TILE - 1) // TILE
    for tile in range(starts.shape[0] - 1):
        x0, y0 = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
        rows, columns = min(TILE, height - y0), min(TILE, width - x0)
        light, live = np.ones((rows, columns)), np.ones((rows, columns), np.bool_)
        for k in range(starts[tile], starts[tile + 1]):
            i = members[k]
            cos, sin, s1, s2 = _axes(shape[i, 2], shape[i, 3], shape[i, 4])
            for y in range(rows):
                dy = shape[i, 1] - (top + y0 + y) - 0.5
                if abs(dy) > reach[i, 1] + 0.5:
                    continue
                for x in range(columns):
                    dx = shape[i, 0] - (left + x0 + x) - 0.5
                    if abs(dx) > reach[i, 0] + 0.5 or not live[y, x]:
                        continue
                    f, _, _ = _window(cos * dx + sin * dy, s1)
                    g, _, _ = _window(cos * dy - sin * dx, s2)
                    alpha = min(MAX_ALPHA, shape[i, 5] * f * g)
                    if alpha < MIN_ALPHA:
                        continue
                    after = light[y, x] * (1 - alpha)
                    if after <= MIN_TRANSMITTANCE:
                        live[y, x] = False
                        continue
                    for c in range(3):
                        out[y0 + y, x0 + x, c] += alpha * light[y, x] * shape[i, 6 + c]
                    light[y, x] = after
        for y in range(rows):
            for x in range(columns):
                out[y0 + y, x0 + x, 3] = 1 - light[y, x]


@njit(error_model="numpy")
def blend_analytic_backward(starts, members, shape, reach, window, picture, v_picture, rows):
    """As kernels.blend.blend_backward; gradients by the covariance stand where there those by the conic do."""
    left, top, width, height = window[0], window[1], window[2], window[3]
    tiles_x = (width + TILE - 1) // TILE
    for tile in range(starts.shape[0] - 1):
        x0, y0 = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
        tall, wide = min(TILE, height - y0), min(TILE, width - x0)
        light, live = np.ones((tall, wide)), np.ones((tall, wide), np.bool_)
        past, whole = np.zeros((tall, wide)), np.zeros((tall, wide))
        for y in range(tall):
            for x in range(wide):
                v, p = v_picture[y0 + y, x0 + x], picture[y0 + y, x0 + x]
                whole[y, x] = v[0] * p[0] + v[1] * p[1] + v[2] * p[2] - v[3] * (1 - p[3])
        for k in range(starts[tile], starts[tile + 1]):
            i = members[k]
            opacity = shape[i, 5]
            cos, sin, s1, s2 = _axes(shape[i, 2], shape[i, 3], shape[i, 4])
            by_u = by_w = by_s1 = by_s2 = by_turn = by_opacity = 0.0
            sums = rows[k]
            sums[:] = 0
            for y in range(tall):
                dy = shape[i, 1] - (top + y0 + y) - 0.5
                if abs(dy) > reach[i, 1] + 0.5:
                    continue
                for x in range(wide):
                    dx = shape[i, 0] - (left + x0 + x) - 0.5
                    if abs(dx) > reach[i, 0] + 0.5 or not live[y, x]:
                        continue
                    u, w = cos * dx + sin * dy, cos * dy - sin * dx
                    f, f_u, f_s = _window(u, s1)
                    g, g_w, g_s = _window(w, s2)
                    free = opacity * f * g
                    alpha = min(MAX_ALPHA, free)
                    if alpha < MIN_ALPHA:
                        continue
                    t = light[y, x]
                    after = t * (1 - alpha)
                    if after <= MIN_TRANSMITTANCE:
                        live[y, x] = False
                        continue
                    light[y, x] = after
                    own = 0.0
                    for c in range(3):
                        own += v_picture[y0 + y, x0 + x, c] * shape[i, 6 + c]
                        sums[6 + c] += alpha * t * v_picture[y0 + y, x0 + x, c]
                    past[y, x] += alpha * t * own
                    if free > MAX_ALPHA:
                        continue
                    va = t * own - (whole[y, x] - past[y, x]) / (1 - alpha)
                    by_opacity += va * f * g
                    u_slope, w_slope = va * opacity * f_u * g, va * opacity * f * g_w
                    by_u += u_slope
                    by_w += w_slope
                    by_turn += u_slope * w - w_slope * u
                    by_s1 += va * opacity * f_s * g
                    by_s2 += va * opacity * f * g_s
            sums[0], sums[1], sums[5] = by_u * cos - by_w * sin, by_u * sin + by_w * cos, by_opacity
            across = shape[i, 2] - shape[i, 4]
            apart = max(across * across + 4 * shape[i, 3] ** 2, (ROUND * s1 * s1) ** 2)
            by_1, by_2, by_turn = by_s1 / (2 * s1), by_s2 / (2 * s2), by_turn / apart
            sums[2] = by_1 * cos * cos + by_2 * sin * sin - by_turn * shape[i, 3]
            sums[3] = 2 * (by_1 - by_2) * sin * cos + by_turn * across
            sums[4] = by_1 * sin * sin + by_2 * cos * cos + by_turn * shape[i, 3]
