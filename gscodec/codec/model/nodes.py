"""The writer's side of soft parts: where nodes stand, how they move, where slots rest (DESIGN section 5.2)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gscodec.base.jit import njit
from gscodec.base.threads import in_threads
from gscodec.codec.model.motion import Motion, blend_one, left_of_place, soft_motion
from gscodec.codec.model.parts import spread_out
from gscodec.codec.segment import BLENDED

__all__ = ["node_count", "nodes_on", "rest_places", "track_nodes"]

NODES = 100
SLOTS_A_NODE = 60  # at least
ROUNDS = 3  # of fitting nodes and finding rest places in turn
RIDGE, RIDGE_SHIFT = 0.1, 0.003  # of M and b, of what a node's slots weigh in the mean
RESTLESS = 0.02  # share of slots whose finer steps count as if they were the coarsest of them
SPREAD_ROUNDS = 4
REST_ROUNDS = 25
REST_MISS = 0.1  # of a slot's step, in the mean over time, that is as good as none
OTHER_STARTS = 8


def node_count(slots: int) -> int:
    """Nodes for so many slots; 0: too few for soft parts."""
    count = min(NODES, slots // SLOTS_A_NODE)
    return count if count > BLENDED else 0


def track_nodes(means: np.ndarray, steps: np.ndarray, count: int) -> tuple[Motion, np.ndarray]:
    """Soft motion of `count` nodes fitted to tracks (T, N, 3), and rest places (N, 3); steps (N,) of positions.

    Bits grow with the logarithm of what is left against the step, so slots that the fit doesn't explain weigh less.
    """
    rest = means[len(means) // 2].copy()
    places = spread_out(rest, count, SPREAD_ROUNDS)[0]
    worth = first_worth(steps)
    motion = still_nodes(len(means), rest, places)
    for _ in range(ROUNDS):
        motion = fit_nodes(means, rest, motion, worth)
        rest = rest_places(means, rest, motion, steps)
        motion = soft_motion(rest, places, places, motion.moves)
        worth = 1 / (steps**2 + ((motion.still(means, rest) - rest) ** 2).mean(axis=(0, 2)))
    return motion, rest


def nodes_on(means: np.ndarray, rest: np.ndarray, steps: np.ndarray, count: int) -> Motion:
    """`track_nodes` where slots rest at `rest` (N, 3), as they do on a base that is decoded already."""
    motion = still_nodes(len(means), rest, spread_out(rest, count, SPREAD_ROUNDS)[0])
    return fit_nodes(means, rest, motion, first_worth(steps))


def first_worth(steps: np.ndarray) -> np.ndarray:
    """(N,) of a slot's squared error before anything is known of what a fit leaves."""
    return np.asarray(1 / np.maximum(steps, np.quantile(steps, RESTLESS)) ** 2)


def still_nodes(frames: int, x: np.ndarray, places: np.ndarray) -> Motion:
    """Nodes at places (K, 3) that leave slots at x (N, 3) where they are."""
    return soft_motion(x, places, places, np.tile(np.eye(3, 4), (frames, len(places), 1, 1)))


def fit_nodes(means: np.ndarray, x: np.ndarray, motion: Motion, worth: np.ndarray) -> Motion:
    """The motion with moves that take slots at x (N, 3) nearest to tracks (T, N, 3); worth (N,) of a squared error.

    All nodes and frames at once: ridge least squares in 4 unknowns a node and world axis.
    """
    from scipy.sparse import csr_matrix

    t, k, n = len(means), len(motion.centres), len(x)
    arms = x[:, None] - motion.centres[motion.near]
    values = motion.weights[..., None] * np.concatenate([arms, np.ones((n, BLENDED, 1))], axis=2)
    columns = 4 * motion.near[..., None] + np.arange(4)
    a = csr_matrix(
        (values.reshape(-1), columns.reshape(-1), np.arange(n + 1) * 4 * BLENDED), shape=(n, 4 * k)
    )
    weighted = a.multiply(worth[:, None]).tocsr()
    gram = (a.T @ weighted).toarray()
    size = np.diag(gram).reshape(k, 4).mean(axis=0)
    gram[np.diag_indices(4 * k)] += np.tile([RIDGE * size[:3].mean()] * 3 + [RIDGE_SHIFT * size[3]], k)
    right = weighted.T @ np.transpose(means - x, (1, 0, 2)).reshape(n, -1)
    moves = np.transpose(np.linalg.solve(gram, right).reshape(k, 4, t, 3), (2, 0, 3, 1)) + np.eye(3, 4)
    return replace(motion, moves=np.ascontiguousarray(moves))


