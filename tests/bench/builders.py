"""Small clips and points for the tests of the benchmarks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gscodec.bench.curve import Point
from gscodec.splats.model import Splats


def point(setting: float, kb: float, psnr: float = 40.0, **more: dict[str, int]) -> Point:
    return Point(setting, kb, psnr, psnr - 4, 0.99, 2.0, **more)


class Clip(list[Splats]):
    fps = 30.0

    @property
    def names(self) -> list[str]:
        return [f"frame {i}" for i in range(len(self))]


def clip(frames: int = 5, slots: int = 300, sh_count: int = 4) -> Clip:
    """Slots that drift; the row number is told by opacity, so that frames can be compared after sorting."""
    rng = np.random.default_rng(0)
    f32 = np.float32
    first = Splats(
        means=rng.normal(size=(slots, 3)).astype(f32),
        quats=(lambda q: q / np.linalg.norm(q, axis=1, keepdims=True))(rng.normal(size=(slots, 4))).astype(
            f32
        ),
        scales=np.exp(rng.normal(-3, 0.5, (slots, 3))).astype(f32),
        opacities=np.linspace(0.1, 0.9, slots).astype(f32),
        sh=rng.normal(size=(slots, sh_count, 3)).astype(f32),
    )
    drift = rng.normal(0, 0.01, (slots, 3)).astype(f32)
    return Clip(replace(first, means=first.means + t * drift) for t in range(frames))
