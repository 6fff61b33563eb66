"""How much finer or coarser a rotation is quantised about each axis, from the slot's own decoded scales (SPEC.md 5.6).

Turning a Gaussian by a small angle about axis k changes its picture in proportion to 2 sinh|ls_i - ls_j|, `ls` the log
scales of the two other axes: about the axis of a disc nothing changes, about the others much. So steps about the three
axes differ by a power of two that both sides know.
"""

from __future__ import annotations

import numpy as np

__all__ = ["SHIFT_BIAS", "THRESHOLDS", "rotation_shifts", "weakest_axis"]

SHIFT_BIAS = 1  # the shift at which 2 sinh = 1
SHIFTS = 1 + 8
GAP_ONE = 65536  # of log scale 1
SCALE_LIMIT = 1 << 19
UNIT_LIMIT = 1 << 20
# A shift is the number of thresholds above the gap. Falling; in 1/65536 of a natural logarithm.
THRESHOLDS = np.round(
    GAP_ONE * np.arcsinh(0.5 * 2.0 ** ((SHIFT_BIAS - 0.5 - np.arange(SHIFTS)) / 0.7))
).astype(np.int64)


def rotation_shifts(scales: np.ndarray, units: np.ndarray) -> np.ndarray:
    """(3, N) int64 shifts 0..9 of the steps about each axis. scales (3, N) int64 log scales in units (3,) float32."""
    whole = np.minimum(np.floor(units.astype(np.float64) * GAP_ONE + 0.5), UNIT_LIMIT).astype(np.int64)
    logs = np.clip(scales, -SCALE_LIMIT, SCALE_LIMIT) * whole[:, None]
    gaps = np.abs(np.stack([logs[1] - logs[2], logs[0] - logs[2], logs[0] - logs[1]]))
    return np.asarray(np.maximum(0, SHIFTS - np.searchsorted(THRESHOLDS[::-1], gaps, side="right")))


def weakest_axis(scales: np.ndarray, units: np.ndarray) -> np.ndarray:
    """(N,) int64: the axis of the largest shift, the lowest on ties."""
    return np.asarray(rotation_shifts(scales, units).argmax(axis=0))
