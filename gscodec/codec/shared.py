"""A base shared by several GOPs: what a later GOP needs of the GOP whose base it builds on (SPEC.md 5.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gscodec.codec.decoder import Gop, part_centres
from gscodec.codec.model.channels import POSITION
from gscodec.codec.model.motion import hard_motion
from gscodec.codec.model.nodes import nodes_on
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
    """Tracks of `frames` in the slots of the shared base, spelled like it; with its parts' labels, or as many nodes of their own."""
    means, quats, logs, logits, colours = (a[:, shared.rows] for a in attribute_tracks(frames))
    base = Gop(shared.planes)
    motion = None
    if shared.planes.model.soft:
        steps = float(shared.planes.model.base_unit[0]) * 2.0 ** shared.planes.classes[POSITION]
        motion = nodes_on(means, base.world, steps, shared.planes.model.parts)
    elif shared.planes.model.parts:
        labels, centres = shared.planes.labels, part_centres(shared.planes)
        motion = hard_motion(labels, centres, choose_moves(means, logs, base.world, labels, centres))
    world, _ = spell(quats, logs, motion, use_gauge, (base.quats, base.base[3:6].T))
    return Tracks(means, world, logs, logits, colours, {}, motion, base.world, frames[0].sh_degree)


def shared_steps(shared: SharedBase, lam: float) -> Steps:
    """Steps at another lambda: classes and base units are the shared base's own."""
    return Steps(
        shared.planes.model.base_unit,
        (shared.coef_unit * (lam / shared.lam)).astype(np.float32),
        np.zeros((0, shared.slots)),
    )
