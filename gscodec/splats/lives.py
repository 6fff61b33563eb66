"""Lives: Gaussians that are there for a part of a group of frames only, in slots that hold still, unseen, for the rest.

Costs are estimates of coded bits, good enough to tell a wrong match from a right one: of a jump by r quantiser steps
in one channel, a group's temporal transform spreads over some eight coefficients of about log2(1 + r / 2) bits.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gscodec.splats.model import Splats

__all__ = ["BASE_BITS", "HIDE_BITS", "change_bits", "fill_slots", "slot_ids"]

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

BASE_BITS = 64.0  # of a Gaussian that is sent anew: 7 to 9 bytes in static scenes at usual quality
JUMP_COEFFICIENTS = 8
POSITION_STEP = (
    0.25  # of the scene's median Gaussian size: what a shift does to the picture doesn't depend on its own
)
SCALE_STEP, OPACITY_STEP, COLOUR_STEP = 0.15, 0.5, 0.2  # log scale, logit, degree-0 coefficient
HIDE_LOGITS = 8.0  # usual way of a logit from seen to unseen
HIDE_BITS = JUMP_COEFFICIENTS * float(np.log2(1 + HIDE_LOGITS / OPACITY_STEP / 2))


def change_bits(a: Splats, b: Splats, found: I64, predicted: F64) -> F64:
    """(N,) estimated bits of the jump from row i of `a` to row `found[i]` of `b`; 0 where that is -1.

    `predicted` (N, 3): the step that its neighbours would have it do. Rotation isn't asked: it follows a part's.
    """
    ok = np.flatnonzero(found >= 0)
    if len(ok) == 0:
        return np.zeros(len(a))
    other = found[ok]
    logs_a, logs_b = _logs(a), _logs(b)
    unit = POSITION_STEP * float(np.exp(np.median(logs_a.mean(axis=1))))
    step = b.means[other].astype(np.float64) - a.means[ok] - predicted[ok]
    traits = [
        (logs_b[other] - logs_a[ok]) / SCALE_STEP,
        (_logit(b)[other] - _logit(a)[ok]) / OPACITY_STEP,
        (b.sh[other, 0].astype(np.float64) - a.sh[ok, 0]) / COLOUR_STEP,
    ]
    traits = [t - np.median(t, axis=0) for t in traits]  # what all do, costs no one
    jumps = np.abs(np.concatenate([step / max(unit, 1e-30), *traits], axis=1))
    bits = np.zeros(len(a))
    bits[ok] = JUMP_COEFFICIENTS * np.log2(1 + jumps / 2).sum(axis=1)
    return bits


def _logs(splats: Splats) -> F64:
    return np.log(np.maximum(np.sort(splats.scales.astype(np.float64), axis=1), 1e-8))


def _logit(splats: Splats) -> F64:
    p = np.clip(splats.opacities.astype(np.float64), 1e-3, 1 - 1e-3)
    return np.asarray(np.log(p / (1 - p)))[:, None]


def slot_ids(frames: list[I64]) -> I64:
    """The slots of a group: numbers of all that live in one of its frames, by first frame, then by row there."""
    slots = [frames[0]]
    known = frames[0]
    for before, ids in pairwise(frames):
        if ids is not before and not np.array_equal(ids, before):
            born = ids[~np.isin(ids, known)]
            slots.append(born)
            known = np.concatenate([known, born])
    return np.concatenate(slots)


def fill_slots(frames: list[Splats], ids: list[I64]) -> list[Splats]:
    """The frames with one row for each of `slot_ids(ids)`; outside its life a Gaussian holds still at opacity 0.

    Before its birth it is as it will be born, after its death as it was last. Needs numbers that are not used twice.
    """
    slots = slot_ids(ids)
    if all(np.array_equal(one, slots) for one in ids):
        return frames
    place = {int(number): at for at, number in enumerate(slots)}
    at = [np.array([place[int(number)] for number in one], dtype=np.int64) for one in ids]
    last = _first_seen(frames, at, len(slots))
    out = []
    for frame, where in zip(frames, at, strict=True):
        opacities = np.zeros(len(slots), dtype=np.float32)
        opacities[where] = frame.opacities
        arrays: dict[str, Any] = {}
        for name, held in last.items():
            held = held.copy()
            held[where] = getattr(frame, name)
            last[name] = arrays[name] = held
        out.append(replace(frame, **arrays, opacities=opacities))
    return out


def _first_seen(frames: list[Splats], at: list[I64], slots: int) -> dict[str, npt.NDArray[np.float32]]:
    """By attribute, each slot as it is born."""
    out = {}
    for name in ("means", "quats", "scales", "sh"):
        held = np.zeros((slots, *getattr(frames[0], name).shape[1:]), dtype=np.float32)
        for frame, where in zip(reversed(frames), reversed(at), strict=True):
            held[where] = getattr(frame, name)
        out[name] = held
    return out
