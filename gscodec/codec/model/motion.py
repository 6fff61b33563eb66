"""The motion of parts as slots see it: hard parts (each slot moves with one) or soft ones (a blend of four nodes)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gscodec.base.jit import njit
from gscodec.base.threads import in_threads
from gscodec.codec.model import rotation
from gscodec.codec.model.parts import canonical_tracks
from gscodec.codec.segment import BLENDED

__all__ = [
    "Motion", "blend_one", "blend_place", "blend_turn", "hard_motion", "left_of_place", "soft_motion", "turn_vector",
]  # fmt: skip


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
        out, turns = np.empty_like(means), self.of_parts[0]
        in_threads(
            lambda t: _blend_residuals(
                means[t], rest, self.centres, self.moves[t], turns[t], self.near, self.weights, out[t]
            ),
            range(len(means)),
        )
        return out


def hard_motion(labels: np.ndarray, centres: np.ndarray, moves: np.ndarray) -> Motion:
    """Each slot moves with the part of its label (N,)."""
    return Motion(centres, moves, labels[:, None], np.ones((len(labels), 1)), soft=False)


@njit
def blend_place(x, y, z, centres, moves, near, weights):
    """Where the parts `near` (B,) of moves (P, 3, 4) take a place, each by its weight."""
    to0, to1, to2 = 0.0, 0.0, 0.0
    for k in range(near.shape[0]):
        p, w = near[k], weights[k]
        dx, dy, dz = x - centres[p, 0], y - centres[p, 1], z - centres[p, 2]
        m = moves[p]
        to0 += w * (centres[p, 0] + m[0, 0] * dx + m[0, 1] * dy + m[0, 2] * dz + m[0, 3])
        to1 += w * (centres[p, 1] + m[1, 0] * dx + m[1, 1] * dy + m[1, 2] * dz + m[1, 3])
        to2 += w * (centres[p, 2] + m[2, 0] * dx + m[2, 1] * dy + m[2, 2] * dz + m[2, 3])
    return to0, to1, to2


@njit
def blend_turn(turns, near, weights):
    """The blend of quaternions turns (P, 4), each with the sign that is nearer to the first's; not normalised."""
    a = turns[near[0]]
    g0, g1, g2, g3 = 0.0, 0.0, 0.0, 0.0
    for k in range(near.shape[0]):
        b = turns[near[k]]
        w = weights[k] if a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3] >= 0 else -weights[k]
        g0, g1, g2, g3 = g0 + w * b[0], g1 + w * b[1], g2 + w * b[2], g3 + w * b[3]
    return g0, g1, g2, g3


@njit
def turn_vector(q0, q1, q2, q3, v0, v1, v2):
    """The vector turned by a quaternion of any length; by q0, -q1, -q2, -q3: turned back."""
    t0, t1, t2 = q2 * v2 - q3 * v1, q3 * v0 - q1 * v2, q1 * v1 - q2 * v0
    twice = 2.0 / (q0 * q0 + q1 * q1 + q2 * q2 + q3 * q3)
    return (
        v0 + twice * (q0 * t0 + q2 * t2 - q3 * t1),
        v1 + twice * (q0 * t1 + q3 * t0 - q1 * t2),
        v2 + twice * (q0 * t2 + q1 * t1 - q2 * t0),
    )


@njit
def left_of_place(x, y, z, place, centres, moves, turns, near, weights):
    """What a blend that takes x, y, z somewhere leaves of `place` (3,), turned back."""
    to0, to1, to2 = blend_place(x, y, z, centres, moves, near, weights)
    q0, q1, q2, q3 = blend_turn(turns, near, weights)
    return turn_vector(q0, -q1, -q2, -q3, place[0] - to0, place[1] - to1, place[2] - to2)


@njit
def _blend_turns(turns, near, weights, out):
    """`blend_turn` of all slots, normalised, into out (N, 4)."""
    for i in range(near.shape[0]):
        q = blend_turn(turns, near[i], weights[i])
        norm = np.sqrt(q[0] ** 2 + q[1] ** 2 + q[2] ** 2 + q[3] ** 2)
        for c in range(4):
            out[i, c] = q[c] / norm


@njit
def _blend_places(x, centres, moves, near, weights, out):
    """`blend_place` of slots at x (N, 3), into out (N, 3)."""
    for i in range(x.shape[0]):
        out[i] = blend_place(x[i, 0], x[i, 1], x[i, 2], centres, moves, near[i], weights[i])


@njit
def _blend_residuals(means, rest, centres, moves, turns, near, weights, out):
    """out (N, 3): rest (N, 3) plus what blended motion leaves of places means (N, 3)."""
    for i in range(near.shape[0]):
        x, y, z = rest[i]
        e0, e1, e2 = left_of_place(x, y, z, means[i], centres, moves, turns, near[i], weights[i])
        out[i, 0], out[i, 1], out[i, 2] = x + e0, y + e1, z + e2


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
