"""Sums over the pixels of one view that sensitivities are made of; the CPU's, which cuda/sensitivity.cu is a twin of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gscodec.base.jit import njit
from gscodec.render.cameras import Camera
from gscodec.render.projection import MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE, TILE, Projection
from gscodec.render.rasterize import draw
from gscodec.render.spans import reach_of, rows_of, span_of

__all__ = ["F64", "PAIRS", "Sums", "slope_by_alpha", "sum_view"]

F64 = npt.NDArray[np.float64]
Sums = tuple[F64, F64, int]  # moments (N, PAIRS), weights (N,), foreground pixels of a view

PAIRS = 21  # of the upper triangle of 6 x 6, by row: mean x, y; covariance xx, xy, yy; logit


@njit
def slope_by_alpha(t, own, r, g, b, end_r, end_g, end_b, behind_all, alpha):
    """|dC/dalpha|^2, mean over black and white: a Gaussian's own colour (3,) against all that lies behind it.

    t: light that reaches it; r, g, b: the pixel with it and all before; end: the pixel; behind_all: its transparency.
    """
    rest = 1.0 / (1 - alpha)
    dr = t * own[0] - (end_r - r) * rest
    dg = t * own[1] - (end_g - g) * rest
    db = t * own[2] - (end_b - b) * rest
    white = behind_all * rest
    e = 0.5 * (dr * dr + dg * dg + db * db)
    return e + 0.5 * ((dr - white) ** 2 + (dg - white) ** 2 + (db - white) ** 2)


@njit
def _accumulate(starts, members, mean, conic, opacity, fade, color, picture, moments, weights):
    """Fill moments (N, 21) and weights (N,) = sum (alpha T)^2; returns the number of foreground pixels.

    fade (N, 4): derivatives of log(opacity rho) by the covariance xx, xy, yy and by the logit.
    """
    height, width = picture.shape[0], picture.shape[1]
    tiles_x = (width + TILE - 1) // TILE
    v, own = np.zeros(6), np.zeros(PAIRS)
    front = np.empty(
        (TILE, TILE, 4)
    )  # light that gets through so far (0: no more is looked at), colour so far
    foreground = 0
    for tile in range(starts.shape[0] - 1):
        x0, y0 = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
        x1, y1 = min(x0 + TILE, width), min(y0 + TILE, height)
        front[:] = 0.0
        front[:, :, 0] = 1.0
        waiting = (x1 - x0) * (y1 - y0)
        for y in range(y0, y1):
            for x in range(x0, x1):
                if picture[y, x, 3] > MIN_ALPHA:
                    foreground += 1
        for k in range(starts[tile], starts[tile + 1]):
            if waiting == 0:
                break
            i = members[k]
            xx, xy, yy = conic[i, 0], conic[i, 1], conic[i, 2]
            reach = reach_of(opacity[i])
            first, last = rows_of(mean[i, 1], xx, xy, yy, reach, y0, y1)
            own[:] = moments[i]
            for y in range(first, last):
                left_x, right_x = span_of(mean[i, 0], mean[i, 1], xx, xy, yy, reach, y, x0, x1)
                dy = mean[i, 1] - (y + 0.5)
                for x in range(left_x, right_x):
                    here = front[y - y0, x - x0]
                    t = here[0]
                    if t == 0.0:
                        continue
                    dx = mean[i, 0] - (x + 0.5)
                    s = 0.5 * (xx * dx * dx + yy * dy * dy) + xy * dx * dy
                    if s < 0:
                        continue
                    free = opacity[i] * np.exp(-s)
                    alpha = min(MAX_ALPHA, free)
                    if alpha < MIN_ALPHA:
                        continue
                    left = t * (1 - alpha)
                    if left <= MIN_TRANSMITTANCE:
                        here[0] = 0.0
                        waiting -= 1
                        continue
                    w = alpha * t
                    here[0] = left
                    here[1] += w * color[i, 0]
                    here[2] += w * color[i, 1]
                    here[3] += w * color[i, 2]
                    weights[i] += w * w
                    if free < MAX_ALPHA:
                        end = picture[y, x]
                        e = slope_by_alpha(
                            t,
                            color[i],
                            here[1],
                            here[2],
                            here[3],
                            end[0],
                            end[1],
                            end[2],
                            1.0 - end[3],
                            alpha,
                        )
                        p, q = xx * dx + xy * dy, xy * dx + yy * dy
                        v[0], v[1] = -p, -q
                        v[2], v[3], v[4] = (
                            0.5 * p * p + fade[i, 0],
                            p * q + fade[i, 1],
                            0.5 * q * q + fade[i, 2],
                        )
                        v[5] = fade[i, 3]
                        e *= alpha * alpha
                        n = 0
                        for c in range(6):
                            ec = e * v[c]
                            for d in range(c, 6):
                                own[n] += ec * v[d]
                                n += 1
            moments[i] = own
    return foreground


def sum_view(p: Projection, fade: F64, camera: Camera) -> Sums:
    """Moments and weights of one view; fade (N, 4): derivatives of log(opacity rho), see sensitivity."""
    picture = draw(p, camera, alone=True).astype(np.float64)
    moments, weights = np.zeros((len(fade), PAIRS)), np.zeros(len(fade))
    seen = _accumulate(
        p.starts, p.members, p.mean, p.conic, p.opacity, fade, p.color, picture, moments, weights
    )  # fmt: skip
    return moments, weights, int(seen)
