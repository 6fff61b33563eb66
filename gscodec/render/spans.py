"""Which pixels of a tile an ellipse reaches: kernels go over those alone, instead of over all pixels of its tiles."""

from __future__ import annotations

import numpy as np

from gscodec.base.jit import njit
from gscodec.render.projection import MIN_ALPHA

__all__ = ["reach_of", "rows_of", "span_of"]

SLACK = (
    0.05  # of the exponent: kernels in float32 must meet every pixel in which they would find enough alpha
)


@njit
def reach_of(opacity):
    """The exponent s up to which opacity exp(-s) may be MIN_ALPHA or more."""
    return np.log(max(np.float64(opacity) / MIN_ALPHA, 1.0)) + SLACK


@njit
def rows_of(mean_y, xx, xy, yy, reach, y0, y1):
    """Rows y0 <= y < y1 that hold a pixel centre with exponent at most `reach`; xx, xy, yy: the conic (float64)."""
    flat = yy - xy * xy / xx
    if not flat > 0.0:
        return y0, y1
    half = np.sqrt(2.0 * reach / flat)
    low, high = np.ceil(mean_y - half - 0.5), np.floor(mean_y + half - 0.5)
    return int(min(max(low, y0), y1)), int(max(min(high + 1.0, y1), y0))


@njit
def span_of(mean_x, mean_y, xx, xy, yy, reach, y, x0, x1):
    """Columns x0 <= x < x1 of row y whose pixel centres have an exponent of at most `reach`.

    2 s = xx (dx + xy dy / xx)^2 + (yy - xy^2 / xx) dy^2.
    """
    dy = mean_y - (y + 0.5)
    rest = 2.0 * reach - dy * dy * (yy - xy * xy / xx)
    if rest < 0.0:
        return x0, x0
    middle, half = mean_x + xy * dy / xx - 0.5, np.sqrt(rest / xx)
    low, high = np.ceil(middle - half), np.floor(middle + half)
    return int(min(max(low, x0), x1)), int(max(min(high + 1.0, x1), x0))
