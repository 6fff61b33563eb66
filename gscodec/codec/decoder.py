"""A segment's bytes to its frames (SPEC.md chapter 5)."""

from __future__ import annotations

import numpy as np

from gscodec.base.errors import BadInput
from gscodec.base.jit import njit
from gscodec.base.limits import Budget
from gscodec.codec.model import rotation
from gscodec.codec.model.channels import channel_groups
from gscodec.codec.model.motion import Motion, hard_motion, soft_motion
from gscodec.codec.model.rebuild import rebuild_frame
from gscodec.codec.planes import Planes, read_base, read_planes
from gscodec.codec.segment import MODE_CODED, Model, split_segment
from gscodec.codec.series import dct
from gscodec.splats.model import Splats

__all__ = ["Gop", "base_quaternions", "decode_base", "decode_segment", "part_motion"]


@njit
def _chain_quaternions(nearest, turns, out):
    """out[i] = out[nearest[i]] * turns[i], normalised; identity where there is no neighbour."""
    for i in range(nearest.shape[0]):
        j = nearest[i]
        a0, a1, a2, a3 = 1.0, 0.0, 0.0, 0.0
        if j >= 0:
            a0, a1, a2, a3 = out[j, 0], out[j, 1], out[j, 2], out[j, 3]
        b0, b1, b2, b3 = turns[i, 0], turns[i, 1], turns[i, 2], turns[i, 3]
        q0 = a0 * b0 - a1 * b1 - a2 * b2 - a3 * b3
        q1 = a0 * b1 + a1 * b0 + a2 * b3 - a3 * b2
        q2 = a0 * b2 - a1 * b3 + a2 * b0 + a3 * b1
        q3 = a0 * b3 + a1 * b2 - a2 * b1 + a3 * b0
        norm = np.sqrt(q0 * q0 + q1 * q1 + q2 * q2 + q3 * q3)
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = q0 / norm, q1 / norm, q2 / norm, q3 / norm


def base_quaternions(planes: Planes) -> np.ndarray:
    """(N, 4) float64 base rotations: each relative to the nearest neighbour's."""
    units = planes.model.base_unit[6:9].astype(np.float64)
    turns = rotation.swing_twist(planes.base[6:9].T * units, planes.twist_axes())
    out = np.zeros((planes.model.slots, 4))
    assert planes.neighbours is not None
    _chain_quaternions(planes.neighbours.slots[:, 0].astype(np.int64), turns, out)
    return out


