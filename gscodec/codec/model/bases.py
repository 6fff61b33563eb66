"""Temporal bases of a group: DCT, or explicit (KLT) where that is cheaper, and how many coefficients are worth having."""

from __future__ import annotations

import numpy as np

from gscodec.base.jit import njit
from gscodec.codec.planes import BASIS_SCALE
from gscodec.codec.segment import BASIS_DCT, BASIS_EXPLICIT, BASIS_NONE, MAX_COEFFICIENTS
from gscodec.codec.series import dct

__all__ = ["choose_basis", "frame_weights", "project"]

BITS_PER_ENTRY = 8.0  # of an explicit basis, as measured on the coded SIDE section
# What a squared error in a group's first and last frame counts beside one in the others. Slow coefficients are at their
# largest there, so their errors are, too, and the next group's errors differ: that is a seam.
END_WEIGHT = 1.25
KEEP = 0.55  # a coefficient that is nowhere above this share of its step is not sent
SAMPLE = 20000  # of the series, by which the shape of a basis is chosen
AT_A_TIME = 1024  # series at a time where all are looked at: what fits the processor's cache


def _cost(coefs: np.ndarray) -> float:
    """Bits of coefficients (M, K) in units of their steps: a Laplacian's entropy, roughly."""
    return float(np.log2(1 + np.abs(coefs)).sum() * 2.0)


def _useful(above: np.ndarray, rows: int) -> int:
    """Number of leading coefficients up to the last that more than two slots need (of a few slots: one); above (K,):
    slots that need each."""
    needed = np.flatnonzero(above > min(2, (rows - 1) // 2))
    return min(int(needed[-1]) + 1, MAX_COEFFICIENTS) if needed.size else 0


@njit
def _above(coefs, steps, limit):
    """(K,) how many of each column's magnitudes are above the limit, in steps; coefs (M, K), steps (M,)."""
    counts = np.zeros(coefs.shape[1], np.int64)
    for i in range(coefs.shape[0]):
        least = limit * steps[i]
        for j in range(coefs.shape[1]):
            counts[j] += abs(coefs[i, j]) > least
    return counts


@njit
def _moves(series, steps, shared, limit):
    """Whether any of series (M, T) is anywhere further from its mean (`shared`: from 0) than the limit, in steps (M,)."""
    for i in range(series.shape[0]):
        mean = 0.0 if shared else series[i].mean()
        for t in range(series.shape[1]):
            if abs(series[i, t] - mean) > limit * steps[i]:
                return True
    return False


def choose_basis(
    series: np.ndarray, steps: np.ndarray, *, shared: bool = False, explicit: bool = True
) -> tuple[int, np.ndarray, np.ndarray]:
    """(kind, basis (K, T), integers of an explicit basis or empty) for series (M, T), each in steps (M,).

    `shared`: the base is another segment's, so the mean is coded as well. `explicit`: whether one may be chosen.
    """
    rows, t = series.shape
    if not _moves(series, steps, shared, 0.3):
        return BASIS_NONE, np.zeros((0, t)), np.zeros(0, np.int64)
    pick = np.linspace(0, rows - 1, min(rows, SAMPLE)).astype(int)
    share, sample = rows / len(pick), series[pick] / steps[pick, None]
    if not shared:
        sample -= sample.mean(axis=1, keepdims=True)
    cos = dct(t)[0 if shared else 1 :]
    root = np.sqrt(frame_weights(t))
    weighted = sample * root
    values, vectors = np.linalg.eigh(_robust_covariance(weighted))
    klt = vectors[:, ::-1].T[: len(cos)]
    klt = klt * np.sign(klt[np.arange(len(klt)), np.abs(klt).argmax(1)])[:, None]
    onto = np.concatenate([cos, klt * root])
    if not shared:
        onto -= onto.mean(axis=1, keepdims=True)  # of the series without their means
    above = sum(
        _above(series[at : at + AT_A_TIME] @ onto.T, steps[at : at + AT_A_TIME], KEEP)
        for at in range(0, rows, AT_A_TIME)
    )
    k_cos, k_klt = _useful(above[: len(cos)], rows), _useful(above[len(cos) :], rows)
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
