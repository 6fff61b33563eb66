"""Tracks of one GOP to a segment (SPEC.md chapter 5), closed loop: every prediction is made from decoded integers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from gscodec.base.threads import in_threads
from gscodec.codec.coefficients import quantise_coefficient_planes
from gscodec.codec.decoder import base_quaternions, node_centres, part_centres, series_moves
from gscodec.codec.entropy.neighbours import cell_shift_for, find_neighbours
from gscodec.codec.entropy.positions import partition_keys, split_axes
from gscodec.codec.model import rotation
from gscodec.codec.model.channels import (
    BASE_ORDER,
    OPACITY,
    POSITION,
    ROTATION,
    SCALE,
    channels_of,
)
from gscodec.codec.model.motion import Motion
from gscodec.codec.model.nodes import rest_places
from gscodec.codec.model.quantise import decoded_positions, quantise_base
from gscodec.codec.model.relative import centre_rotations, relative_rotations
from gscodec.codec.model.steps import MAX_CLASS, Steps
from gscodec.codec.model.tracks import Tracks
from gscodec.codec.planes import FEATURE_LIMIT, MAX_PLACE, Planes, predicted_classes
from gscodec.codec.sections import write_segment
from gscodec.codec.segment import MAX_LATTICE_BITS, Model
from gscodec.codec.series import carried, dct, nearest_earlier, part_units
from gscodec.codec.writing import EncodedGop, Quantised, Tools, Writer, canonical_quats, refinement

__all__ = ["EncodedGop", "Quantised", "Tools", "encode_tracks", "quantise_tracks", "write_segment"]

CLASS_SPACING = 2  # of correction planes in a sequence; none in a static scene (measured: rd-tools 7)
# Step of the motion of parts, against the median step of their slots: its error is all slots' alike.
PART_STEP = 0.125
NODE_COARSER = 1.5  # linear coefficients of nodes, which few slots feel fully
PLACE_GRID = 64  # places of nodes along the longest edge of the slots' box
REST_ROOM = 0.05  # of the slots' box on each side, for rest places that are told once nodes are quantised


def encode_tracks(
    tracks: Tracks, steps: Steps, base: Planes | None = None, tools: Tools | None = None
) -> EncodedGop:
    """Encode one GOP with the given steps; `base`: planes of the GOP whose base it shares, tracks in its slots, those
    that are born behind them."""
    return write_segment(quantise_tracks(tracks, steps, base, tools))


def quantise_tracks(
    tracks: Tracks, steps: Steps, base: Planes | None = None, tools: Tools | None = None
) -> Quantised:
    """All of `encode_tracks` but the entropy coder: enough to see the picture that a decoder will make."""
    w = Writer(tracks, steps, tools or Tools(), base)
    if tracks.slots:
        if base is None:
            _choose_lattice(w)
        if w.model.soft:
            _fit_nodes(w)
        if w.planes.inherited < tracks.slots:
            _place(w)
        if w.model.parts and not w.model.soft:
            _fit_parts(w)
        if w.planes.inherited < tracks.slots:
            _quantise_base(w)
        if w.model.temporal:
            quantise_coefficient_planes(w)
    elif w.model.temporal:
        w.model.mode = [[] for _ in range(w.model.channels)]
        w.model.beta = [[] for _ in range(w.model.channels)]
    return Quantised(w.planes, w.rows, w.residuals, w.video)


def _place(w: Writer) -> None:
    """Order of slots, positions and position classes, of what is not inherited. Re-orders the tracks."""
    m, planes, start = w.model, w.planes, w.planes.inherited
    if start == 0:
        _fit_box(w)
    bits = np.array(m.bits, np.int64)
    ref = w.tracks.reference[start:] - m.origin.astype(np.float64)
    # What is born outside of the box stands at its wall: its mean takes it from there.
    x = np.clip(np.round(ref / float(m.base_unit[0])).astype(np.int64), 0, (1 << bits) - 1)
    keys = partition_keys(x, bits)
    order = np.argsort(keys, kind="stable")
    w.rows[start:] = start + order
    w.tracks, w.steps = w.tracks.take(w.rows), replace(w.steps, wanted=w.steps.wanted[:, w.rows])
    planes.classes[POSITION] = _position_classes(w)
    w.residuals.keys = keys[order]
    if start == 0:
        m.cell_shift = cell_shift_for(x[order])
    planes.x[start:] = decoded_positions(
        w.residuals.keys, split_axes(bits), bits, planes.classes[POSITION, start:], x[order]
    )
    planes.neighbours = find_neighbours(planes.x, m.cell_shift, planes.neighbours)
    if w.tracks.motion is not None and not m.soft:
        planes.labels[start:] = w.tracks.motion.near[start:, 0]


def _position_classes(w: Writer) -> np.ndarray:
    """(N,) those inherited, and those wanted."""
    out, start = w.planes.classes[POSITION].copy(), w.planes.inherited
    out[start:] = np.clip(np.round(w.steps.wanted[POSITION, start:]), 0, MAX_CLASS)
    return out


def _choose_lattice(w: Writer) -> None:
    """Origin and unit."""
    m, (low, high) = w.model, _room(w)
    m.origin = low.astype(np.float32)
    size = high - low
    m.base_unit[:3] = max(np.float32(w.steps.base_unit[0]), np.float32(size.max() / (2**20 - 2)))


def _room(w: Writer) -> tuple[np.ndarray, np.ndarray]:
    """(3,) lowest and (3,) highest place where a slot with a base of its own may rest."""
    low, high = w.tracks.reference.min(axis=0), w.tracks.reference.max(axis=0)
    margin = REST_ROOM * (high - low).max() if w.model.soft else 0.0
    return low - margin, high + margin


def _fit_box(w: Writer) -> None:
    """Bits of the lattice."""
    m, ref = w.model, w.tracks.reference
    top = np.round((ref.max(axis=0) - m.origin.astype(np.float64)) / float(m.base_unit[0]))
    bits = [int(v).bit_length() for v in np.maximum(top, 0)]
    m.bits = (bits[0], bits[1], bits[2])


def _fit_parts(w: Writer) -> None:
    """Transforms of the parts about their decoded centres, as quantised DCT series."""
    m, planes = w.model, w.planes
    world = m.origin.astype(np.float64) + planes.x * m.base_unit[:3].astype(np.float64)
    centres = part_centres(planes)
    assert w.tracks.motion is not None
    series = _series_about(w.tracks.motion, centres)
    units = _part_units(m, planes.classes[POSITION], world - centres[planes.labels])
    planes.part_series = np.round(series / units) * units


def _series_about(motion: Motion, centres: np.ndarray) -> np.ndarray:
    """(P, 12, T) DCT coefficients of the motion, told about centres (P, 3)."""
    frames, parts = motion.moves.shape[:2]
    series, shift = motion.moves.copy(), centres - motion.centres
    series[..., 3] += np.einsum("tpab,pb->tpa", series[..., :3], shift) - shift
    series[..., :3] -= np.eye(3)
    return np.asarray(np.einsum("fpe,tf->pet", series.reshape(frames, parts, 12), dct(frames)))


def _part_units(m: Model, classes: np.ndarray, arms: np.ndarray, coarser: float = 1.0) -> np.ndarray:
    """(12, 1) units of the entries of parts, which MODEL gets: for position classes (N,), arms (N, 3) from their centres."""
    spread = np.sqrt(np.mean(arms**2) * 3) + 1e-9
    step = float(np.median(m.coef_unit[0] * 2.0**classes))
    m.part_unit = (
        float(np.float32(coarser * PART_STEP * step / spread)),
        float(np.float32(PART_STEP * step)),
    )
    return part_units(m)


def _fit_nodes(w: Writer) -> None:
    """Places of the nodes, their quantised motion, each told from the nearest earlier one's, and where slots rest."""
    m, planes, motion = w.model, w.planes, w.tracks.motion
    assert motion is not None
    unit, origin = m.base_unit[:3].astype(np.float64), m.origin.astype(np.float64)
    edge = max(1.0, np.ptp(motion.centres, axis=0).max() / unit[0])
    m.place_shift = int(np.clip(np.round(np.log2(edge / PLACE_GRID)), 0, MAX_LATTICE_BITS))
    places = np.clip((motion.centres - origin) / unit, -MAX_PLACE / 2, MAX_PLACE / 2)
    planes.places = np.round(places / 2**m.place_shift).astype(np.int64) << m.place_shift
    centres = node_centres(planes)
    series = _series_about(motion, centres)
    classes, start = _position_classes(w), planes.inherited
    units = _part_units(m, classes, w.tracks.reference - motion.centres[motion.near[:, 0]], NODE_COARSER)
    planes.part_series, planes.node_steps = np.zeros_like(series), np.zeros(series.shape, np.int64)
    for k, near in enumerate(nearest_earlier(planes.places)):
        told = carried(planes, near, k) if k else np.zeros_like(series[0])
        planes.node_steps[k] = np.round((series[k] - told) / units)
        planes.part_series[k] = told + planes.node_steps[k] * units
    decoded = replace(motion, centres=centres, moves=series_moves(planes.part_series, m.frames))
    rest = w.tracks.reference.copy()
    if start < m.slots:
        steps = unit[0] * 2.0 ** classes[start:]
        rest[start:] = rest_places(w.tracks.means[:, start:], rest[start:], decoded, steps)
    if start == 0:
        rest = np.clip(rest, *_room(w))
    w.tracks = replace(w.tracks, reference=rest)