def rest_places(means: np.ndarray, start: np.ndarray, motion: Motion, steps: np.ndarray) -> np.ndarray:
    """(N, 3) places of which the motion leaves nothing in the mean over tracks (T, N, 3); start (N, 3), steps (N,).

    The base stands for the mean, so what it does not tell is lost.
    """
    out, turns = start.copy(), motion.of_parts[0]
    chunks = np.array_split(np.arange(len(start)), 8)
    in_threads(
        lambda rows: _solve_rest(
            means, motion.centres, motion.moves, turns, rows, (REST_MISS * steps) ** 2, out
        ),
        chunks,
    )
    return out


@njit
def _left(at, tracks, centres, moves, turns, near, weights, room, out):
    """out (3,): mean over frames of what the motion leaves of a slot's tracks (T, 3) where it rests at `at`, turned
    back; returns its squared length."""
    best, dist = room
    blend_one(at, centres, best, dist, near, weights)
    out[:] = 0.0
    for t in range(tracks.shape[0]):
        left = left_of_place(at[0], at[1], at[2], tracks[t], centres, moves[t], turns[t], near, weights)
        for a in range(3):
            out[a] += left[a]
    out /= tracks.shape[0]
    return (out**2).sum()


@njit
def _solve_rest(means, centres, moves, turns, rows, enough, out):
    """Rest places of `rows`, to a squared miss of enough (N,); out (N, 3): from where, to where.

    Where that fails, because the blend folds there, the search starts from where each frame would have the slot rest
    if it moved with the nearest node alone.
    """
    room = (np.empty(BLENDED + 1, np.int64), np.empty(BLENDED + 1))
    at = np.empty(3)
    for i in rows:
        tracks = np.ascontiguousarray(means[:, i])
        lowest = _descend(out[i], tracks, centres, moves, turns, enough[i], room)
        if lowest < enough[i]:
            continue
        for t in range(0, tracks.shape[0], max(1, tracks.shape[0] // OTHER_STARTS)):
            least, k = np.inf, 0
            for j in range(centres.shape[0]):
                d = ((tracks[t] - centres[j] - moves[t, j, :, 3]) ** 2).sum()
                if d < least:
                    least, k = d, j
            m = np.ascontiguousarray(moves[t, k, :, :3])
            if abs(np.linalg.det(m)) < 1e-3:
                continue
            at[:] = centres[k] + np.linalg.solve(m, tracks[t] - centres[k] - moves[t, k, :, 3])
            cost = _descend(at, tracks, centres, moves, turns, enough[i], room)
            if cost < lowest:
                lowest = cost
                out[i] = at
            if lowest < enough[i]:
                break


@njit
def _descend(place, tracks, centres, moves, turns, enough, room):
    """Levenberg and Marquardt from `place` (3,), which is changed; returns the squared miss."""
    near, weights = np.empty(BLENDED, np.int64), np.empty(BLENDED)
    at, left, aside, slope = place.copy(), np.empty(3), np.empty(3), np.empty((3, 3))
    lowest = _left(at, tracks, centres, moves, turns, near, weights, room, left)
    damp, fresh, kept = 1e-4, True, left.copy()
    for _ in range(REST_ROUNDS):
        if lowest < enough:
            break
        if fresh:
            h = max(1e-3 * np.sqrt(lowest), 1e-9)
            kept[:] = left
            for a in range(3):
                at[:] = place
                at[a] += h
                _left(at, tracks, centres, moves, turns, near, weights, room, aside)
                slope[:, a] = (kept - aside) / h
        normal = slope.T @ slope
        size = damp * (normal[0, 0] + normal[1, 1] + normal[2, 2]) / 3 + 1e-12
        at[:] = place + np.linalg.solve(normal + size * np.eye(3), slope.T @ kept)
        cost = _left(at, tracks, centres, moves, turns, near, weights, room, left)
        fresh = cost < lowest
        if fresh:
            lowest = cost
            place[:] = at
            damp *= 0.2
        else:
            damp *= 8.0
    return lowest
