"""How alike pictures are around a pixel if what it shows lies at a given depth (plane sweep, Collins 1996)."""

from __future__ import annotations

import numpy as np
from numba import prange

from gscodec.base.jit import njit

__all__ = ["REACH", "UNKNOWN", "sweep"]

REACH = 2  # pixels on each side of the patch's middle
STRIDE = 2  # between the patch's samples
SAMPLES = (2 * REACH + 1) ** 2
UNKNOWN = np.float32(9.0)  # cost where no other picture shows the patch
GAIN_SHARE = np.float32(0.25)  # what a difference of the means counts: exposures differ


@njit(inline="always")
def _at(picture, x, y, c):
    """Bilinear sample; the caller has seen to it that it is inside. Pixel centres at +0.5."""
    x, y = x - 0.5, y - 0.5
    i, j = int(np.floor(x)), int(np.floor(y))
    a, b = np.float32(x - i), np.float32(y - j)
    i, j = max(i, 0), max(j, 0)
    i1, j1 = min(i + 1, picture.shape[1] - 1), min(j + 1, picture.shape[0] - 1)
    top = picture[j, i, c] * (1 - a) + picture[j, i1, c] * a
    return top * (1 - b) + (picture[j1, i, c] * (1 - a) + picture[j1, i1, c] * a) * b


@njit(parallel=True, fastmath={"contract", "nsz"}, error_model="numpy")
def sweep(pictures, sizes, poses, lenses, own, pixels, others, inverse_depths, costs):
    """Fill costs (P, D) float32: mean difference of the patch around each pixel, 0..1, over the better two thirds of
    those `others` that show it (UNKNOWN: none does).

    pictures (V, H, W, 3) float32 0..1, sizes (V, 2) width and height of each inside that; poses (V, 3, 4) world to
    camera; lenses (V, 4) fx, fy, cx, cy; own: index of the pixels' view; pixels (P, 2) x, y; others (K,) views;
    inverse_depths (D,). A patch faces its camera.
    """
    turn, shift = poses[own, :, :3], poses[own, :, 3]
    fx, fy, cx, cy = lenses[own, 0], lenses[own, 1], lenses[own, 2], lenses[own, 3]
    for p in prange(pixels.shape[0]):
        patch = np.empty((SAMPLES, 3), np.float32)
        found = np.empty((SAMPLES, 3), np.float32)
        each = np.empty(len(others), np.float32)
        n = 0
        for v in range(-REACH, REACH + 1):
            for u in range(-REACH, REACH + 1):
                x = min(max(pixels[p, 0] + STRIDE * u, 0.5), sizes[own, 0] - 0.5)
                y = min(max(pixels[p, 1] + STRIDE * v, 0.5), sizes[own, 1] - 0.5)
                for c in range(3):
                    patch[n, c] = _at(pictures[own], x, y, c)
                n += 1
        for d in range(len(inverse_depths)):
            depth = 1 / inverse_depths[d]
            for k in range(len(others)):
                o = others[k]
                each[k] = UNKNOWN
                n = 0
                for v in range(-REACH, REACH + 1):
                    for u in range(-REACH, REACH + 1):
                        a = ((pixels[p, 0] + STRIDE * u - cx) / fx * depth) - shift[0]
                        b = ((pixels[p, 1] + STRIDE * v - cy) / fy * depth) - shift[1]
                        e = depth - shift[2]
                        wx = turn[0, 0] * a + turn[1, 0] * b + turn[2, 0] * e
                        wy = turn[0, 1] * a + turn[1, 1] * b + turn[2, 1] * e
                        wz = turn[0, 2] * a + turn[1, 2] * b + turn[2, 2] * e
                        z = poses[o, 2, 0] * wx + poses[o, 2, 1] * wy + poses[o, 2, 2] * wz + poses[o, 2, 3]
                        if z <= 1e-6:
                            break
                        x = poses[o, 0, 0] * wx + poses[o, 0, 1] * wy + poses[o, 0, 2] * wz + poses[o, 0, 3]
                        y = poses[o, 1, 0] * wx + poses[o, 1, 1] * wy + poses[o, 1, 2] * wz + poses[o, 1, 3]
                        x, y = lenses[o, 0] * x / z + lenses[o, 2], lenses[o, 1] * y / z + lenses[o, 3]
                        if not (x >= 0.5 and y >= 0.5 and x <= sizes[o, 0] - 0.5 and y <= sizes[o, 1] - 0.5):
                            break
                        for c in range(3):
                            found[n, c] = _at(pictures[o], x, y, c)
                        n += 1
                    if n == 0:
                        break
                if n == SAMPLES:
                    each[k] = _unlike(patch, found)
            each.sort()
            seeing = 0
            while seeing < len(others) and each[seeing] < UNKNOWN:
                seeing += 1
            most = max(1, (2 * seeing + 1) // 3)
            total = np.float32(0)
            for k in range(most):
                total += each[k]
            costs[p, d] = total / most


@njit(fastmath={"contract", "nsz"})
def _unlike(a, b):
    """Mean absolute difference of two patches (S, 3) without their means, and a share of that of the means."""
    total = np.float32(0)
    for c in range(3):
        off = np.float32(0)
        for n in range(SAMPLES):
            off += a[n, c] - b[n, c]
        off /= SAMPLES
        for n in range(SAMPLES):
            total += abs(a[n, c] - b[n, c] - off)
        total += GAIN_SHARE * SAMPLES * abs(off)
    return total / (3 * SAMPLES)
