"""Points of a rate-distortion curve, and the rate at a wanted PSNR from two real points around it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

__all__ = ["MAX_GAP_DB", "TARGET_DB", "Knob", "Point", "Rate", "bracket", "rate_at"]

TARGET_DB = 40.0
MAX_GAP_DB = 1.5  # between the two points that the target is interpolated from
OVERSHOOT_DB = 0.5  # how far beyond the target a guess aims, so that it lands on the other side
MAX_TRIES = 7


@dataclass(frozen=True, slots=True)
class Point:
    """One encode, decoded from its file and measured."""

    setting: float  # quality, or QP
    kb: float  # kilobytes (1000) a frame, whole file
    psnr: float  # foreground, mean over views and frames, dB
    worst: float  # the lowest view and frame
    ssim: float
    seconds: float  # of the encode
    bytes_by: dict[str, int] = field(default_factory=dict)  # of the whole sequence, where the codec tells


@dataclass(frozen=True, slots=True)
class Rate:
    """Kilobytes a frame at the target; `extrapolated` where no points lie on both sides of it."""

    kb: float
    seconds: float
    points: tuple[Point, ...]
    extrapolated: bool

    def __str__(self) -> str:
        digits = 2 if self.kb < 10 else 1
        return f"{self.kb:.{digits}f}{' e' if self.extrapolated else ''}"


@dataclass(frozen=True, slots=True)
class Knob:
    """How a setting moves PSNR, to first order, and where it ends."""

    db_per_step: float  # negative for a QP
    low: float
    high: float
    start: float
    whole: bool = False

    def clamp(self, setting: float) -> float:
        value = min(max(setting, self.low), self.high)
        return float(round(value)) if self.whole else round(value, 2)


def bracket(
    measure: Callable[[float], Point], knob: Knob, known: Sequence[Point] = (), target: float = TARGET_DB
) -> list[Point]:
    """Measure until two points lie around the target at most MAX_GAP_DB apart; all points, by PSNR.

    Stops early where the knob is at its end, or no setting lies between the two.
    """
    points = list(known) or [measure(knob.start)]
    for _ in range(MAX_TRIES):
        guess = knob.clamp(_next_setting(points, knob, target))
        settled = _gap(points, target) <= MAX_GAP_DB
        if settled or guess in [p.setting for p in points]:
            break
        points.append(measure(guess))
    return sorted(points, key=lambda p: p.psnr)


def _around(points: Sequence[Point], target: float) -> tuple[Point | None, Point | None]:
    below = [p for p in points if p.psnr < target]
    above = [p for p in points if p.psnr >= target]
    return (
        max(below, key=lambda p: p.psnr, default=None),
        min(above, key=lambda p: p.psnr, default=None),
    )


def _gap(points: Sequence[Point], target: float) -> float:
    below, above = _around(points, target)
    return above.psnr - below.psnr if below and above else math.inf


def _next_setting(points: Sequence[Point], knob: Knob, target: float) -> float:
    """The setting that should land a little beyond the target, on the side that lacks a near point."""
    below, above = _around(points, target)
    if below is not None and above is not None:
        slope = (above.setting - below.setting) / (above.psnr - below.psnr)
        far_above = above.psnr - target > target - below.psnr
        aim = OVERSHOOT_DB if far_above else -OVERSHOOT_DB
        return below.setting + slope * (target + aim - below.psnr)
    nearest = below or above
    assert nearest is not None, "at least one point is known"
    aim = OVERSHOOT_DB if nearest is below else -OVERSHOOT_DB
    return nearest.setting + (target + aim - nearest.psnr) / knob.db_per_step


def rate_at(points: Sequence[Point], target: float = TARGET_DB) -> Rate:
    """Kilobytes at the target, linear in log rate between the nearest points (or along the last two)."""
    ordered = sorted(points, key=lambda p: p.psnr)
    above = next((i for i, p in enumerate(ordered) if p.psnr >= target), len(ordered))
    extrapolated = above in (0, len(ordered))
    if len(ordered) == 1:
        return Rate(ordered[0].kb, ordered[0].seconds, tuple(ordered), ordered[0].psnr != target)
    i = min(max(above, 1), len(ordered) - 1)
    a, b = ordered[i - 1], ordered[i]
    share = (target - a.psnr) / (b.psnr - a.psnr) if b.psnr > a.psnr else 0.0
    kb = math.exp(math.log(a.kb) + share * (math.log(b.kb) - math.log(a.kb)))
    exact = any(p.psnr == target for p in ordered)
    return Rate(kb, (a.seconds + b.seconds) / 2, (a, b), extrapolated and not exact)
