"""A base shared by several GOPs: what a later GOP needs of the GOP whose base it builds on (SPEC.md 5.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gscodec.codec.decoder import Gop, part_centres
from gscodec.codec.model.parts import choose_moves
from gscodec.codec.model.steps import Steps
from gscodec.codec.model.tracks import Tracks, attribute_tracks, spell
from gscodec.codec.planes import Planes
from gscodec.splats.model import Splats

__all__ = ["SharedBase", "shared_steps", "shared_tracks"]


@dataclass(frozen=True, slots=True)
class SharedBase:
    """`rows` (N,): the source row of each slot; `coef_unit` (C,): units of coefficients at multiplier `lam`; bytes_a_frame: of its GOP."""

    planes: Planes
    rows: np.ndarray
    coef_unit: np.ndarray
    lam: float
    bytes_a_frame: float

    @property
    def slots(self) -> int:
        return self.planes.model.slots


def shared_tracks(frames: list[Splats], shared: SharedBase, *, use_gauge: bool) -> Tracks:
    """Tracks of `frames` in the slots of the shared base, spelled like it, with its parts' labels."""
    means, quats, logs, logits, colours = (a[:, shared.rows] for a in attribute_tracks(frames))
    base = Gop(shared.planes)
    labels = shared.planes.labels if shared.planes.model.parts else None
    centres = part_centres(shared.planes) if labels is not None else np.zeros((0, 3))
    moves = np.zeros((len(frames), 0, 3, 4))
    if labels is not None:
        moves = choose_moves(means, logs, base.world, labels, centres)
    world, _ = spell(quats, logs, labels, moves, use_gauge, (base.quats, base.base[3:6].T))
    return Tracks(
        means, world, logs, logits, colours, {}, labels, moves, centres, base.world, frames[0].sh_degree
    )  # fmt: skip


def shared_steps(shared: SharedBase, lam: float) -> Steps:
    """Steps at another lambda: classes and base units are the shared base's own."""
    return Steps(
        shared.planes.model.base_unit,
        (shared.coef_unit * (lam / shared.lam)).astype(np.float32),
        np.zeros((0, shared.slots)),
    )
