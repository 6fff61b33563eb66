"""Tracks of one GOP to a segment (SPEC.md chapter 5), closed loop: every prediction is made from decoded integers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from gscodec.base.jit import njit
from gscodec.codec.decoder import base_quaternions, part_centres, part_motion
from gscodec.codec.entropy.coder import Coder
from gscodec.codec.entropy.neighbours import Neighbours, cell_shift_for, find_neighbours
from gscodec.codec.entropy.planes import (
    code_base_plane,
    code_classes,
    code_coefficients,
    code_labels,
    code_numbers,
    code_overflow,
    label_base,
)
from gscodec.codec.entropy.positions import code_positions, partition_keys, position_coder
from gscodec.codec.model import rotation
from gscodec.codec.model.bases import choose_basis, project
from gscodec.codec.model.channels import (
    BASE_ORDER,
    GROUP_NAMES,
    GROUPS,
    OPACITY,
    POSITION,
    ROTATION,
    SCALE,
    channel_groups,
    channels_of,
    previous_channel,
)
from gscodec.codec.model.parts import canonical_tracks
from gscodec.codec.model.relative import relative_rotations
from gscodec.codec.model.steps import Steps
from gscodec.codec.model.tracks import Tracks
from gscodec.codec.planes import (
    COEF_COEF,
    COEF_LAST,
    COEF_OVERFLOW,
    FEATURE_LIMIT,
    SIDE_BASIS,
    SIDE_COUNT,
    SIDE_LINEAR,
    SIDE_TRANSLATION,
    Planes,
    base_coder,
    coefficient_coder,
    dct,
    empty_planes,
    predicted_classes,
    shared_planes,
    side_coder,
)
from gscodec.codec.segment import (
    BASIS_DCT,
    BASIS_EXPLICIT,
    MODE_CODED,
    MODE_VIDEO,
    MODE_ZERO,
    Model,
    join_segment,
)

__all__ = ["EncodedGop", "Tools", "encode_tracks"]

CLASS_SPACING = 2  # of correction planes in a sequence; none in a static scene (measured: rd-tools 7)
PART_STEP = (
    0.125  # of the motion of parts, against the median step of their slots: its error is all slots' alike
)
COEF_ROUNDING = 0.4  # a dead zone of 0.1 step
SHARED_ROUNDING = 0.25  # of the mean on a shared base: the base's own error must not look like change
SMOOTH = 0.02  # mean of what neighbours leave, in steps, under which a finer channel costs next to nothing
SMOOTH_REFINEMENT = 8


@dataclass(frozen=True, slots=True)
class Tools:
    """What the payload is made with."""

    video: bool = True
    preset: str = "balanced"
    gain: int = 6
    qp: int = 18
    device: str = "cpu"
    without: tuple[str, ...] = ()  # of settings.TOOLS: those that are the encoder's


@dataclass
class EncodedGop:
    """A segment and where its bytes went."""

    payload: bytes
    planes: Planes
    rows: np.ndarray  # (N,) row of the given tracks in each slot
    bytes_by: dict[str, int] = field(default_factory=dict)


class _Writer:
    """State of one encode: tracks in slot order, the model being filled, decoded planes."""

    def __init__(self, tracks: Tracks, steps: Steps, tools: Tools, base: Planes | None) -> None:
        self.tools = tools
        self.rows = np.arange(tracks.slots)
        self.bytes_by: dict[str, int] = {}
        self.model = Model(tracks.frames, tracks.slots, tracks.sh_degree, parts=tracks.parts)
        self.model.base_unit, self.model.coef_unit = steps.base_unit.copy(), steps.coef_unit.copy()
        if base is None:
            self.planes = empty_planes(self.model)
        else:
            self.model.shared = True
            self.planes = shared_planes(self.model, base)
        self.tracks, self.steps = tracks, steps
        self.sections: dict[str, bytes] = {}
        self.targets: list[np.ndarray] = []  # by group (N, channels, T), in units of coefficients

    @property
    def nb(self) -> Neighbours:
        assert self.planes.neighbours is not None
        return self.planes.neighbours

    def note(self, name: str, coder: Coder, since: int) -> int:
        """Book the bytes written since `since` under `name`; returns the new count."""
        now = coder.written
        self.bytes_by[name] = self.bytes_by.get(name, 0) + now - since
        return now


def encode_tracks(
    tracks: Tracks, steps: Steps, base: Planes | None = None, tools: Tools | None = None
) -> EncodedGop:
    """Encode one GOP with the given steps; `base`: planes of the GOP whose base it shares, tracks in its slots."""
    w = _Writer(tracks, steps, tools or Tools(), base)
    if tracks.slots:
        if base is None:
            _write_positions(w)
        if w.model.parts:
            _fit_parts(w)
        if base is None:
            _write_base(w)
        if w.model.temporal:
            _write_side_and_coefficients(w)
    elif w.model.temporal:
        w.model.mode = [[] for _ in range(w.model.channels)]
        w.model.beta = [[] for _ in range(w.model.channels)]
    w.sections["model"] = w.model.write()
    w.bytes_by["model"] = len(w.sections["model"])
    return EncodedGop(join_segment(w.sections, shared=base is not None), w.planes, w.rows, w.bytes_by)


def _write_positions(w: _Writer) -> None:
    """Lattice, order of slots, positions and position classes. Re-orders the tracks."""
    m, ref = w.model, w.tracks.reference
    low = ref.min(axis=0)
    unit = np.float32(w.steps.base_unit[0])
    unit = max(unit, np.float32((ref.max(axis=0) - low).max() / (2**20 - 2)))
    m.base_unit[:3] = unit
    m.origin = low.astype(np.float32)
    x = np.maximum(np.round((ref - m.origin.astype(np.float64)) / float(unit)), 0).astype(np.int64)
    bits = [int(v).bit_length() for v in x.max(axis=0)]
    m.bits = (bits[0], bits[1], bits[2])
    keys = partition_keys(x, np.array(bits, np.int64))
    order = np.argsort(keys, kind="stable")
    w.rows = order
    w.tracks, w.steps = w.tracks.take(order), replace(w.steps, wanted=w.steps.wanted[:, order])
    planes = w.planes
    planes.x[:] = x[order]
    planes.classes[POSITION] = np.clip(np.round(w.steps.wanted[POSITION]), 0, 15)
    coder = position_coder(None, m.slots)
    m.cell_shift = cell_shift_for(planes.x)
    code_positions(
        *coder.args, np.array(bits, np.int64), m.cell_shift, keys[order], planes.x, planes.classes[POSITION]
    )
    w.sections["position"] = coder.finish()
    w.bytes_by["position base"] = len(w.sections["position"])
    planes.neighbours = find_neighbours(planes.x, m.cell_shift)
    if w.tracks.labels is not None:
        planes.labels = w.tracks.labels.astype(np.int64)


def _fit_parts(w: _Writer) -> None:
    """Transforms of the parts about their decoded centres, as quantised DCT series."""
    m, planes = w.model, w.planes
    world = m.origin.astype(np.float64) + planes.x * m.base_unit[:3].astype(np.float64)
    centres = part_centres(planes)
    series = w.tracks.moves.copy()
    shift = centres - w.tracks.centres
    series[..., 3] += np.einsum("tpab,pb->tpa", series[..., :3], shift) - shift
    series[..., :3] -= np.eye(3)
    series = np.einsum("fpe,tf->pet", series.reshape(m.frames, m.parts, 12), dct(m.frames))
    spread = np.sqrt(np.mean((world - centres[planes.labels]) ** 2) * 3) + 1e-9
    step = float(np.median(m.coef_unit[0] * 2.0 ** planes.classes[POSITION]))
    m.part_unit = (float(np.float32(PART_STEP * step / spread)), float(np.float32(PART_STEP * step)))
    units = np.array([m.part_unit[1 if e % 4 == 3 else 0] for e in range(12)])
    planes.part_series = np.round(series / units[:, None]) * units[:, None]


def _fit_classes(w: _Writer, g: int) -> np.ndarray:
    """Fit the regression of group g and set its spacing; returns its predictions."""
    m, planes = w.model, w.planes
    decoded = np.clip(planes.base[[3, 4, 5, 9]], -FEATURE_LIMIT, FEATURE_LIMIT)
    features = [np.ones(m.slots), planes.classes[POSITION], w.nb.feature, *decoded]
    a = np.stack(features[: len(m.regression[g])], axis=1).astype(np.float64)
    scale = np.maximum(np.abs(a).max(axis=0), 1e-9)
    x = a / scale
    fit = np.linalg.solve(x.T @ x + 1e-6 * m.slots * np.eye(x.shape[1]), x.T @ w.steps.wanted[g]) / scale
    m.regression[g] = [int(v) for v in np.clip(np.round(fit * 65536), -(2**31), 2**31 - 1)]
    m.regression[g][0] += 32768
    m.spacing[g] = CLASS_SPACING if m.frames > 1 else 0
    return predicted_classes(m, g, planes)


def _base_targets(w: _Writer, g: int) -> np.ndarray:
    """(channels, N) float64: the mean over time of group g (not rotation), in the attribute's own units."""
    t = w.tracks
    if g == SCALE:
        logs = t.logs.mean(axis=0)
        if w.model.parts:
            log_dets = part_motion(w.planes.part_series, t.frames)[2]
            logs = logs - log_dets.mean(axis=0)[w.planes.labels][:, None] / 3.0
        return logs.T
    if g == OPACITY:
        return t.logits.mean(axis=0)[None]
    first = channels_of(g, t.sh_degree).start - 10
    return t.colours.mean(axis=0).T[first : first + len(channels_of(g, t.sh_degree))]


