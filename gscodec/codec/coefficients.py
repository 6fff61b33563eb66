"""Temporal bases and coefficients of a GOP (SEGMENT.md 5.7 to 5.9), closed loop: from tracks to integers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gscodec.base.jit import njit
from gscodec.base.threads import in_threads
from gscodec.codec.decoder import base_quaternions
from gscodec.codec.model.bases import choose_basis, project
from gscodec.codec.model.channels import (
    GROUPS,
    OPACITY,
    POSITION,
    ROTATION,
    SCALE,
    channel_groups,
    channels_of,
)
from gscodec.codec.model.quantise import quantise_coefficients
from gscodec.codec.model.relative import rotation_vectors
from gscodec.codec.segment import BASIS_DCT, BASIS_NONE, MODE_CODED, MODE_VIDEO, MODE_ZERO
from gscodec.codec.writing import Writer, canonical_quats, refinement

__all__ = ["quantise_coefficient_planes"]

COEF_ROUNDING = 0.4  # a dead zone of 0.1 step
SHARED_ROUNDING = 0.25  # of the mean on a shared base: the base's own error must not look like change
CACHED = 32  # slots at a time where arrays are turned about: what fits the processor's cache


@dataclass
class _Group:
    """What a group's planes came to; `wanted`: by channel (N, K) float64 in units of coef_unit, for the video."""

    kind: int
    basis: np.ndarray  # (K, T)
    explicit: np.ndarray  # integers of an explicit basis
    finer: list[int] = field(default_factory=list)  # by channel, as the following
    modes: list[list[int]] = field(default_factory=list)
    beta: list[list[int]] = field(default_factory=list)
    wanted: list[np.ndarray] = field(default_factory=list)
    q: list[np.ndarray] = field(default_factory=list)
    r: list[np.ndarray] = field(default_factory=list)
    last: list[np.ndarray] = field(default_factory=list)


def quantise_coefficient_planes(w: Writer) -> None:
    m, planes, residuals = w.model, w.planes, w.residuals
    # Groups don't depend on each other; the largest, SH, comes first.
    done = in_threads(lambda g: _quantise_group(w, g), reversed(range(GROUPS)))[::-1]
    for g, one in enumerate(done):
        channels = list(channels_of(g, m.sh_degree))
        m.coef_unit[channels] /= np.array(one.finer, np.float32)
        m.basis_kind[g], m.basis_count[g] = one.kind, one.basis.shape[0]
        m.mode += one.modes
        m.beta += one.beta
        planes.bases.append(one.basis)
        planes.coded += one.r
        residuals.explicit.append(one.explicit)
        residuals.coefs += one.q
        residuals.lasts += one.last
    if m.video_planes():
        _make_video(w, [plane for one in done for plane in one.wanted])


def _quantise_group(w: Writer, g: int) -> _Group:
    m, planes, nb = w.model, w.planes, w.nb
    channels = list(channels_of(g, m.sh_degree))
    if not channels:
        return _Group(BASIS_NONE, np.zeros((0, m.frames)), np.zeros((0, m.frames), np.int64))
    series = _series(w, g)
    finer = [refinement(w, one, c, g) for c, one in zip(channels, series, strict=True)]
    for one, by in zip(series, finer, strict=True):
        if by != 1:
            one *= by
    step = np.stack([2.0 ** planes.step_classes(c, g) for c in channels])
    out = _Group(
        *choose_basis(
            series.reshape(-1, m.frames), step.ravel(), shared=m.shared, explicit="KLT" not in w.tools.without
        ),
        finer,
    )
    for c, one, steps in zip(channels, series, step, strict=True):
        wanted = project(one, out.basis) if len(out.basis) else np.zeros((m.slots, 0))
        modes = _plane_modes(w, g, wanted, steps)
        coded = [j for j, mode in enumerate(modes) if mode == MODE_CODED]
        target = np.ascontiguousarray(wanted[:, coded])
        q, r = np.zeros(target.shape, np.int64), np.zeros(target.shape, np.int64)
        last, beta = np.zeros(m.slots, np.int64), np.zeros(len(coded), np.int64)
        if coded:
            if "neighbour prediction" not in w.tools.without:
                beta = np.clip(np.round(32 * _neighbour_fit(*nb[:4], target)), 0, 32).astype(np.int64)
            quantise_coefficients(
                *nb[:4], planes.step_classes(c, g), beta, _rounding(w, out.kind, coded), target, q, r, last
            )
        out.modes.append(modes)
        out.beta.append([int(v) for v in beta])
        out.wanted.append(wanted)
        out.q.append(q)
        out.r.append(r)
        out.last.append(last)
    return out


