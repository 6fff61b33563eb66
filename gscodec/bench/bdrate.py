"""The Bjontegaard difference of two rate curves: how much more rate one needs at equal PSNR, on average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gscodec.base.errors import Misuse
from gscodec.bench.curve import Point

__all__ = ["BdRate", "bd_rate"]

MIN_POINTS = 3  # fewer do not make a curve


@dataclass(frozen=True, slots=True)
class BdRate:
    """`percent`: rate of the test over that of the anchor, less one, times 100; over `low`..`high` dB."""

    percent: float
    low: float
    high: float


def bd_rate(anchor: Sequence[Point], test: Sequence[Point]) -> BdRate | None:
    """The mean difference in log rate over the PSNR that both curves cover; None where they share no PSNR.

    Log rate over PSNR by a piecewise cubic that keeps monotone data monotone (Fritsch and Carlson 1980), as in
    the ITU's technical paper HSTP-VID-WPOM; the cubic of four points of the first proposal (VCEG-M33) swings
    where points lie unevenly. Raises Misuse for fewer than MIN_POINTS points on a curve.
    """
    from scipy.interpolate import PchipInterpolator

    curves = [_curve(points) for points in (anchor, test)]
    low = max(float(psnr[0]) for psnr, _ in curves)
    high = min(float(psnr[-1]) for psnr, _ in curves)
    if high <= low:
        return None
    areas = [float(PchipInterpolator(psnr, rate).integrate(low, high)) for psnr, rate in curves]
    return BdRate(100 * float(np.expm1((areas[1] - areas[0]) / (high - low))), low, high)


def _curve(points: Sequence[Point]) -> tuple[np.ndarray, np.ndarray]:
    """(PSNR, log rate) of the points that no other beats, by rising PSNR: more rate for less is no curve."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (-p.psnr, p.kb)):
        if not kept or (point.kb < kept[-1].kb and point.psnr < kept[-1].psnr):
            kept.append(point)
    if len(kept) < MIN_POINTS:
        raise Misuse(f"a rate curve needs {MIN_POINTS} points", points=len(kept))
    psnr = np.array([p.psnr for p in reversed(kept)])
    return psnr, np.log([p.kb for p in reversed(kept)])