def _write_base(w: _Writer) -> None:
    m, planes, nb = w.model, w.planes, w.nb
    coder = base_coder(m, None)
    since = 0
    if m.parts:
        state, buf, counters, _ = coder.args
        base = label_base(5 + m.channels - 3)
        code_labels(state, buf, counters, nb.slots, nb.counts, m.parts, base, planes.labels)
        since = w.note("part labels", coder, since)
    q = np.zeros((m.channels, m.slots), np.int64)
    nothing = np.zeros(m.slots, np.int64)
    for g in BASE_ORDER:
        pred = _fit_classes(w, g)
        wish = np.round((w.steps.wanted[g] - pred) / max(1, m.spacing[g])).astype(np.int64)
        if len(channels_of(g, m.sh_degree)) == 0:
            m.regression[g] = [0] * len(m.regression[g])
            m.spacing[g], pred = 0, predicted_classes(m, g, planes)
        code_classes(
            *coder.args, *nb[:4], g - 1, pred, m.spacing[g], planes.classes[0], wish, planes.classes[g]
        )
        since = w.note("classes", coder, since)
        targets = _base_targets(w, g) if g != ROTATION else _quantise_rotations(w, q)
        for i, c in enumerate(channels_of(g, m.sh_degree)):
            before = previous_channel(c, g, m.sh_degree)
            if g != ROTATION:
                m.base_unit[c] /= np.float32(
                    _refinement(w, targets[i][:, None] / float(m.base_unit[c]), c, g)
                )
            target = targets[i] / float(m.base_unit[c])
            code_base_plane(
                *coder.args, *nb[:4], 5 + c - 3, planes.step_classes(c, g), g != ROTATION, target, q[c],
                nothing if before is None else q[before], planes.base[c],
            )  # fmt: skip
        coder.check("base")
        since = w.note(f"{GROUP_NAMES[g]} base", coder, since)
    w.sections["base"] = coder.finish()


