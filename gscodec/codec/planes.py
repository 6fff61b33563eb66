"""What the entropy coder and the video hold of a segment: integer planes, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from gscodec.base.errors import BadInput, Truncated
from gscodec.base.limits import Budget
from gscodec.codec.entropy.coder import Coder, sets
from gscodec.codec.entropy.neighbours import Neighbours, find_neighbours
from gscodec.codec.entropy.planes import (
    LABEL_COUNTERS,
    VALUE_LIMIT,
    code_base_plane,
    code_classes,
    code_coefficients,
    code_labels,
    code_motion,
    code_numbers,
    code_overflow,
    label_base,
)
from gscodec.codec.entropy.positions import code_positions, position_coder
from gscodec.codec.model.channels import (
    BASE_ORDER,
    GROUPS,
    ROTATION,
    channel_groups,
    channels_of,
    previous_channel,
)
from gscodec.codec.model.shape import rotation_shifts, weakest_axis
from gscodec.codec.payloads.atlas import Atlas, unpack_levels
from gscodec.codec.segment import BASIS_EXPLICIT, MODE_CODED, Model
from gscodec.codec.series import cosines, nearest_earlier, node_series

__all__ = [
    "Planes",
    "base_coder",
    "base_set",
    "coefficient_coder",
    "empty_planes",
    "predicted_classes",
    "read_base",
    "read_planes",
    "shared_planes",
    "side_coder",
]

SIDE_SETS = 5
SIDE_BASIS, SIDE_LINEAR, SIDE_TRANSLATION, SIDE_COUNT, SIDE_PLACE = range(5)
MOTION_SETS = (SIDE_COUNT, SIDE_LINEAR, SIDE_TRANSLATION)
MAX_PLACE = 1 << 21  # of a node: keeps squared distances exact
# As the format counts them (SEGMENT.md 6); here residuals, integers and their copies take five times that.
INTEGER_BYTES = 4
FEATURE_LIMIT = 1 << 19  # keeps the regression's sum below 2^53
BASIS_SCALE = 512  # explicit bases travel as integers of 1/512


@dataclass
class Planes:
    """Decoded integers of a segment. N slots, C channels."""

    model: Model
    x: np.ndarray  # (N, 3) int64 lattice positions
    classes: np.ndarray  # (6, N) int64
    base: np.ndarray  # (C, N) int64; rows 0..2 unused (zero)
    labels: np.ndarray  # (N,) int64 hard part of each slot
    places: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.int64))  # (K, 3) lattice, of nodes
    bases: list[np.ndarray] = field(default_factory=list)  # by group, (K_g, T) float64
    part_series: np.ndarray = field(
        default_factory=lambda: np.zeros((0, 12, 0))
    )  # (P, 12, T) float64 coefficients
    node_steps: np.ndarray = field(
        default_factory=lambda: np.zeros((0, 12, 0), np.int64)
    )  # (K, 12, T) residuals
    coded: list[np.ndarray] = field(default_factory=list)  # by channel, (N, m) int64 of mode 1
    video: np.ndarray = field(
        default_factory=lambda: np.zeros((0, 0), np.int64)
    )  # (planes, N) int64 of mode 2
    neighbours: Neighbours | None = None
    inherited: int = 0  # first slots, which are those of another segment's base

    def step_classes(self, channel: int, group: int) -> np.ndarray:
        """(N,) int64: log2 of the step of a channel, in its unit: the group's class, by axis for rotations."""
        if group != ROTATION:
            return self.classes[group]
        units = self.model.base_unit[3:6]
        return self.classes[group] + rotation_shifts(self.base[3:6], units)[channel - 6]

    def base_only(self) -> Planes:
        """Without what changes over time: what a segment that shares this base needs."""
        return replace(self, bases=[], coded=[], video=np.zeros((0, 0), np.int64))

    def twist_axes(self) -> np.ndarray:
        """(N,) int64: the body axis of each slot about which turning shows least."""
        return weakest_axis(self.base[3:6], self.model.base_unit[3:6])

    def named(self) -> dict[str, np.ndarray]:
        """All integer planes by name, as conformance vectors name them."""
        out = {f"X{a}": self.x[:, a] for a in range(3)}
        out |= {f"class{g}": self.classes[g] for g in range(GROUPS)}
        out |= {f"base{c}": self.base[c] for c in range(3, self.base.shape[0])}
        if self.model.parts and not self.model.soft:
            out["part"] = self.labels
        if self.model.soft:
            out |= {f"node{a}": self.places[:, a] for a in range(3)} | {"motion": self.node_steps}
        for c, planes in enumerate(self.coded):
            out |= {f"coef{c}_{k}": planes[:, j] for j, k in enumerate(self.model.planes(c, MODE_CODED))}
        for (c, k), plane in zip(self.model.video_planes(), self.video, strict=True):
            out[f"coef{c}_{k}"] = plane
        return out


