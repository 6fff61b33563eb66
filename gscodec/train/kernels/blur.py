"""The Gaussian window of SSIM over planes, borders zero; the map is its own transpose, so it is its own gradient too."""

from __future__ import annotations

import numpy as np
from numba import prange

from gscodec.base.jit import njit

__all__ = ["blur"]


@njit(parallel=True, fastmath={"contract", "nsz"})
def blur(planes, weights, out):
    """Fill out (C, H, W) float32 with planes (C, H, W) float32 under a separable window, weights (odd,) float32."""
    count, height, width = planes.shape
    half = len(weights) // 2
    for c in prange(count):
        across = np.zeros((height, width), np.float32)
        for y in range(height):
            for k in range(len(weights)):
                shift = k - half
                for x in range(max(0, -shift), min(width, width - shift)):
                    across[y, x] += weights[k] * planes[c, y, x + shift]
        for y in range(height):
            for x in range(width):
                out[c, y, x] = 0
            for k in range(max(0, half - y), min(len(weights), height + half - y)):
                for x in range(width):
                    out[c, y, x] += weights[k] * across[y + k - half, x]
