"""What a training run is asked to do. No torch here: the command line reads the defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from gscodec.base.errors import Misuse
from gscodec.codec.settings import DEFAULT_QUALITY

__all__ = ["CODEC_LOSSES", "KERNELS", "PRESETS", "TrainSettings", "preset"]

KERNELS = ("classic", "compensated", "analytic")
CODEC_LOSSES = ("price", "grid", "calm", "entropy", "quantise", "snap")  # see codec_losses.py
MOST_PRUNED = 0.9
LEAST = {
    "gaussians": 1, "key_iterations": 1, "nodes": 1, "motion_iterations": 0, "detail_iterations": 0,
    "views_per_step": 1, "preview_every": 0, "mask_weight": 0, "gop": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """Iterations are pictures looked at.

    `prune`: the key frame is trained with gaussians / (1 - prune) slots, of which those that contribute least go; with the codec's `price`, fewer.
    `start_share`: of these slots, those that are seeded; the others grow. `mask_weight`: of learnt masks (0: none),
    which leave fewer than `gaussians`. `camera_colours`: each training camera has a colour map of its own.
    `preview_every`: pictures between previews of a key frame (0: none). `distil_from`: the key frame is trained with SH
    of that degree, then distilled to `sh_degree` in a fifth of its iterations more. `gop`: frames that are trained one
    after the other, rounded up to whole GOPs of the encoder; 0: as many as it keeps a base for (see plan.py).
    """

    gaussians: int = 12_000
    key_iterations: int = 3000
    motion_iterations: int = 160
    detail_iterations: int = 120
    nodes: int = 400
    sh_degree: int = 1
    kernel: str = "classic"
    device: str = "cpu"
    seed: int = 0
    views_per_step: int = 1
    start_share: float = 1.0
    prune: float = 0.0
    mask_weight: float = 0.0
    camera_colours: bool = False
    gop: int = 0
    preview_every: int = 250
    distil_from: int = 0
    births: bool = True  # inside a GOP, in slots that are free, where the picture is lost
    quality: float = DEFAULT_QUALITY  # of the encode that `codec` works for
    codec: tuple[str, ...] = CODEC_LOSSES  # none of them: frames are trained for their pictures alone

    def __post_init__(self) -> None:
        if self.kernel not in KERNELS:
            raise Misuse(f"the kernels trained for are {', '.join(KERNELS)}", kernel=self.kernel)
        if self.sh_degree not in (0, 1):
            raise Misuse("SH of degree 0 or 1 is trained", sh_degree=self.sh_degree)
        if self.distil_from not in (0, 2, 3):
            raise Misuse("SH are distilled from degree 2 or 3, or not (0)", distil_from=self.distil_from)
        if not 0 <= self.prune <= MOST_PRUNED:
            raise Misuse(f"a share of the slots, {MOST_PRUNED} at most", prune=self.prune)
        if not 0 < self.start_share <= 1:
            raise Misuse("a share of the slots, up to 1", start_share=self.start_share)
        if unknown := set(self.codec) - set(CODEC_LOSSES):
            raise Misuse(
                f"the codec's losses are {', '.join(CODEC_LOSSES)}", codec=", ".join(sorted(unknown))
            )
        if not 0 <= self.quality <= 100:
            raise Misuse("quality is a number from 0 to 100", quality=self.quality)
        for name, least in LEAST.items():
            if not least <= getattr(self, name) < math.inf:
                raise Misuse(f"must be at least {least}", **{name: getattr(self, name)})

    @property
    def distil_iterations(self) -> int:
        return self.key_iterations // 5 if self.distil_from else 0

    def steps(self, *, following: bool) -> int:
        """Iterations of a frame."""
        if following:
            return self.motion_iterations + self.detail_iterations
        return self.key_iterations + self.distil_iterations


PRESETS: dict[str, dict[str, Any]] = {
    "fast": {"gaussians": 6000, "key_iterations": 1000, "motion_iterations": 120, "detail_iterations": 80},
    "balanced": {},
    "best": {"gaussians": 20_000, "key_iterations": 6000, "motion_iterations": 300, "detail_iterations": 300},
}


def preset(name: str, **given: Any) -> TrainSettings:
    """The settings of a preset, with those that were given (not None) in place of its own."""
    if name not in PRESETS:
        raise Misuse(f"no such preset; there are {', '.join(PRESETS)}", preset=name)
    known = replace(TrainSettings(), **PRESETS[name])
    return replace(known, **{key: value for key, value in given.items() if value is not None})
