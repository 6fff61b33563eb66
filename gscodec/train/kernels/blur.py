"""The Gaussian window of SSIM over planes, borders zero; the map is its own transpose, so it is its own gradient too."""

from __future__ import annotations

import numpy as np
from numba import prange

from gscodec.base.jit import njit

__all__ = ["TAPS", "blur"]

TAPS = 11  # known to the compiler, so that it unrolls the loop over them
HALF = TAPS // 2


@njit(parallel=True, fastmath={"contract", "nsz"}, error_model="numpy")
def blur(planes, weights, out):
    """Fill out (C, H, W) float32 with planes (C, H, W) float32 under a separable window, weights (TAPS,) float32."""
    count, height, width = planes.shape
    for c in prange(count):
        line = np.zeros(width + 2 * HALF, np.float32)
        across = np.zeros((height + 2 * HALF, width), np.float32)
        for y in range(height):
            line[HALF : HALF + width] = planes[c, y]
            for x in range(width):
                total = np.float32(0)
                for k in range(TAPS):
                    total += weights[k] * line[x + k]
                across[y + HALF, x] = total
        for y in range(height):
            for x in range(width):
                total = np.float32(0)
                for k in range(TAPS):
                    total += weights[k] * across[y + k, x]
                out[c, y, x] = total