def base_set(channel: int) -> int:
    """The set of counters of a channel's base plane, behind those of the classes; of C channels there are base_set(C)."""
    return GROUPS - 1 + channel - 3  # positions have planes of their own


def base_coder(model: Model, data: bytes | None) -> Coder:
    counters, weights = sets(base_set(model.channels))
    return Coder(
        counters + LABEL_COUNTERS, weights, data=data, capacity=4096 + 6 * model.slots * (model.channels + 6)
    )


def side_coder(data: bytes | None, numbers: int = 0) -> Coder:
    return Coder(*sets(SIDE_SETS), data=data, capacity=4096 + 8 * numbers)


COEF_LAST, COEF_COEF, COEF_OVERFLOW = 0, GROUPS, GROUPS + 4 * GROUPS
COEF_SETS = COEF_OVERFLOW + 4


def coefficient_coder(data: bytes | None, values: int = 0) -> Coder:
    return Coder(*sets(COEF_SETS), data=data, capacity=4096 + 6 * values)


def predicted_classes(model: Model, group: int, planes: Planes) -> np.ndarray:
    """int64 (N,): class of a group by regression on what is decoded already (SPEC.md 5.6)."""
    assert planes.neighbours is not None
    decoded = np.clip(planes.base[[3, 4, 5, 9]], -FEATURE_LIMIT, FEATURE_LIMIT)
    f = [planes.classes[0], planes.neighbours.feature, *decoded]
    a = model.regression[group]
    return (a[0] + sum(a[j] * f[j - 1] for j in range(1, len(a)))) >> 16


def empty_planes(model: Model) -> Planes:
    """Planes to be filled."""
    n, c = model.slots, model.channels
    return Planes(
        model, np.zeros((n, 3), np.int64), np.zeros((GROUPS, n), np.int64), np.zeros((c, n), np.int64),
        np.zeros(n, np.int64),
    )  # fmt: skip


def shared_planes(model: Model, base: Planes) -> Planes:
    """Planes of a segment on the base of another, which has its first slots, their classes, base integers and labels.

    All of its slots, or else some are born, which are still to be filled.
    """
    model.adopt(base.model)
    known = base.model.slots
    if known == model.slots:
        return Planes(
            model, base.x, base.classes, base.base, base.labels, neighbours=base.neighbours, inherited=known
        )
    planes = empty_planes(model)
    planes.x[:known], planes.labels[:known] = base.x, base.labels
    planes.classes[:, :known], planes.base[:, :known] = base.classes, base.base
    planes.neighbours, planes.inherited = base.neighbours, known
    return planes


def read_base(model: Model, sections: dict[str, bytes], budget: Budget) -> Planes:
    """What a segment gives those that share its base."""
    budget.reserve(model.slots * model.channels * INTEGER_BYTES, "base planes of a segment")
    planes = empty_planes(model)
    if model.slots:
        _read_own(model, sections, planes)
    return planes


