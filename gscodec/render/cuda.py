"""The sums of the sensitivity pass on the GPU (cuda/sensitivity.cu). Loads no torch."""

from __future__ import annotations

import threading
from ctypes import c_int, c_int64

import numpy as np

from gscodec.base import cuda
from gscodec.render.cameras import Camera
from gscodec.render.moments import F64, PAIRS, Sums
from gscodec.render.projection import MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE, Projection

__all__ = ["sensitivity_arguments", "sum_on_gpu"]

ONE_VIEW = threading.Lock()  # on the GPU at a time: memory stays bounded, and a view fills the GPU anyway


def sensitivity_arguments(
    p: Projection, fade: F64, camera: Camera, sums: F64, seen: np.ndarray
) -> tuple[object, ...]:
    """Arguments of gs_sensitivity; sums (N, 22) and seen (tiles,) int32 are filled."""
    return (
        c_int64(len(p.mean)), c_int64(len(p.starts) - 1), c_int(camera.width), c_int(camera.height),
        np.array([MIN_ALPHA, MAX_ALPHA, MIN_TRANSMITTANCE]), p.starts, p.members, p.mean, p.conic, p.opacity,
        fade, p.color, sums, seen,
    )  # fmt: skip


def sum_on_gpu(p: Projection, fade: F64, camera: Camera) -> Sums:
    """Moments, weights and foreground pixels of one view, float64 as on the CPU; the order of sums differs.

    Raises MissingDependency without a GPU or nvcc, GscodecError where the GPU fails.
    """
    sums, seen = np.zeros((len(fade), PAIRS + 1)), np.zeros(len(p.starts) - 1, np.int32)
    library = cuda.load("sensitivity")
    with ONE_VIEW:
        cuda.call(library, "gs_sensitivity", *sensitivity_arguments(p, fade, camera, sums, seen))
    return np.ascontiguousarray(sums[:, :PAIRS]), sums[:, PAIRS].copy(), int(seen.sum())
