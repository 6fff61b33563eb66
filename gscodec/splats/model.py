"""Splats: the Gaussians of one frame as arrays; SplatSequence: frames read lazily."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["F32", "SH_COUNTS", "SplatSequence", "Splats"]

F32 = npt.NDArray[np.float32]

SH_COUNTS = (1, 4, 9, 16)  # spherical harmonics a channel, by degree


@dataclass(frozen=True, slots=True, kw_only=True)
class Splats:
    """The Gaussians of one frame, activated (gsplat's names and conventions).

    All arrays float32 and C-contiguous. Conversions to logs and logits happen at the format and model borders.
    """

    means: F32  # (N, 3) world units
    quats: F32  # (N, 4) wxyz, unit
    scales: F32  # (N, 3) linear standard deviations, world units
    opacities: F32  # (N,) 0..1
    sh: F32  # (N, K, 3) spherical harmonics, K in SH_COUNTS, order and sign as INRIA's
    up: tuple[float, float, float] = field(default=(0.0, -1.0, 0.0))
    antialiased: bool = False  # trained with the compensated kernel
    unit_m: float = 1.0  # metres in one world unit

    def __len__(self) -> int:
        return int(self.means.shape[0])

    @property
    def sh_degree(self) -> int:
        return SH_COUNTS.index(self.sh.shape[1])

    def take(self, rows: npt.NDArray[np.integer]) -> Splats:
        """The given rows, in the given order."""
        from dataclasses import replace

        return replace(
            self,
            means=np.ascontiguousarray(self.means[rows]),
            quats=np.ascontiguousarray(self.quats[rows]),
            scales=np.ascontiguousarray(self.scales[rows]),
            opacities=np.ascontiguousarray(self.opacities[rows]),
            sh=np.ascontiguousarray(self.sh[rows]),
        )


class SplatSequence(Protocol):
    """Frames in order; nothing holds a whole sequence in memory."""

    @property
    def fps(self) -> float: ...

    @property
    def names(self) -> list[str]: ...  # where each frame comes from, for messages

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Splats: ...

    def __iter__(self) -> Iterator[Splats]: ...