def read_planes(
    model: Model,
    sections: dict[str, bytes],
    explicit_layout: bool,
    budget: Budget,
    base: Planes | None = None,
) -> Planes:
    """Every integer of a segment, bit for bit as its writer had them; `base`: of the segment whose base it shares."""
    n, c = model.slots, model.channels
    n_planes = sum(m != 0 for row in model.mode for m in row)
    budget.reserve(n * (c + n_planes) * INTEGER_BYTES, "planes of a segment")
    if base is not None:
        planes = shared_planes(model, base)
    else:
        planes = empty_planes(model)
    if n == 0:
        return planes
    if planes.inherited < n:
        _read_own(model, sections, planes)
    if model.temporal:
        _read_side(model, sections["side"], planes)
        _read_coefficients(model, sections, explicit_layout, planes)
    return planes


def _read_own(model: Model, sections: dict[str, bytes], planes: Planes) -> None:
    """Slots, positions, neighbours, classes and base planes of all that is not inherited."""
    coder = position_coder(sections["position"], model.slots - planes.inherited)
    bits, nothing = np.array(model.bits, np.int64), np.zeros(1, np.int64)
    code_positions(
        *coder.args, bits, model.cell_shift, planes.inherited, nothing, planes.x, planes.classes[0]
    )
    coder.check("position")
    planes.neighbours = find_neighbours(planes.x, model.cell_shift, planes.neighbours)
    _read_base(model, sections["base"], planes)


def _read_base(model: Model, data: bytes, planes: Planes) -> None:
    nb = planes.neighbours
    assert nb is not None
    coder = base_coder(model, data)
    if model.parts and not model.soft:
        base = label_base(base_set(model.channels))
        state, buf, counters, _ = coder.args
        code_labels(
            state, buf, counters, nb.slots, nb.counts, model.parts, base, planes.inherited, planes.labels
        )
        coder.check("base")
    q = np.zeros((model.channels, model.slots), np.int64)
    nothing = np.zeros(model.slots, np.int64)
    for g in BASE_ORDER:
        k = np.zeros(model.slots, np.int64)
        pred = predicted_classes(model, g, planes)
        code_classes(
            *coder.args, *nb[:4], g - 1, planes.inherited, pred, model.spacing[g], planes.classes[0], k,
            planes.classes[g],
        )  # fmt: skip
        for c in channels_of(g, model.sh_degree):
            before = previous_channel(c, g, model.sh_degree)
            code_base_plane(
                *coder.args, *nb[:4], base_set(c), planes.inherited, planes.step_classes(c, g), g != ROTATION, q[c],
                nothing if before is None else q[before], planes.base[c],
            )  # fmt: skip
        coder.check("base")


def _read_side(model: Model, data: bytes, planes: Planes) -> None:
    coder = side_coder(data)
    t = model.frames
    for g in range(GROUPS):
        values = np.zeros(model.basis_count[g] * t if model.basis_kind[g] == BASIS_EXPLICIT else 0, np.int64)
        code_numbers(*coder.args, SIDE_BASIS, True, values)
        coder.check("side")
        explicit = model.basis_kind[g] == BASIS_EXPLICIT
        planes.bases.append(
            values.reshape(-1, t) / BASIS_SCALE if explicit else cosines(model, model.basis_count[g])
        )
    planes.part_series = np.zeros((model.parts, 12, t))
    if model.soft:
        planes.places = _read_places(coder, model)
    earlier = nearest_earlier(planes.places)
    if model.soft:
        planes.node_steps = np.zeros((model.parts, 12, t), np.int64)
        code_motion(*coder.args, MOTION_SETS, earlier, planes.node_steps)
        coder.check("side")
        planes.part_series = node_series(planes, earlier)
        return
    for p in range(model.parts):
        for e in range(12):
            count = np.zeros(1, np.int64)
            code_numbers(*coder.args, SIDE_COUNT, False, count)
            coder.check("side")
            if count[0] > t:
                raise BadInput("too many part coefficients", section="side", part=p)
            values = np.zeros(int(count[0]), np.int64)
            code_numbers(*coder.args, SIDE_TRANSLATION if e % 4 == 3 else SIDE_LINEAR, True, values)
            coder.check("side")
            planes.part_series[p, e, : count[0]] = values * model.part_unit[1 if e % 4 == 3 else 0]


