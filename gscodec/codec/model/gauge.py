"""Gauge: which of the equal spellings of a covariance each slot uses (DESIGN section 5.3).

A rotation and three scales spell a covariance in 24 ways (axis order and signs), and in infinitely many where two
scales are equal. Frame 0 takes the spelling with falling scales; each later frame the one nearest to the frame before,
relative to the part's rotation. Without this, imported sequences spend half their bytes on jumps.
"""

from __future__ import annotations

import itertools

import numpy as np

from gscodec.base.jit import njit
from gscodec.base.threads import in_threads, shares
from gscodec.codec.model.rotation import conjugate_one, from_matrix, multiply_one

__all__ = ["SPELLINGS", "SPELLING_ORDER", "align"]

FREE_TURN = 0.02  # two log scales nearer than this: the turn between their axes is free


def _spellings() -> tuple[np.ndarray, np.ndarray]:
    """The 24 axis changes: quaternions (24, 4) with R' = R S, and order (24, 3): scale'[a] = scale[order[a]]."""
    quats, orders = [], []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            m = np.zeros((3, 3))
            for a in range(3):
                m[order[a], a] = signs[a]
            if np.linalg.det(m) > 0:
                quats.append(from_matrix(m))
                orders.append(order)
    return np.array(quats), np.array(orders, np.int64)


SPELLINGS, SPELLING_ORDER = _spellings()


@njit
def _first_spelling(logs, order):
    """The first spelling with falling scales."""
    for s in range(24):
        if logs[order[s, 0]] >= logs[order[s, 1]] and logs[order[s, 1]] >= logs[order[s, 2]]:
            return s
    return 0


@njit
def _nearest_spelling(rel, logs, before, spellings, order):
    """The spelling of least angle^2 + squared change of log scales; rel = (previous rotation)^-1 * this one."""
    best, best_cost = 0, 1e30
    for s in range(24):
        b = spellings[s]
        cost = 0.0
        for a in range(3):
            d = logs[order[s, a]] - before[a]
            cost += d * d
        if cost >= best_cost:
            continue
        w = abs(rel[0] * b[0] - rel[1] * b[1] - rel[2] * b[2] - rel[3] * b[3])
        angle = 2.0 * np.arccos(min(1.0, w))
        cost += angle * angle
        if cost < best_cost:
            best, best_cost = s, cost
    return best


@njit
def _turn_freely(prev, q, logs, tmp, rel):
    """Take out of q the turn about an axis whose two other scales are equal."""
    for a in range(3):
        b, c = (a + 1) % 3, (a + 2) % 3
        if abs(logs[b] - logs[c]) >= FREE_TURN:
            continue
        conjugate_one(prev, tmp)
        multiply_one(tmp, q, rel)
        # the twist of rel about body axis a (swing-twist): rel = swing * twist
        half = np.arctan2(rel[1 + a], rel[0])
        tmp[:] = 0.0
        tmp[0], tmp[1 + a] = np.cos(half), -np.sin(half)
        multiply_one(q, tmp, rel)
        q[:] = rel


def align(
    quats: np.ndarray,
    logs: np.ndarray,
    spellings: np.ndarray,
    order: np.ndarray,
    enabled: bool,
    first_quats: np.ndarray,
    first_logs: np.ndarray,
) -> np.ndarray:
    """Re-spell in place: quats (T, N, 4) relative to the part's rotation, logs (T, N, 3). Returns spellings (T, N).

    first_quats (N, 4), first_logs (N, 3): what frame 0 is spelled like; empty: by falling scales.
    """
    chosen = np.zeros(quats.shape[:2], np.int8)
    in_threads(
        lambda some: _align(*some, quats, logs, spellings, order, enabled, first_quats, first_logs, chosen),
        shares(quats.shape[1]),
    )
    return chosen


@njit
def _align(start, end, quats, logs, spellings, order, enabled, first_quats, first_logs, chosen):
    """`align` of slots start..end, into chosen (T, N)."""
    frames = quats.shape[0]
    rel, tmp, q = np.empty(4), np.empty(4), np.empty(4)
    old, p, before = np.empty(3), np.empty(4), np.empty(3)
    for i in range(start, end):
        for t in range(frames):
            old[:] = logs[t, i]
            q[:] = quats[t, i]
            known = t > 0 or first_quats.shape[0] > 0
            if known:
                p[:] = quats[t - 1, i] if t > 0 else first_quats[i]
                before[:] = logs[t - 1, i] if t > 0 else first_logs[i]
            if not known:
                s = _first_spelling(old, order)
            elif enabled or t == 0:
                conjugate_one(p, tmp)
                multiply_one(tmp, q, rel)
                s = _nearest_spelling(rel, old, before, spellings, order)
            else:
                s = chosen[0, i]
            chosen[t, i] = s
            multiply_one(q, spellings[s], rel)
            q[:] = rel
            for a in range(3):
                logs[t, i, a] = old[order[s, a]]
            if known and enabled:
                _turn_freely(p, q, logs[t, i], tmp, rel)
            if known and (q * p).sum() < 0:
                q[:] = -q
            quats[t, i] = q