def _series(w: Writer, g: int) -> np.ndarray:
    """(channels, N, T): what is left of group g's tracks beside the decoded base and parts, in units of coef_unit."""
    m, planes, t = w.model, w.planes, w.tracks
    channels = channels_of(g, m.sh_degree)
    units = m.coef_unit[list(channels)].astype(np.float64)
    if g == ROTATION:
        vectors = rotation_vectors(base_quaternions(planes), canonical_quats(w), planes.twist_axes())
        return vectors / units[:, None, None]
    if g == POSITION:
        base = m.origin.astype(np.float64) + planes.x * m.base_unit[:3].astype(np.float64)
    else:
        base = (planes.base[list(channels)] * m.base_unit[list(channels)].astype(np.float64)[:, None]).T
    first, motion = 0, w.motion
    if g == POSITION:
        values = t.means if motion is None else motion.still(t.means, base)
    elif g == SCALE:
        values = t.logs if motion is None else t.logs - motion.growth()[..., None]
    elif g == OPACITY:
        values = t.logits[..., None]
    else:
        values, first = t.colours, channels.start - 10
    out = np.empty((len(channels), m.slots, m.frames))
    _off(np.ascontiguousarray(values), first, np.ascontiguousarray(base), units, out)
    return out


@njit
def _off(values, first, base, units, out):
    """values (T, N, first + C...) less base (N, C), in units (C,), by channel: out (C, N, T)."""
    channels, slots, frames = out.shape
    for start in range(0, slots, CACHED):
        for t in range(frames):
            for i in range(start, min(slots, start + CACHED)):
                for c in range(channels):
                    out[c, i, t] = (values[t, i, first + c] - base[i, c]) / units[c]


VIDEO_GROUPS = (POSITION, ROTATION)  # dense, noisy planes; the context coder does the sparse ones better
VIDEO_MEAN = 0.15  # mean magnitude, in steps, above which a plane is dense
VIDEO_OVERFLOW = 0.004  # share of slots that may not fit the levels


def _plane_modes(w: Writer, g: int, wanted: np.ndarray, steps: np.ndarray) -> list[int]:
    """The mode of each of a channel's planes (N, K); steps (N,)."""
    may_be_video = w.tools.video and g in VIDEO_GROUPS
    modes = []
    for most, mean, unfit in _magnitudes(wanted, steps, 104.0 / w.tools.gain):
        if may_be_video and mean > VIDEO_MEAN and unfit <= VIDEO_OVERFLOW:
            modes.append(MODE_VIDEO)
        else:
            modes.append(MODE_CODED if most > 1 - COEF_ROUNDING else MODE_ZERO)
    return modes


@njit
def _magnitudes(values, steps, limit):
    """(K, 3) of each column of values (N, K), in steps (N,): greatest magnitude, mean, share above the limit."""
    n, k = values.shape
    out = np.zeros((k, 3))
    for i in range(n):
        for j in range(k):
            size = abs(values[i, j]) / steps[i]
            out[j, 0] = max(out[j, 0], size)
            out[j, 1] += size / n
            out[j, 2] += (size > limit) / n
    return out


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


def _rounding(w: Writer, kind: int, coded: list[int]) -> np.ndarray:
    """Rounding offsets of a channel's coded planes, which are the basis's rows `coded`."""
    if "dead zone" in w.tools.without:
        return np.full(len(coded), 0.5)
    mean = w.model.shared and kind == BASIS_DCT
    return np.array([SHARED_ROUNDING if mean and j == 0 else COEF_ROUNDING for j in coded])


def _make_video(w: Writer, coefs: list[np.ndarray]) -> None:
    """The planes of mode 2 as H.264, decoded again, and what it got badly wrong as overflow."""
    from gscodec.codec.payloads.video import write_planes

    m, planes, gain = w.model, w.planes, w.tools.gain
    m.gain = gain
    groups = channel_groups(m.sh_degree)
    video = m.video_planes()
    wanted = np.stack(
        [gain * coefs[c][:, k - 1] / 2.0 ** planes.step_classes(c, groups[c]) for c, k in video]
    )
    w.video, m.atlas, levels = write_planes(
        wanted, video, m.slots, w.tools.qp, w.tools.preset, w.tools.device
    )
    extra = np.round((wanted - levels) / gain).astype(np.int64)
    extra[np.abs(wanted - levels) < 1.5 * gain] = 0  # a step and a half is the video quantiser's own business
    at = np.nonzero(extra)
    w.residuals.overflow = np.stack([at[0], at[1], extra[at]]).astype(np.int64)
    shift = np.stack([planes.step_classes(c, groups[c]) for c, _ in video])
    planes.video = (levels + gain * extra) << shift