def _read_places(coder: Coder, model: Model) -> np.ndarray:
    """(K, 3) int64 lattice places of the nodes."""
    steps = np.zeros(3 * model.parts, np.int64)
    code_numbers(*coder.args, SIDE_PLACE, True, steps)
    coder.check("side")
    places = steps.reshape(-1, 3).cumsum(axis=0)
    if np.abs(places).max() << model.place_shift > MAX_PLACE:
        raise BadInput("node is out of range", section="side")
    return np.asarray(places << model.place_shift)


def _read_coefficients(
    model: Model, sections: dict[str, bytes], explicit_layout: bool, planes: Planes
) -> None:
    nb = planes.neighbours
    assert nb is not None
    n = model.slots
    any_planes = any(m != 0 for row in model.mode for m in row)
    coder = coefficient_coder(sections["coefficient"]) if any_planes else None
    qs: list[np.ndarray] = []
    lasts: list[np.ndarray] = []
    for c, g in enumerate(channel_groups(model.sh_degree)):
        m = len(model.planes(c, MODE_CODED))
        q, r, last = np.zeros((n, m), np.int64), np.zeros((n, m), np.int64), np.zeros(n, np.int64)
        before = previous_channel(c, g, model.sh_degree)
        if m:
            assert coder is not None
            code_coefficients(
                *coder.args, *nb[:4], COEF_LAST + g, COEF_COEF + 4 * g, planes.step_classes(c, g),
                np.array(model.beta[c], np.int64), q, r, last,
                q[:, :0] if before is None else qs[before], np.zeros(n, np.int64) if before is None else lasts[before],
            )  # fmt: skip
            coder.check("coefficient")
        qs.append(q)
        lasts.append(last)
        planes.coded.append(r)
    video = model.video_planes()
    if video:
        assert coder is not None
        extra = _read_overflow(coder, len(video), n)
        planes.video = _read_video(model, sections["video"], explicit_layout, planes, extra)


def _read_overflow(coder: Coder, n_planes: int, n_slots: int) -> np.ndarray:
    count = np.zeros(1, np.int64)
    code_numbers(*coder.args, COEF_OVERFLOW, False, count)
    coder.check("coefficient")
    if not 0 <= count[0] <= n_planes * n_slots:
        raise BadInput("overflow list longer than the planes", section="coefficient", count=int(count[0]))
    at = np.zeros((3, int(count[0])), np.int64)
    code_overflow(*coder.args, COEF_OVERFLOW + 1, n_planes, n_slots, at[0], at[1], at[2])
    coder.check("coefficient")
    extra = np.zeros((n_planes, n_slots), np.int64)
    extra[at[0], at[1]] = at[2]
    return extra


def read_layout(data: bytes, slots: int) -> np.ndarray:
    """The places of an explicit layout: a permutation of 0..N-1."""
    if len(data) < 4 * slots:
        raise Truncated("layout ends too early", section="video")
    places = np.frombuffer(data, "<u4", slots).astype(np.int64)
    if not np.array_equal(np.sort(places), np.arange(slots)):
        raise BadInput("layout is not a permutation", section="video")
    return places


def _read_video(model: Model, data: bytes, explicit: bool, planes: Planes, extra: np.ndarray) -> np.ndarray:
    from gscodec.codec.payloads.video import decode_luma, split_pictures

    atlas = Atlas.of(model.slots, model.video_planes())
    if model.atlas != atlas.size:
        raise BadInput(
            "atlas does not fit the slots", field="atlas", width=model.atlas[0], height=model.atlas[1]
        )
    at, places = 0, None
    if explicit:
        places, at = atlas.places()[read_layout(data, model.slots)], 4 * model.slots
    luma = decode_luma(split_pictures(data, at, atlas.pictures), *atlas.size)
    groups = channel_groups(model.sh_degree)
    shift = np.stack([planes.step_classes(c, groups[c]) for c, _ in atlas.video])
    out = (unpack_levels(luma, atlas, places) + model.gain * extra) << shift
    if np.abs(out).max(initial=0) > VALUE_LIMIT:
        raise BadInput("value out of range", section="video")
    return out