def part_centres(planes: Planes) -> np.ndarray:
    """(P, 3) float64 world: the floor of the mean lattice position of each part's slots."""
    m = planes.model
    count = np.maximum(np.bincount(planes.labels, minlength=m.parts), 1)
    sums = np.zeros((m.parts, 3), np.int64)
    np.add.at(sums, planes.labels, planes.x)
    return m.origin.astype(np.float64) + (sums // count[:, None]) * m.base_unit[:3].astype(np.float64)


def node_centres(planes: Planes) -> np.ndarray:
    """(K, 3) float64 world: the places of soft parts' nodes."""
    m = planes.model
    return m.origin.astype(np.float64) + planes.places * m.base_unit[:3].astype(np.float64)


def series_moves(series: np.ndarray, frames: int) -> np.ndarray:
    """(T, P, 3, 4) M | b of DCT coefficients (P, 12, T)."""
    moves = np.einsum("pet,tf->fpe", series, dct(frames)).reshape(frames, -1, 3, 4)
    moves[..., :3] += np.eye(3)
    return np.asarray(moves)


def part_motion(planes: Planes) -> Motion | None:
    """The decoded motion of the parts, where there are any."""
    m = planes.model
    if m.parts == 0 or m.slots == 0:
        return None
    moves = series_moves(planes.part_series, m.frames)
    if m.soft:
        return soft_motion(
            planes.x.astype(np.float64), planes.places.astype(np.float64), node_centres(planes), moves
        )
    return hard_motion(planes.labels, part_centres(planes), moves)


def _stillness(frames: int, slots: int) -> Motion:
    """The motion of no parts."""
    nothing = np.zeros((0, 3)), np.zeros((frames, 0, 3, 4))
    return Motion(*nothing, np.zeros((slots, 0), np.int64), np.zeros((slots, 0)), soft=False)


class Gop:
    """A decoded group of frames. `frame(i)` rebuilds one; nothing is kept but integers and tables."""

    def __init__(self, planes: Planes) -> None:
        m = planes.model
        self.planes, self.n_frames, self.n_slots = planes, m.frames, m.slots
        self.world = m.origin.astype(np.float64) + planes.x * m.base_unit[:3].astype(np.float64)
        self.base = planes.base * m.base_unit.astype(np.float64)[:, None]
        self.axes = planes.twist_axes()
        self.quats = base_quaternions(planes) if m.slots else np.zeros((0, 4))
        self.motion = part_motion(planes) or _stillness(m.frames, m.slots)
        self.coefs, self.weights, self.channel = _stack_planes(planes)

    def frame(self, i: int) -> Splats:
        """Frame i of the group."""
        m = self.planes.model
        k = (m.sh_degree + 1) ** 2
        out, motion = [np.empty(shape, np.float32) for shape in self._shapes(k)], self.motion
        rebuild_frame(
            self.coefs, self.weights[:, i].copy(), self.channel, self.base, self.world, self.quats, self.axes,
            motion.near, motion.weights, motion.soft, motion.centres, motion.moves[i], motion.of_parts[0][i],
            motion.of_parts[1][i], *out,
        )  # fmt: skip
        return Splats(means=out[0], quats=out[1], scales=out[2], opacities=out[3], sh=out[4])

    def _shapes(self, k: int) -> list[tuple[int, ...]]:
        n = self.n_slots
        return [(n, 3), (n, 4), (n, 3), (n,), (n, k, 3)]


def _stack_planes(planes: Planes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All planes that are not zero: coefs (N, J) int32, weights (J, T) = basis * unit, channel (J,)."""
    m = planes.model
    groups = channel_groups(m.sh_degree)
    columns, listed = [], []
    for c, values in enumerate(planes.coded):
        some = np.flatnonzero(values.any(axis=0))
        columns.append(values[:, some])
        listed += [(c, m.planes(c, MODE_CODED)[j], 1.0) for j in some]
    video = m.video_planes() if len(planes.video) else []  # none where the planes are a base alone
    for (c, k), plane in zip(video, planes.video, strict=True):
        if plane.any():
            columns.append(plane[:, None])
            listed.append((c, k, 1.0 / m.gain))
    if not listed:
        return np.zeros((m.slots, 0), np.int32), np.zeros((0, m.frames)), np.zeros(0, np.int64)
    weights = [planes.bases[groups[c]][k - 1] * (float(m.coef_unit[c]) * share) for c, k, share in listed]
    coefs = np.concatenate(columns, axis=1, dtype=np.int32, casting="same_kind")
    return coefs, np.stack(weights), np.array([c for c, _, _ in listed], np.int64)


def decode_base(payload: bytes, *, budget: Budget | None = None) -> Planes:
    """The base of a segment, for those that share it; errors as of `decode_segment`."""
    sections, _, shared = split_segment(payload)
    if shared:
        raise BadInput("a base must be a segment's own")
    model = Model.read(sections["model"])
    return read_base(model, sections, budget or Budget())


def decode_segment(payload: bytes, *, base: Planes | None = None, budget: Budget | None = None) -> Gop:
    """Decode one segment; `base`: planes of the segment whose base it shares, where it shares one.

    Raises BadInput or a kind of it; allocates within the budget.
    """
    sections, explicit_layout, shared = split_segment(payload)
    if shared and base is None:
        raise BadInput("segment needs the base of another, which is not at hand")
    model = Model.read(sections["model"], shared=shared)
    planes = read_planes(model, sections, explicit_layout, budget or Budget(), base if shared else None)
    gop = Gop(planes)
    if not (np.isfinite(gop.base).all() and np.isfinite(gop.world).all() and np.isfinite(gop.quats).all()):
        raise BadInput("values out of range", section="base")
    return gop
