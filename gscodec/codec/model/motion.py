"""The motion of parts as slots see it: hard parts (each slot moves with one) or soft ones (a blend of four nodes)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gscodec.base.jit import njit
from gscodec.base.threads import in_threads
from gscodec.codec.model import rotation
from gscodec.codec.model.parts import canonical_tracks

__all__ = ["BLENDED", "Motion", "blend_one", "blend_place", "blend_turn", "hard_motion", "soft_motion"]

BLENDED = 4  # nodes that move a slot of soft parts; the fifth's distance is where a weight ends


@dataclass(frozen=True)
class Motion:
    """P parts or nodes over T frames: x_t = sum of weight * (centre + M (x - centre) + b)."""

    centres: np.ndarray  # (P, 3) world
    moves: np.ndarray  # (T, P, 3, 4) M | b
    near: np.ndarray  # (N, B) int64 parts of each slot: its own, or its four nearest nodes
    weights: np.ndarray  # (N, B) float64, sum 1
    soft: bool

    def take(self, rows: np.ndarray) -> Motion:
        """Of the given slots in the given order."""
        return replace(self, near=self.near[rows], weights=self.weights[rows])

    @cached_property
    def of_parts(self) -> tuple[np.ndarray, np.ndarray]:
        """(T, P, 4) turns of the parts; (T, P) what they add to the sum of log scales: nothing where they are soft."""
        factors, log_dets = rotation.polar(self.moves[..., :3])
        return rotation.from_matrix(factors), np.zeros_like(log_dets) if self.soft else log_dets

    def turns(self) -> np.ndarray:
        """(T, N, 4) unit quaternions."""
        turns = self.of_parts[0]
        if not self.soft:
            return turns[:, self.near[:, 0]]
        out = np.empty((turns.shape[0], self.near.shape[0], 4))
        in_threads(lambda t: _blend_turns(turns[t], self.near, self.weights, out[t]), range(len(turns)))
        return out

    def growth(self) -> np.ndarray:
        """(T, N) of each log scale."""
        return self.of_parts[1][:, self.near[:, 0]] / 3.0

    def moved(self, x: np.ndarray) -> np.ndarray:
        """(T, N, 3): where slots that rest at x (N, 3) are taken."""
        out = np.empty((len(self.moves), *x.shape))
        in_threads(
            lambda t: _blend_places(x, self.centres, self.moves[t], self.near, self.weights, out[t]),
            range(len(out)),
        )
        return out

    def still(self, means: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """(T, N, 3): tracks (T, N, 3) of slots at rest (N, 3), with the motion undone."""
        if not self.soft:
            return canonical_tracks(means, self.near[:, 0], self.centres, self.moves)
        out, turns = np.empty_like(means), self.turns()
        in_threads(
            lambda t: _blend_residuals(
                means[t], rest, turns[t], self.centres, self.moves[t], self.near, self.weights, out[t]
            ),
            range(len(means)),
        )
        return out


def hard_motion(labels: np.ndarray, centres: np.ndarray, moves: np.ndarray) -> Motion:
    """Each slot moves with the part of its label (N,)."""
    return Motion(centres, moves, labels[:, None], np.ones((len(labels), 1)), soft=False)


@njit
def _blend_turns(turns, near, weights, out):
    """Unit quaternions out (N, 4): blends of turns (P, 4), each with the sign that is nearer to the first's."""
    for i in range(near.shape[0]):
        blend_turn(turns, near[i], weights[i], out[i])


@njit
def blend_turn(turns, near, weights, out):
    """`_blend_turns` of one slot: near (B,), weights (B,), out (4,)."""
    a = turns[near[0]]
    out[:] = 0.0
    for k in range(near.shape[0]):
        b = turns[near[k]]
        near_side = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3] >= 0
        w = weights[k] if near_side else -weights[k]
        for c in range(4):
            out[c] += w * b[c]
    out /= np.sqrt(out[0] ** 2 + out[1] ** 2 + out[2] ** 2 + out[3] ** 2)


