"""Quantiser steps from sensitivity: equal slope everywhere (DESIGN section 5.5).

The picture's squared error grows with the diagonal of J'J; fewest bytes at a given error means
`step = lambda / sqrt(sensitivity)` for every channel and slot. Steps are capped, else a Gaussian that no view saw comes
back as a giant. A slot's step is its channel's unit times a power of two: its class in the channel's group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gscodec.codec.model.channels import COLOUR, GROUPS, OPACITY, POSITION, ROTATION, SCALE, SH, channels_of
from gscodec.codec.model.shape import SHIFT_BIAS
from gscodec.codec.model.tracks import Tracks

__all__ = ["CAPS", "MAX_CLASS", "Steps", "classes_in", "flat_steps", "sensitive_steps"]

MAX_CLASS = 15
POSITION_CAP = 0.5  # of the slot's geometric mean scale
ROTATION_CAP = 0.7  # of an axis with 2 sinh = 1 (see shape.py)
# Of what no measured view shows, others may show something: colours are told well enough to be seen.
CAPS = {SCALE: 0.35, ROTATION: ROTATION_CAP / 2**SHIFT_BIAS, OPACITY: 1.5, COLOUR: 0.25, SH: 0.15}
BASE_COARSER = 1.4  # base steps against temporal ones, except positions (measured: rd-tools 9)


@dataclass
class Steps:
    """Base units by channel (float32 values), ideal classes by group before rounding."""

    base_unit: np.ndarray  # (C,)
    coef_unit: np.ndarray  # (C,)
    wanted: np.ndarray  # (6, N) float64 log2 of the group's step in its unit, >= 0


def _group_logs(tracks: Tracks, lam: float, t: int) -> list[np.ndarray]:
    """By group: (N, channels) log2 of the ideal base step in a GOP of t frames, capped."""
    s = tracks.sensitivity
    scale = np.exp(tracks.logs.mean(0))
    coarser = BASE_COARSER if t > 1 else 1.0

    def step(sens: np.ndarray, cap: np.ndarray | float, factor: float) -> np.ndarray:
        ideal = factor * lam / np.sqrt(np.maximum(sens, 1e-30) * t)
        return np.asarray(np.log2(np.minimum(ideal, cap)))

    size = np.exp(np.log(scale).mean(1, keepdims=True))
    sh = np.repeat(s["sh"], 3, axis=1)
    return [
        step(s["position"].mean(1, keepdims=True), POSITION_CAP * size, 1.0),
        step(s["scale"], CAPS[SCALE], coarser),
        step(s["rotation"], CAPS[ROTATION], coarser),
        step(s["opacity"][:, None], CAPS[OPACITY], coarser),
        step(sh[:, :3], CAPS[COLOUR], coarser),
        step(sh[:, 3:], CAPS[SH], coarser),
    ]


def classes_in(tracks: Tracks, lam: float, coef_unit: np.ndarray, frames: int) -> np.ndarray:
    """(6, N) `Steps.wanted` in the units of another GOP of so many frames, whose coefficients had coef_unit (C,)."""
    logs = _group_logs(tracks, lam, frames)
    wanted = np.zeros((GROUPS, tracks.slots))
    for g in range(GROUPS):
        channels = list(channels_of(g, tracks.sh_degree))
        if channels:
            units = coef_unit[channels].astype(np.float64) * _coarser(g) / np.sqrt(frames)
            wanted[g] = np.clip((logs[g] - np.log2(units)).mean(axis=1), 0, MAX_CLASS)
    return wanted


def _coarser(g: int) -> float:
    """Base units of a group against those of coefficients."""
    return BASE_COARSER if g != POSITION else 1.0


def _from_logs(tracks: Tracks, logs: list[np.ndarray]) -> Steps:
    t = tracks.frames
    n_channels = 10 + tracks.colours.shape[2]
    base_unit, coef_unit = np.ones(n_channels), np.ones(n_channels)
    wanted = np.zeros((GROUPS, tracks.slots))
    for g in range(GROUPS):
        channels = channels_of(g, tracks.sh_degree)
        if len(channels) == 0:
            continue
        log = logs[g]
        offset = np.median(log, axis=0)
        offset = offset - offset[0]
        group = (log - offset).mean(axis=1)
        low = max(group.min(), np.quantile(group, 0.5) - 9)  # half the range for each side of the middle
        wanted[g] = np.clip(group - low, 0, MAX_CLASS)
        units = 2.0 ** (low + offset)
        base_unit[list(channels)] = units
        coef_unit[list(channels)] = units * np.sqrt(t) / _coarser(g)
    return Steps(base_unit.astype(np.float32), coef_unit.astype(np.float32), wanted)


def sensitive_steps(tracks: Tracks, lam: float) -> Steps:
    """Steps of equal slope at multiplier lambda."""
    return _from_logs(tracks, _group_logs(tracks, lam, tracks.frames))


def flat_steps(tracks: Tracks, lam: float) -> Steps:
    """One step an attribute (its median), for the ablation only."""
    logs = _group_logs(tracks, lam, tracks.frames)
    return _from_logs(tracks, [np.broadcast_to(np.median(x, axis=0), x.shape) for x in logs])