def _steps(w: _Writer, c: int, g: int, units: np.ndarray) -> np.ndarray:
    """(N,) float64 steps of a channel."""
    return np.asarray(2.0 ** w.planes.step_classes(c, g) * float(units[c]))


def _canonical_quats(w: _Writer) -> np.ndarray:
    """(T, N, 4): rotations with the decoded parts' turns taken out."""
    if not w.model.parts:
        return w.tracks.quats
    turns = part_motion(w.planes.part_series, w.model.frames)[1][:, w.planes.labels]
    return rotation.multiply(rotation.conjugate(turns), w.tracks.quats)


def _quantise_rotations(w: _Writer, q: np.ndarray) -> np.ndarray:
    """Fill q[6:9] of the base rotations; spell the tracks' rotations alike. Returns unused targets."""
    canonical = _canonical_quats(w)
    sign = np.sign((canonical * canonical[:1]).sum(axis=-1, keepdims=True))
    mean = rotation.normalise((canonical * np.where(sign == 0, 1, sign)).sum(axis=0))
    m = w.model
    flips = np.zeros(m.slots, np.int64)
    steps = np.stack([_steps(w, c, ROTATION, m.base_unit) for c in (6, 7, 8)])
    nearest = w.nb.slots[:, 0].astype(np.int64)
    relative_rotations(nearest, mean, w.planes.twist_axes(), steps, q[6:9], flips, np.zeros((m.slots, 4)))
    halves = np.eye(4)[flips]
    w.tracks.quats = rotation.multiply(w.tracks.quats, halves[None])
    return np.zeros((3, m.slots))


