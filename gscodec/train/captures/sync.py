"""Are cameras in step? The energy of motion rises and falls in all of them at once; shifts between them are found by correlation.

For who doubts a capture, and for its tests: no run asks by itself, for an offset is clear only from several times
MAX_OFFSET frames of every view, which all would have to be decoded before training begins.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gscodec.train.captures.model import Capture

__all__ = ["estimate_offsets", "motion_energy", "offsets_of"]

F64 = npt.NDArray[np.float64]

MAX_OFFSET = 15  # frames searched each way
STRIDE = 4  # pixels looked at each way: energy is a mean over many
SMOOTH = 5  # frames of the running mean taken off: what is left is change, which two cameras share


def estimate_offsets(
    capture: Capture, *, frames: range | None = None, max_offset: int = MAX_OFFSET
) -> list[int]:
    """How many frames each view lags behind the first: its frame n + offset shows the first one's frame n.

    Looks at all frames, or at the given range.
    """
    return offsets_of(motion_energy(capture, frames or range(capture.n_frames)), max_offset)


def motion_energy(capture: Capture, frames: range) -> F64:
    """(views, frames - 1) mean absolute change of brightness from frame to frame."""
    out = np.zeros((len(capture.views), len(frames) - 1))
    for view in range(len(capture.views)):
        last = None
        for i, frame in enumerate(frames):
            now = capture.picture(view, frame).rgb[::STRIDE, ::STRIDE].astype(np.float32).mean(axis=2)
            if last is not None:
                out[view, i - 1] = np.abs(now - last).mean()
            last = now
    return out


def offsets_of(energy: F64, max_offset: int = MAX_OFFSET) -> list[int]:
    """Offsets of each row against the first, that make all pairs of rows agree best: one row moved at a time."""
    n = len(energy)
    max_offset = min(max_offset, energy.shape[1] // 3)
    clean = np.array([_detrended(row) for row in energy])
    shifts = np.arange(-2 * max_offset, 2 * max_offset + 1)
    table = np.array([[[_agreement(a, b, int(s)) for s in shifts] for b in clean] for a in clean])
    offsets = np.zeros(n, np.int64)
    for _ in range(4 * n):
        before = offsets.copy()
        for i in range(n):
            tries = np.arange(-max_offset, max_offset + 1)
            scores = [
                sum(table[j, i, t - offsets[j] + 2 * max_offset] for j in range(n) if j != i) for t in tries
            ]
            offsets[i] = tries[int(np.argmax(scores))]
        if (offsets == before).all():
            break
    return [int(o - offsets[0]) for o in offsets]


def _detrended(row: F64) -> F64:
    """Log energy without its running mean."""
    x = np.log(row + 1e-3)
    kernel = np.ones(4 * SMOOTH + 1) / (4 * SMOOTH + 1)
    padded = (
        np.pad(x, 2 * SMOOTH, mode="reflect") if len(x) > 2 * SMOOTH else np.pad(x, 2 * SMOOTH, mode="edge")
    )
    return np.asarray(x - np.convolve(padded, kernel, "valid"))


def _agreement(a: F64, b: F64, shift: int) -> float:
    """Correlation of a[n] with b[n + shift] over the frames that both have."""
    n = len(a) - abs(shift)
    if n < 8:
        return -1.0
    p = a[max(0, -shift) :][:n]
    q = b[max(0, shift) :][:n]
    p, q = p - p.mean(), q - q.mean()
    return float(p @ q / max(float(np.sqrt((p @ p) * (q @ q))), 1e-12))
