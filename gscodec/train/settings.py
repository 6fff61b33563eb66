"""What a training run is asked to do. No torch here: the command line reads the defaults."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gscodec.base.errors import Misuse

__all__ = ["PRESETS", "TrainSettings", "preset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """Iterations are pictures looked at. `frames`: None for all of the capture."""

    gaussians: int = 12_000
    key_iterations: int = 2000
    motion_iterations: int = 160
    detail_iterations: int = 120
    nodes: int = 400
    sh_degree: int = 1
    kernel: str = "classic"
    frames: int | None = None
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sh_degree not in (0, 1):
            raise Misuse("SH of degree 0 or 1 is trained", sh_degree=self.sh_degree)
        for name in ("gaussians", "key_iterations", "nodes"):
            if getattr(self, name) < 1:
                raise Misuse("must be at least 1", **{name: getattr(self, name)})


PRESETS: dict[str, dict[str, Any]] = {
    "fast": {"gaussians": 6000, "key_iterations": 1000, "motion_iterations": 80, "detail_iterations": 60},
    "balanced": {},
    "best": {"gaussians": 20_000, "key_iterations": 5000, "motion_iterations": 300, "detail_iterations": 300},
}


def preset(name: str, **given: Any) -> TrainSettings:
    """The settings of a preset, with those that were given (not None) in place of its own."""
    if name not in PRESETS:
        raise Misuse(f"no such preset; there are {', '.join(PRESETS)}", preset=name)
    known = replace(TrainSettings(), **PRESETS[name])
    return replace(known, **{key: value for key, value in given.items() if value is not None})