def _series(w: _Writer, g: int) -> np.ndarray:
    """(channels, N, T): what is left of group g's tracks beside the decoded base and parts."""
    m, planes, t = w.model, w.planes, w.tracks
    base = planes.base * m.base_unit.astype(np.float64)[:, None]
    motion = part_motion(planes.part_series, t.frames) if m.parts else None
    if g == POSITION:
        world = m.origin.astype(np.float64) + planes.x * m.base_unit[:3].astype(np.float64)
        if motion is None:
            return np.transpose(t.means - world, (2, 1, 0))
        still = canonical_tracks(t.means, planes.labels, part_centres(planes), motion[0])
        return np.transpose(still - world, (2, 1, 0))
    if g == SCALE:
        logs = t.logs - base[3:6].T
        if motion is not None:
            logs = logs - motion[2][:, planes.labels][..., None] / 3.0
        return np.transpose(logs, (2, 1, 0))
    if g == ROTATION:
        inverse = rotation.conjugate(base_quaternions(planes))
        return np.transpose(
            rotation.swing_twist_log(
                rotation.multiply(inverse[None], _canonical_quats(w)), planes.twist_axes()
            ),
            (2, 1, 0),
        )
    if g == OPACITY:
        return (t.logits - base[9])[None].transpose(0, 2, 1)
    channels = channels_of(g, t.sh_degree)
    first = channels.start - 10
    colours = t.colours[:, :, first : first + len(channels)]
    return np.transpose(colours - base[list(channels)].T[None], (2, 1, 0))


@njit
def _roughness(index, weight, count, total, step, y):
    """Mean over slots of what neighbours leave of y (N, M), in units of each slot's step; column by column."""
    n, m = y.shape
    out = np.zeros(m)
    for i in range(n):
        if count[i] == 0:
            continue
        for j in range(m):
            s = 0.0
            for k in range(count[i]):
                s += weight[i, k] * y[index[i, k], j]
            out[j] += abs(y[i, j] - s / total[i]) / step[i]
    return out / max(1, n)


def _refinement(w: _Writer, y: np.ndarray, c: int, g: int) -> int:
    """How much finer a channel's step may be for next to nothing: where neighbours tell a slot's values (N, M) to well
    under a step, quantisation errors would all lean one way, and a uniform tint is what people see."""
    if "finer smooth channels" in w.tools.without:
        return 1
    rough = _roughness(*w.nb[:4], 2.0 ** w.planes.step_classes(c, g), np.ascontiguousarray(y))
    return SMOOTH_REFINEMENT if float(rough.max(initial=0.0)) < SMOOTH else 1