@njit
def _blend_places(x, centres, moves, near, weights, out):
    """`blend_place` of slots at x (N, 3), into out (N, 3)."""
    for i in range(x.shape[0]):
        blend_place(x[i], centres, moves, near[i], weights[i], out[i])


@njit
def _blend_residuals(means, rest, turns, centres, moves, near, weights, out):
    """out (N, 3): rest (N, 3) plus what blended motion leaves of places means (N, 3), turned back."""
    at = np.empty(3)
    for i in range(near.shape[0]):
        blend_place(rest[i], centres, moves, near[i], weights[i], at)
        e0, e1, e2 = means[i, 0] - at[0], means[i, 1] - at[1], means[i, 2] - at[2]
        w, x, y, z = turns[i, 0], -turns[i, 1], -turns[i, 2], -turns[i, 3]
        t0, t1, t2 = 2 * (y * e2 - z * e1), 2 * (z * e0 - x * e2), 2 * (x * e1 - y * e0)
        out[i, 0] = rest[i, 0] + e0 + w * t0 + y * t2 - z * t1
        out[i, 1] = rest[i, 1] + e1 + w * t1 + z * t0 - x * t2
        out[i, 2] = rest[i, 2] + e2 + w * t2 + x * t1 - y * t0


@njit
def blend_place(x, centres, moves, near, weights, out):
    """out (3,): where the parts `near` (B,) of moves (P, 3, 4) take x (3,)."""
    for a in range(3):
        out[a] = 0.0
    for k in range(near.shape[0]):
        p = near[k]
        m = moves[p]
        d0, d1, d2 = x[0] - centres[p, 0], x[1] - centres[p, 1], x[2] - centres[p, 2]
        for a in range(3):
            out[a] += weights[k] * (centres[p, a] + m[a, 0] * d0 + m[a, 1] * d1 + m[a, 2] * d2 + m[a, 3])


def soft_motion(x: np.ndarray, places: np.ndarray, centres: np.ndarray, moves: np.ndarray) -> Motion:
    """Slots at x (N, 3) blend nodes at `places` (K, 3), both in lattice units; centres (K, 3): the places in the world."""
    near, weights = np.zeros((len(x), BLENDED), np.int64), np.zeros((len(x), BLENDED))
    blend_weights(x, places, near, weights)
    return Motion(centres, moves, near, weights, soft=True)


@njit
def blend_weights(x, places, near, weights):
    """The four nodes nearest to each slot, nearest first, ties: lowest number first, and their weights.

    x (N, 3), places (K, 3) float64, K >= 5; near (N, 4) int64, weights (N, 4) float64 out.
    """
    best, dist = np.empty(BLENDED + 1, np.int64), np.empty(BLENDED + 1)
    for i in range(x.shape[0]):
        blend_one(x[i], places, best, dist, near[i], weights[i])


@njit
def blend_one(x, places, best, dist, near, weights):
    """`blend_weights` of one slot at x (3,); best, dist (5,): room."""
    count = 0
    for j in range(places.shape[0]):
        a, b, c = x[0] - places[j, 0], x[1] - places[j, 1], x[2] - places[j, 2]
        d = a * a + b * b + c * c
        if count > BLENDED and d >= dist[BLENDED]:
            continue
        k = min(count, BLENDED)
        while k > 0 and dist[k - 1] > d:
            dist[k], best[k] = dist[k - 1], best[k - 1]
            k -= 1
        dist[k], best[k] = d, j
        count = min(count + 1, BLENDED + 1)
    total, end = 0.0, dist[BLENDED]
    for k in range(BLENDED):
        near[k] = best[k]
        reach = 1.0 - dist[k] / end if end > 0 else 0.0
        weights[k] = reach * reach
        total += weights[k]
    if total > 0:
        weights /= total
    else:
        weights[0] = 1.0
