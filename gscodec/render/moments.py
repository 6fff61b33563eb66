"""Sums over the pixels of one view that sensitivities are made of; the CPU's, which cuda/sensitivity.cu is a twin of."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

from gscodec.base.jit import njit
from gscodec.render.cameras import Camera
from gscodec.render.projection import MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE, TILE, Projection
from gscodec.render.rasterize import draw

__all__ = ["DRAWING", "F64", "PAIRS", "Sums", "slope_by_alpha", "sum_view"]

F64 = npt.NDArray[np.float64]
Sums = tuple[F64, F64, int]  # moments (N, PAIRS), weights (N,), foreground pixels of a view

PAIRS = 21  # of the six numbers that alpha depends on, each with itself and those after it
DRAWING = threading.Lock()  # numba's own threads must not be entered from two of ours at once


@njit(nogil=True)
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


@njit(nogil=True)
def _accumulate(starts, members, mean, conic, opacity, fade, color, picture, moments, weights):
    """Fill moments (N, 21) and weights (N,) = sum (alpha T)^2; returns the number of foreground pixels.

    fade (N, 4): derivatives of log(opacity rho) by the covariance xx, xy, yy and by the logit.
    """
    height, width = picture.shape[0], picture.shape[1]
    tiles_x = (width + TILE - 1) // TILE
    v = np.zeros(6)
    foreground = 0
    for tile in range(starts.shape[0] - 1):
        x0, y0 = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
        for y in range(y0, min(y0 + TILE, height)):
            for x in range(x0, min(x0 + TILE, width)):
                if picture[y, x, 3] > MIN_ALPHA:
                    foreground += 1
                t, r, g, b = 1.0, 0.0, 0.0, 0.0
                end_r, end_g, end_b = picture[y, x, 0], picture[y, x, 1], picture[y, x, 2]
                behind_all = 1.0 - picture[y, x, 3]
                for k in range(starts[tile], starts[tile + 1]):
                    i = members[k]
                    dx, dy = mean[i, 0] - (x + 0.5), mean[i, 1] - (y + 0.5)
                    s = 0.5 * (conic[i, 0] * dx * dx + conic[i, 2] * dy * dy) + conic[i, 1] * dx * dy
                    if s < 0:
                        continue
                    free = opacity[i] * np.exp(-s)
                    alpha = min(MAX_ALPHA, free)
                    if alpha < MIN_ALPHA:
                        continue
                    left = t * (1 - alpha)
                    if left <= MIN_TRANSMITTANCE:
                        break
                    w = alpha * t
                    r, g, b = r + w * color[i, 0], g + w * color[i, 1], b + w * color[i, 2]
                    weights[i] += w * w
                    if free < MAX_ALPHA:
                        e = slope_by_alpha(t, color[i], r, g, b, end_r, end_g, end_b, behind_all, alpha)
                        p, q = conic[i, 0] * dx + conic[i, 1] * dy, conic[i, 1] * dx + conic[i, 2] * dy
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
                                moments[i, n] += ec * v[d]
                                n += 1
                    t = left
    return foreground


def sum_view(p: Projection, fade: F64, camera: Camera) -> Sums:
    """Moments and weights of one view; fade (N, 4) as in the module that asks."""
    with DRAWING:
        picture = draw(p, camera).astype(np.float64)
    moments, weights = np.zeros((len(fade), PAIRS)), np.zeros(len(fade))
    seen = _accumulate(
        p.starts, p.members, p.mean, p.conic, p.opacity, fade, p.color, picture, moments, weights
    )  # fmt: skip
    return moments, weights, int(seen)