def _write_side_and_coefficients(w: _Writer) -> None:
    m, planes = w.model, w.planes
    explicit: list[np.ndarray] = []
    coefs: list[np.ndarray] = []  # by channel (N, K_g) float64 in units of coef_unit
    for g in range(GROUPS):
        channels = list(channels_of(g, m.sh_degree))
        if not channels:
            planes.bases.append(np.zeros((0, m.frames)))
            explicit.append(np.zeros((0, m.frames), np.int64))
            continue
        series = _series(w, g) / m.coef_unit[channels].astype(np.float64)[:, None, None]
        finer = [_refinement(w, one, c, g) for c, one in zip(channels, series, strict=True)]
        m.coef_unit[channels] /= np.array(finer, np.float32)
        series *= np.array(finer)[:, None, None]
        step = np.stack([2.0 ** planes.step_classes(c, g) for c in channels])
        kind, basis, integers = choose_basis(
            (series / step[:, :, None]).reshape(-1, m.frames),
            shared=m.shared,
            explicit="KLT" not in w.tools.without,
        )
        m.basis_kind[g], m.basis_count[g] = kind, basis.shape[0]
        planes.bases.append(basis)
        explicit.append(integers)
        coefs += list(project(series, basis)) if len(basis) else [np.zeros((m.slots, 0))] * len(channels)
    _write_side(w, explicit)
    _write_coefficients(w, coefs)


def _write_side(w: _Writer, explicit: list[np.ndarray]) -> None:
    m, planes = w.model, w.planes
    coder = side_coder(None, sum(e.size for e in explicit) + planes.part_series.size)
    for g in range(GROUPS):
        if m.basis_kind[g] == BASIS_EXPLICIT:
            code_numbers(*coder.args, SIDE_BASIS, True, explicit[g].reshape(-1))
    since = w.note("bases", coder, 0)
    for p in range(m.parts):
        for e in range(12):
            unit = m.part_unit[1 if e % 4 == 3 else 0]
            values = np.round(planes.part_series[p, e] / unit).astype(np.int64)
            values = values[: np.flatnonzero(values)[-1] + 1] if values.any() else values[:0]
            code_numbers(*coder.args, SIDE_COUNT, False, np.array([values.size]))
            code_numbers(*coder.args, SIDE_TRANSLATION if e % 4 == 3 else SIDE_LINEAR, True, values)
    w.note("part motion", coder, since)
    w.sections["side"] = coder.finish()


VIDEO_GROUPS = (POSITION, ROTATION)  # dense, noisy planes; the context coder does the sparse ones better
VIDEO_MEAN = 0.15  # mean magnitude, in steps, above which a plane is dense
VIDEO_OVERFLOW = 0.004  # share of slots that may not fit the levels


def _plane_modes(w: _Writer, coefs: list[np.ndarray]) -> None:
    m = w.model
    limit = 104.0 / w.tools.gain
    for c, g in enumerate(channel_groups(m.sh_degree)):
        steps = np.abs(coefs[c]) / (2.0 ** w.planes.step_classes(c, g))[:, None]
        modes = []
        for j in range(coefs[c].shape[1]):
            dense = w.tools.video and g in VIDEO_GROUPS and steps[:, j].mean() > VIDEO_MEAN
            fits = (steps[:, j] > limit).mean() <= VIDEO_OVERFLOW
            some = bool((steps[:, j] > 1 - COEF_ROUNDING).any())
            modes.append(MODE_VIDEO if dense and fits else MODE_CODED if some else MODE_ZERO)
        m.mode.append(modes)


@njit
def _neighbour_fit(index, weight, count, total, y):
    """Least-squares factor of y (N, m) on its neighbours' means, by column."""
    n, m = y.shape
    num, den = np.zeros(m), np.zeros(m)
    for i in range(n):
        if count[i] == 0:
            continue
        for j in range(m):
            s = 0.0
            for k in range(count[i]):
                s += weight[i, k] * y[index[i, k], j]
            s /= total[i]
            num[j] += s * y[i, j]
            den[j] += s * s
    return num / np.maximum(den, 1e-30)


