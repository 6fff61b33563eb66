"""The project's measure of a sequence against a reference (DESIGN section 5, "The measure")."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gscodec.base.errors import BadInput
from gscodec.render.cameras import Camera
from gscodec.render.metrics import Picture, foreground, mse_to_psnr, over, psnr, ssim
from gscodec.render.rasterize import rasterize
from gscodec.render.views import random_views, views_of

if TYPE_CHECKING:
    from gscodec.base.progress import Progress
    from gscodec.splats.model import SplatSequence

__all__ = ["Report", "change_psnr", "compare", "measured_frames", "random_views", "views_of"]

FRAMES = 5


@dataclass(slots=True)
class Report:
    """By view and frame; temporal figures are NaN where they were not measured."""

    psnr: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    temporal: list[float] = field(default_factory=list)  # every consecutive pair and view
    temporal_border: list[float] = field(default_factory=list)  # those across GOP borders
    temporal_inside: list[float] = field(default_factory=list)  # the others, where borders are known

    @property
    def psnr_mean(self) -> float:
        return float(np.mean(self.psnr))

    @property
    def psnr_worst(self) -> float:
        return float(np.min(self.psnr))

    @property
    def ssim_mean(self) -> float:
        return float(np.mean(self.ssim))

    def to_json(self) -> dict[str, Any]:
        """psnr.mean, psnr.worst, ssim.mean, temporal.mean (null where not measured), and of pairs inside GOPs
        and across their borders where there are both."""
        temporal = {"mean": float(np.mean(self.temporal)) if self.temporal else None}
        if self.temporal_border:
            temporal["border"] = float(np.mean(self.temporal_border))
        if self.temporal_border and self.temporal_inside:
            temporal["inside"] = float(np.mean(self.temporal_inside))
        return {
            "psnr": {"mean": self.psnr_mean, "worst": self.psnr_worst},
            "ssim": {"mean": self.ssim_mean},
            "temporal": temporal,
        }


def measured_frames(count: int) -> list[int]:
    """floor(i (T - 1) / 4 + 0.5), i = 0..4, without repeats."""
    return sorted({int(i * (count - 1) / (FRAMES - 1) + 0.5) for i in range(FRAMES)})


def compare(
    reference: SplatSequence,
    test: SplatSequence,
    cameras: list[Camera],
    *,
    kernel: str = "classic",
    temporal: bool = False,
    borders: list[int] | None = None,
    progress: Progress | None = None,
    drawn: dict[tuple[int, int], Picture] | None = None,
) -> Report:
    """Measure `test` against `reference`. `borders`: first frames of GOPs.

    drawn: pictures of the reference by frame and number of the camera, taken from there and added to it, for who
    measures several tests by the same cameras and kernel. Raises BadInput for unequal lengths.
    """
    if len(reference) != len(test):
        raise BadInput("sequences differ in length", reference=len(reference), test=len(test))
    report = Report()
    before: list[tuple[Picture, Picture]] = []
    chosen = set(measured_frames(len(reference)))
    for t in range(len(reference)):
        if t not in chosen and not temporal:
            continue
        a, b = reference[t], test[t]
        pairs = []
        for number, camera in enumerate(cameras):
            want = drawn.get((t, number)) if drawn is not None else None
            if want is None:
                want = rasterize(a, camera, kernel=kernel)
            if drawn is not None:
                drawn[t, number] = want
            pairs.append((want, rasterize(b, camera, kernel=kernel)))
        if t in chosen:
            report.psnr += [psnr(x, y) for x, y in pairs]
            report.ssim += [ssim(x, y) for x, y in pairs]
        if temporal and before:
            values = [change_psnr(p, q) for p, q in zip(before, pairs, strict=True)]
            report.temporal += values
            if borders:
                at_border = t in borders
                (report.temporal_border if at_border else report.temporal_inside).extend(values)
        before = pairs
        if progress:
            progress.advance(2 * len(cameras))
    return report


def change_psnr(
    before: tuple[Picture, Picture], now: tuple[Picture, Picture], valid: np.ndarray | None = None
) -> float:
    """PSNR of the difference between the two pictures' change, over the foreground of the four pictures.

    `valid` (H, W) bool: pixels that count; None: all.
    """
    seen = foreground(*before) | foreground(*now)
    if valid is not None:
        seen = seen & valid
    if not seen.any():
        return mse_to_psnr(0.0)
    errors = []
    for g in (0.0, 1.0):
        want = over(now[0], g)[seen].astype(np.float64) - over(before[0], g)[seen]
        got = over(now[1], g)[seen].astype(np.float64) - over(before[1], g)[seen]
        errors.append(np.mean((want - got) ** 2))
    return mse_to_psnr(float(np.mean(errors)))