def _fit_classes(w: Writer, g: int) -> np.ndarray:
    """Fit the regression of group g and set its spacing, unless they are inherited; returns its predictions."""
    m, planes = w.model, w.planes
    if planes.inherited:
        return predicted_classes(m, g, planes)
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


def _base_targets(w: Writer, g: int) -> np.ndarray:
    """(channels, N) float64: the mean over time of group g (not rotation), in the attribute's own units."""
    t = w.tracks
    if g == SCALE:
        logs = t.logs.mean(axis=0)
        if w.motion is not None:
            logs = logs - w.motion.growth().mean(axis=0)[:, None]
        return logs.T
    if g == OPACITY:
        return t.logits.mean(axis=0)[None]
    first = channels_of(g, t.sh_degree).start - 10
    return t.colours.mean(axis=0).T[first : first + len(channels_of(g, t.sh_degree))]


def _quantise_base(w: Writer) -> None:
    m, planes, start = w.model, w.planes, w.planes.inherited
    for g in BASE_ORDER:
        channels = channels_of(g, m.sh_degree)
        pred = _fit_classes(w, g)
        wish = np.round((w.steps.wanted[g] - pred) / max(1, m.spacing[g])).astype(np.int64)
        wish[:start] = 0
        if len(channels) == 0 and start == 0:
            m.regression[g] = [0] * len(m.regression[g])
            m.spacing[g], pred = 0, predicted_classes(m, g, planes)
        w.residuals.classes[g] = wish
        planes.classes[g, start:] = np.clip(pred + m.spacing[g] * wish, 0, MAX_CLASS)[start:]
        if g == ROTATION:
            _quantise_rotations(w)
            continue
        in_threads(partial(_quantise_channel, w, g, _base_targets(w, g)), range(len(channels)))


