"""Temporal bases of a group: DCT, or explicit (KLT) where that is cheaper, and how many coefficients are worth having."""

from __future__ import annotations

import numpy as np

from gscodec.base.jit import njit
from gscodec.codec.planes import BASIS_SCALE
from gscodec.codec.segment import BASIS_DCT, BASIS_EXPLICIT, BASIS_NONE
from gscodec.codec.series import dct

__all__ = ["choose_basis", "frame_weights", "project"]

BITS_PER_ENTRY = 8.0  # of an explicit basis, as measured on the coded SIDE section
# What a squared error in a group's first and last frame counts beside one in the others. Slow coefficients are at their
# largest there, so their errors are, too, and the next group's errors differ: that is a seam.
END_WEIGHT = 1.25
KEEP = 0.55  # a coefficient that is nowhere above this share of its step is not sent
SAMPLE = 20000


def _cost(coefs: np.ndarray) -> float:
    """Bits of coefficients (M, K) in units of their steps: a Laplacian's entropy, roughly."""
    return float(np.log2(1 + np.abs(coefs)).sum() * 2.0)


def _useful(coefs: np.ndarray) -> int:
    """Number of leading coefficients up to the last that more than two slots need (of a few slots: one)."""
    some = min(2, (coefs.shape[0] - 1) // 2)
    needed = np.flatnonzero(_count_above(coefs, KEEP) > some)
    return int(needed[-1]) + 1 if needed.size else 0


@njit
def _count_above(coefs, limit):
    """(K,) how many of each column's magnitudes are above the limit; coefs (M, K)."""
    counts = np.zeros(coefs.shape[1], np.int64)
    for i in range(coefs.shape[0]):
        for j in range(coefs.shape[1]):
            counts[j] += abs(coefs[i, j]) > limit
    return counts


def choose_basis(
    series: np.ndarray, *, shared: bool = False, explicit: bool = True
) -> tuple[int, np.ndarray, np.ndarray]:
    """(kind, basis (K, T), integers of an explicit basis or empty) for series (M, T) in units of their steps.

    `shared`: the base is another segment's, so the mean is coded as well. `explicit`: whether one may be chosen.
    """
    t = series.shape[1]
    centred = series if shared else series - series.mean(axis=1, keepdims=True)
    if not np.abs(centred).max(initial=0.0) > 0.3:
        return BASIS_NONE, np.zeros((0, t)), np.zeros(0, np.int64)
    if centred.shape[0] > SAMPLE:
        pick = np.linspace(0, centred.shape[0] - 1, SAMPLE).astype(int)
        share, sample = centred.shape[0] / SAMPLE, centred[pick]
    else:
        share, sample = 1.0, centred
    cos = dct(t)[0 if shared else 1 :]
    by_cos = centred @ cos.T
    root = np.sqrt(frame_weights(t))
    weighted = sample * root
    values, vectors = np.linalg.eigh(_robust_covariance(weighted))
    klt = vectors[:, ::-1].T[: len(cos)]
    klt = klt * np.sign(klt[np.arange(len(klt)), np.abs(klt).argmax(1)])[:, None]
    k_cos, k_klt = _useful(by_cos), _useful(centred * root @ klt.T)
    integers = np.round(klt[:k_klt] / root * BASIS_SCALE).astype(np.int64)
    # Both of the weighted series: what finer ends cost must not decide between the two shapes.
    cost_cos = _cost(weighted @ cos[:k_cos].T) * share
    cost_klt = _cost(weighted @ klt[:k_klt].T) * share + k_klt * t * BITS_PER_ENTRY
    if explicit and k_klt and cost_klt < cost_cos:
        return BASIS_EXPLICIT, integers / BASIS_SCALE, integers
    if k_cos == 0:
        return BASIS_NONE, np.zeros((0, t)), np.zeros(0, np.int64)
    return BASIS_DCT, cos[:k_cos], np.zeros(0, np.int64)


def _robust_covariance(sample: np.ndarray) -> np.ndarray:
    """Covariance with slots of huge motion weighed down, since bits grow with the logarithm."""
    weight = 1.0 / np.sqrt(1.0 + (sample**2).mean(axis=1))
    return np.asarray((sample * weight[:, None]).T @ (sample * weight[:, None]))


def frame_weights(t: int) -> np.ndarray:
    """(T,) weights of squared errors by frame, geometric mean 1: at equal steps, bits stay what they are.

    The rows of an explicit basis are those of an orthonormal one of the series times sqrt(weight), divided by
    sqrt(weight) again, so a frame's quantisation noise has 1 / weight of the energy.
    """
    log = np.zeros(t)
    log[[0, -1]] = np.log(END_WEIGHT)
    return np.exp(log - log.mean())


def project(series: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """(..., K) coefficients of series (..., T), least squares under the weights of frames."""
    weighted = basis * frame_weights(basis.shape[1])
    return np.asarray(series @ (weighted.T @ np.linalg.inv(weighted @ basis.T)))
