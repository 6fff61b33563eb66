"""How good an encode looks to the encoder, and the lambda to try next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gscodec.base.threads import in_threads
from gscodec.codec.decoder import Gop
from gscodec.splats.model import Splats

if TYPE_CHECKING:
    from gscodec.render.cameras import Camera
    from gscodec.render.metrics import Picture

__all__ = ["Check", "next_lambda", "stalled"]

DB_AN_OCTAVE = 5.0  # PSNR lost when lambda doubles: a first guess, then a secant
STALLED_DB = 0.25  # an octave that gains no more than this is worth no bytes


class Check:
    """Foreground PSNR of decoded frames on a few of the encoder's own views, against the source."""

    def __init__(self, frames: Sequence[Splats], most: int, cameras: Sequence[Camera], kernel: str) -> None:
        """`most`: frames that are looked at."""
        n, count = min(most, len(frames)), len(frames)
        self.times = sorted({int((i + 0.5) * count / n) for i in range(n)})
        self.cameras, self.kernel = cameras, kernel
        self.want = self._render({t: frames[t] for t in self.times})

    def _render(self, frames: dict[int, Splats]) -> list[Picture]:
        """The pictures of all times and cameras, a view a thread."""
        from gscodec.render.rasterize import rasterize

        views = [(t, camera) for t in self.times for camera in self.cameras]
        return in_threads(lambda v: rasterize(frames[v[0]], v[1], kernel=self.kernel, alone=True), views)

    def measure(self, gop: Gop) -> tuple[float, float]:
        """(mean, worst) dB."""
        from gscodec.render.metrics import psnr

        got = self._render({t: gop.frame(t) for t in self.times})
        values = in_threads(lambda pictures: psnr(*pictures), zip(self.want, got, strict=True))
        return float(np.mean(values)), float(np.min(values))


def next_lambda(seen: list[tuple[float, float]], want: float) -> float:
    """log2 of the lambda to try after (log2 lambda, dB) were `seen`, by the secant of the last two."""
    slope = -DB_AN_OCTAVE
    if len(seen) > 1 and abs(seen[-1][0] - seen[-2][0]) > 1e-3:
        slope = (seen[-1][1] - seen[-2][1]) / (seen[-1][0] - seen[-2][0])
        slope = min(max(slope, -9.0), -2.5)
    return seen[-1][0] + float(np.clip((want - seen[-1][1]) / slope, -4, 4))


def stalled(seen: list[tuple[float, float]]) -> bool:
    """Whether the last of (log2 lambda, dB) brought next to nothing for an octave or more: something else is coarse."""
    if len(seen) < 2:
        return False
    (before, had), (now, has) = seen[-2:]
    return before - now >= 1 and has - had < STALLED_DB * (before - now)
