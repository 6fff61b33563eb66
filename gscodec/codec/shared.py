"""A base shared by several GOPs: what a later GOP needs of the GOP whose base it builds on (SPEC.md 5.1).

Gaussians that have died since then stay in their slots, unseen; those born since then have slots behind the base's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gscodec.base.limits import MAX_SLOTS
from gscodec.codec.decoder import Gop, part_centres
from gscodec.codec.model import rotation
from gscodec.codec.model.channels import POSITION
from gscodec.codec.model.motion import Motion, hard_motion, soft_motion
from gscodec.codec.model.nodes import nodes_on, rest_places
from gscodec.codec.model.parts import choose_moves
from gscodec.codec.model.steps import Steps, classes_in
from gscodec.codec.model.tracks import LOGIT_LIMIT, Tracks, attribute_tracks, spell, track_sensitivity
from gscodec.codec.planes import Planes
from gscodec.codec.settings import EncodeSettings
from gscodec.splats.model import Splats

MOST_SLOTS = 1.5  # of a GOP, for each Gaussian of a frame: players keep all of them
MOST_BORN = 0.5  # of a GOP's Gaussians, on the base of another
DEAD_LOGIT = -2 * LOGIT_LIMIT  # unseen even where steps are coarse and the way there was rounded short

__all__ = ["MOST_SLOTS", "SharedBase", "born_since", "builds_on", "shared_steps", "shared_tracks"]


@dataclass(frozen=True, slots=True)
class SharedBase:
    """`ids` (N,): the number of the Gaussian in each slot; `coef_unit` (C,): units of coefficients at multiplier `lam`; bytes_a_frame: of its GOP."""

    planes: Planes
    ids: np.ndarray
    coef_unit: np.ndarray
    lam: float
    bytes_a_frame: float

    @property
    def slots(self) -> int:
        return self.planes.model.slots


def born_since(ids: np.ndarray, base_ids: np.ndarray) -> np.ndarray:
    """Rows of the Gaussians numbered `ids` that are not among a base's."""
    return np.flatnonzero(~np.isin(ids, base_ids))


def builds_on(key: np.ndarray, ids: np.ndarray, settings: EncodeSettings) -> bool:
    """Whether a GOP of the Gaussians `ids` is tried on a base of the Gaussians `key`."""
    if "births on shared bases" in settings.without or len(ids) == 0:
        return np.array_equal(key, ids)
    born = len(born_since(ids, key))
    return born <= MOST_BORN * len(ids) and len(key) + born <= min(MOST_SLOTS * len(ids), MAX_SLOTS)


def shared_tracks(
    frames: list[Splats],
    ids: np.ndarray,
    shared: SharedBase,
    sensitivities: Mapping[int, Any],
    *,
    use_gauge: bool,
) -> Tracks:
    """Tracks in the slots of the shared base, spelled like it, with its parts' labels, and of what is born behind them.

    ids (N,): the number of the Gaussian in each row of `frames`; `sensitivities`, by frame number, of all rows, are
    asked only where some are born.
    """
    born, known = born_since(ids, shared.ids), shared.slots
    rows, dead = _rows_of(shared.ids, ids)
    means, quats, logs, logits, colours = (
        a.take(np.concatenate([rows, born]), axis=1) for a in attribute_tracks(frames)
    )
    base = Gop(shared.planes)
    logits[:, dead] = DEAD_LOGIT
    means[:, dead], logs[:, dead], quats[:, dead] = base.world[dead], base.base[3:6, dead].T, base.quats[dead]
    colours[:, dead] = base.base[10:, dead].T
    motion, reference = None, np.concatenate([base.world, means[:, known:].mean(axis=0)])
    alive, new = np.setdiff1d(np.arange(known), dead), np.arange(known, means.shape[1])
    if shared.planes.model.soft:
        motion, reference = _soft_motion(means, base.world, shared.planes, alive)
    elif shared.planes.model.parts:
        labels, centres = _labels(means, shared.planes.labels, dead), part_centres(shared.planes)
        moves = choose_moves(means[:, alive], logs[:, alive], base.world[alive], labels[alive], centres)
        motion = hard_motion(labels, centres, moves)
        reference[known:] = motion.take(new).still(means[:, known:], reference[known:]).mean(axis=0)
    if motion is not None:
        _carry(means, quats, logs, dead, motion)
    told, _ = spell(
        quats[:, :known], logs[:, :known], motion and motion.take(np.arange(known)), use_gauge,
        (base.quats, base.base[3:6].T),
    )  # fmt: skip
    born_quats, spelled = spell(quats[:, known:], logs[:, known:], motion and motion.take(new), use_gauge)
    sens: dict[str, np.ndarray] = {}
    if len(born):
        some = {t: s.take(born) for t, s in sensitivities.items()}
        sens = track_sensitivity(some, spelled, logs[:, known:], logits[:, known:])
        sens = {name: np.concatenate([np.zeros((known, *v.shape[1:])), v]) for name, v in sens.items()}
    return Tracks(
        means, np.concatenate([told, born_quats], axis=1), logs, logits, colours, sens, motion, reference,
        frames[0].sh_degree,
    )  # fmt: skip


def _rows_of(wanted: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The row of `ids` (N,) of each of `wanted` (M,), 0 where there is none; and which of `wanted` have none."""
    order = np.argsort(ids)
    at = np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)
    missing = ids[order[at]] != wanted
    return np.where(missing, 0, order[at]), np.flatnonzero(missing)


def _labels(means: np.ndarray, labels: np.ndarray, dead: np.ndarray) -> np.ndarray:
    """(N,) the parts' labels; what is born, behind the base's, goes with what is nearest in the middle frame."""
    from scipy.spatial import cKDTree

    middle, known = means[len(means) // 2], len(labels)
    alive = np.setdiff1d(np.arange(known), dead)
    near = cKDTree(middle[alive]).query(middle[known:])[1]
    return np.concatenate([labels, labels[alive[near]]])


def _soft_motion(
    means: np.ndarray, world: np.ndarray, base: Planes, alive: np.ndarray
) -> tuple[Motion, np.ndarray]:
    """Nodes fitted to slots `alive` of a base, which rest at world (M, 3); and where all slots, also those born, rest."""
    steps = float(base.model.base_unit[0]) * 2.0 ** base.classes[POSITION]
    nodes = nodes_on(means[:, alive], world[alive], steps[alive], base.model.parts)
    born = means[:, len(world) :]
    rest = rest_places(born, born[len(means) // 2], nodes, np.full(born.shape[1], np.median(steps)))
    reference = np.concatenate([world, rest])
    return soft_motion(reference, nodes.centres, nodes.centres, nodes.moves), reference


def _carry(means: np.ndarray, quats: np.ndarray, logs: np.ndarray, rows: np.ndarray, motion: Motion) -> None:
    """Move what stands still in `rows` with its parts, in place: it takes no coefficients."""
    mine = motion.take(rows)
    means[:, rows] = mine.moved(means[0, rows])
    quats[:, rows] = rotation.multiply(mine.turns(), quats[:, rows])
    logs[:, rows] += mine.growth()[..., None]


def shared_steps(shared: SharedBase, tracks: Tracks, lam: float) -> Steps:
    """Steps at another lambda: units and classes are the shared base's own, but for the classes of what is born."""
    wanted = np.zeros((6, tracks.slots))
    if tracks.slots > shared.slots:
        wanted = classes_in(tracks, shared.lam, shared.coef_unit, shared.planes.model.frames)
    return Steps(
        shared.planes.model.base_unit, (shared.coef_unit * (lam / shared.lam)).astype(np.float32), wanted
    )