def _quantise_channel(w: Writer, g: int, targets: np.ndarray, i: int) -> None:
    """Base plane i of group g, of targets (channels, N) in the attribute's own units, and its unit if it is its own."""
    m, planes = w.model, w.planes
    c = channels_of(g, m.sh_degree)[i]
    if planes.inherited == 0:
        m.base_unit[c] /= np.float32(refinement(w, targets[i][:, None] / float(m.base_unit[c]), c, g))
    quantise_base(
        *w.nb[:4], planes.inherited, planes.step_classes(c, g), targets[i] / float(m.base_unit[c]),
        w.residuals.base[c], planes.base[c],
    )  # fmt: skip


def _steps(w: Writer, c: int, g: int, units: np.ndarray) -> np.ndarray:
    """(N,) float64 steps of a channel."""
    return np.asarray(2.0 ** w.planes.step_classes(c, g) * float(units[c]))


def _quantise_rotations(w: Writer) -> None:
    """The base rotations' residuals, which are their integers; spells the tracks' rotations alike."""
    planes, start = w.planes, w.planes.inherited
    canonical = canonical_quats(w)
    sign = np.sign((canonical * canonical[:1]).sum(axis=-1, keepdims=True))
    mean = rotation.normalise((canonical * np.where(sign == 0, 1, sign)).sum(axis=0))
    m = w.model
    flips = np.zeros(m.slots, np.int64)
    steps = np.stack([_steps(w, c, ROTATION, m.base_unit) for c in (6, 7, 8)])
    axes = w.planes.twist_axes()
    centre_rotations(mean[start:], canonical[:, start:], axes[start:], steps[:, start:])
    nearest = w.nb.slots[:, 0].astype(np.int64)
    q, decoded = w.residuals.base[6:9], np.zeros((m.slots, 4))
    if start:
        decoded[:] = base_quaternions(planes)
    relative_rotations(nearest, mean, axes, steps, start, q, flips, decoded)
    for c in (6, 7, 8):
        planes.base[c, start:] = (q[c - 6] << planes.step_classes(c, ROTATION))[start:]
    halves = np.eye(4)[flips]
    w.tracks.quats = rotation.multiply(w.tracks.quats, halves[None])