def _rounding(w: _Writer, c: int, g: int) -> np.ndarray:
    """Rounding offsets of a channel's coded planes."""
    m = w.model
    if "dead zone" in w.tools.without:
        return np.full(len(m.planes(c, MODE_CODED)), 0.5)
    mean = m.shared and m.basis_kind[g] == BASIS_DCT
    return np.array([SHARED_ROUNDING if mean and k == 1 else COEF_ROUNDING for k in m.planes(c, MODE_CODED)])


def _write_coefficients(w: _Writer, coefs: list[np.ndarray]) -> None:
    m, planes, nb = w.model, w.planes, w.nb
    _plane_modes(w, coefs)
    m.beta = [[] for _ in range(m.channels)]
    planes.coded = [np.zeros((m.slots, 0), np.int64)] * m.channels
    if not any(mode for row in m.mode for mode in row):
        w.sections["coefficient"] = b""
        return
    coder = coefficient_coder(None, sum(c.size for c in coefs) + 4 * m.slots * m.channels)
    qs: list[np.ndarray] = []
    lasts: list[np.ndarray] = []
    since = 0
    for c, g in enumerate(channel_groups(m.sh_degree)):
        target = np.ascontiguousarray(coefs[c][:, [k - 1 for k in m.planes(c, MODE_CODED)]])
        q, r = np.zeros(target.shape, np.int64), np.zeros(target.shape, np.int64)
        last = np.zeros(m.slots, np.int64)
        before = previous_channel(c, g, m.sh_degree)
        if target.shape[1]:
            blind = "neighbour prediction" in w.tools.without
            fit = np.zeros(target.shape[1]) if blind else _neighbour_fit(*nb[:4], target)
            m.beta[c] = [int(v) for v in np.clip(np.round(32 * fit), 0, 32)]
            code_coefficients(
                *coder.args, *nb[:4], COEF_LAST + g, COEF_COEF + 4 * g, planes.step_classes(c, g),
                np.array(m.beta[c], np.int64), _rounding(w, c, g), target, q, r, last,
                q[:, :0] if before is None else qs[before],
                np.zeros(m.slots, np.int64) if before is None else lasts[before],
            )  # fmt: skip
            coder.check("coefficient")
        since = w.note(f"{GROUP_NAMES[g]} coefficients", coder, since)
        qs.append(q)
        lasts.append(last)
        planes.coded[c] = r
    if m.video_planes():
        _write_video(w, coefs, coder)
        w.note("overflow", coder, since)
    w.sections["coefficient"] = coder.finish()


def _write_video(w: _Writer, coefs: list[np.ndarray], coder: Coder) -> None:
    """The planes of mode 2 as H.264, decoded again, and what it got badly wrong as overflow."""
    from gscodec.codec.payloads.video import write_planes

    m, planes, gain = w.model, w.planes, w.tools.gain
    m.gain = gain
    groups = channel_groups(m.sh_degree)
    video = m.video_planes()
    wanted = np.stack(
        [gain * coefs[c][:, k - 1] / 2.0 ** planes.step_classes(c, groups[c]) for c, k in video]
    )
    section, m.atlas, levels = write_planes(
        wanted, video, m.slots, w.tools.qp, w.tools.preset, w.tools.device
    )
    extra = np.round((wanted - levels) / gain).astype(np.int64)
    extra[np.abs(wanted - levels) < 1.5 * gain] = 0  # a step and a half is the video quantiser's own business
    at = np.nonzero(extra)
    code_numbers(*coder.args, COEF_OVERFLOW, False, np.array([at[0].size]))
    code_overflow(
        *coder.args, COEF_OVERFLOW + 1, len(video), m.slots, at[0].astype(np.int64), at[1].astype(np.int64), extra[at]
    )  # fmt: skip
    shift = np.stack([planes.step_classes(c, groups[c]) for c, _ in video])
    planes.video = (levels + gain * extra) << shift
    w.sections["video"] = section
    w.bytes_by["video"] = len(section)
