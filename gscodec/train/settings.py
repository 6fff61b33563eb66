"""What a training run is asked to do. No torch here: the command line reads the defaults."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gscodec.base.errors import Misuse

__all__ = ["CODEC_LOSSES", "KERNELS", "PRESETS", "TrainSettings", "preset"]

KERNELS = ("classic", "compensated")
CODEC_LOSSES = (
    "price",
    "grid",
    "calm",
    "entropy",
    "quantise",
    "snap",
)  # what is made for the codec, see codec_losses.py
LEAST = {"gaussians": 1, "key_iterations": 1, "nodes": 1, "motion_iterations": 0, "detail_iterations": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """Iterations are pictures looked at."""

    gaussians: int = 12_000
    key_iterations: int = 2000
    motion_iterations: int = 160
    detail_iterations: int = 120
    nodes: int = 400
    sh_degree: int = 1
    kernel: str = "classic"
    device: str = "cpu"
    seed: int = 0
    codec: tuple[str, ...] = CODEC_LOSSES  # none of them: frames are trained for their pictures alone

    def __post_init__(self) -> None:
        if self.kernel not in KERNELS:
            raise Misuse(f"the kernels trained for are {', '.join(KERNELS)}", kernel=self.kernel)
        if self.sh_degree not in (0, 1):
            raise Misuse("SH of degree 0 or 1 is trained", sh_degree=self.sh_degree)
        if unknown := set(self.codec) - set(CODEC_LOSSES):
            raise Misuse(
                f"the codec's losses are {', '.join(CODEC_LOSSES)}", codec=", ".join(sorted(unknown))
            )
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise Misuse(f"must be at least {least}", **{name: getattr(self, name)})

    def steps(self, *, following: bool) -> int:
        """Iterations of a frame."""
        return self.motion_iterations + self.detail_iterations if following else self.key_iterations


PRESETS: dict[str, dict[str, Any]] = {
    "fast": {"gaussians": 6000, "key_iterations": 1000, "motion_iterations": 120, "detail_iterations": 80},
    "balanced": {},
    "best": {"gaussians": 20_000, "key_iterations": 5000, "motion_iterations": 300, "detail_iterations": 300},
}


def preset(name: str, **given: Any) -> TrainSettings:
    """The settings of a preset, with those that were given (not None) in place of its own."""
    if name not in PRESETS:
        raise Misuse(f"no such preset; there are {', '.join(PRESETS)}", preset=name)
    known = replace(TrainSettings(), **PRESETS[name])
    return replace(known, **{key: value for key, value in given.items() if value is not None})
