"""Parts: sets of slots that move together, each with an affine transform over the GOP (DESIGN section 5.2)."""

from __future__ import annotations

import numpy as np

from gscodec.base.jit import njit

__all__ = ["canonical_tracks", "choose_moves", "fit_labels", "fit_moves", "spread_out"]

NEAREST = 6  # parts a slot may choose from
ROUNDS = 10
SPREAD_ROUNDS = 10
MAX_STRETCH = 2.5  # of a part: beyond, undoing its motion would magnify what it doesn't explain
RIDGE = 2e-2  # of the affine correction, relative to the part's spread


@njit
def _reassign(means, ref, centres, moves, near, labels):
    """Each slot to the one of its `near` parts that predicts its track best; returns squared residuals (N,)."""
    n, frames = ref.shape[0], means.shape[0]
    cost = np.empty(n)
    for i in range(n):
        best = 1e300
        for j in range(near.shape[1]):
            p = near[i, j]
            dx, dy, dz = ref[i, 0] - centres[p, 0], ref[i, 1] - centres[p, 1], ref[i, 2] - centres[p, 2]
            s = 0.0
            for t in range(frames):
                m = moves[t, p]
                for a in range(3):
                    e = m[a, 0] * dx + m[a, 1] * dy + m[a, 2] * dz + m[a, 3] + centres[p, a] - means[t, i, a]
                    s += e * e
            if s < best:
                best = s
                labels[i] = p
        cost[i] = best
    return cost


def choose_moves(
    means: np.ndarray, logs: np.ndarray, ref: np.ndarray, labels: np.ndarray, centres: np.ndarray
) -> np.ndarray:
    """`fit_moves`, keeping volumes where the Gaussians' own log scales (T, N, 3) do not follow the parts' growth.

    Scales are told relative to their part: a part that grows under Gaussians that don't would move every scale.
    """
    moves = fit_moves(means, ref, labels, centres)
    growth = np.log(np.linalg.det(moves[..., :3]))[:, labels] / 3
    size = logs.mean(axis=2)
    if (size - growth).var(axis=0).sum() <= size.var(axis=0).sum():
        return moves
    return fit_moves(means, ref, labels, centres, keep_volume=True)


def fit_moves(
    means: np.ndarray,
    ref: np.ndarray,
    labels: np.ndarray,
    centres: np.ndarray,
    *,
    keep_volume: bool = False,
) -> np.ndarray:
    """(T, P, 3, 4) M | b: x_t = centre + M (ref - centre) + b. means (T, N, 3). `keep_volume`: det M = 1.

    M is the best similarity (Umeyama 1991) plus a ridge-fitted affine correction: a flat part's normal, which no
    affine fit determines, turns with the part, and M can be inverted.
    """
    count, middle, start, cross, gram = _moments(means, ref, labels, centres.shape[0])
    spread = np.trace(gram, axis1=1, axis2=2)
    m = _similarities(cross, spread)
    ridge = (RIDGE * spread / 3 + 1e-12)[:, None, None] * np.eye(3)
    left = np.swapaxes(cross - m @ gram, 2, 3)
    m = m + np.swapaxes(np.linalg.solve(np.broadcast_to(gram + ridge, left.shape), left), 2, 3)
    u, stretch, vt = np.linalg.svd(m)
    stretch = np.clip(stretch, 1 / MAX_STRETCH, MAX_STRETCH)
    u[..., 2] *= np.sign(np.linalg.det(u @ vt))[..., None]  # no mirror images
    if keep_volume:
        stretch = stretch / np.prod(stretch, axis=2, keepdims=True) ** (1 / 3)
    m = (u * stretch[..., None, :]) @ vt
    shift = middle - centres - np.einsum("tpab,pb->tpa", m, start - centres)
    moves = np.concatenate([m, shift[..., None]], axis=3)
    moves[:, count == 0] = np.eye(3, 4)
    return moves


@njit
def _moments(means, ref, labels, parts):
    """Of each part: how many slots (P,); mean place (T, P, 3) and mean reference (P, 3); about these, sums of x d'
    (T, P, 3, 3) and d d' (P, 3, 3), x a slot's place and d its reference."""
    frames, n = means.shape[0], ref.shape[0]
    count = np.zeros(parts)
    middle, start = np.zeros((frames, parts, 3)), np.zeros((parts, 3))
    cross, gram = np.zeros((frames, parts, 3, 3)), np.zeros((parts, 3, 3))
    for i in range(n):
        count[labels[i]] += 1
        start[labels[i]] += ref[i]
    for p in range(parts):
        start[p] /= max(count[p], 1.0)
    for t in range(frames):
        for i in range(n):
            for a in range(3):
                middle[t, labels[i], a] += means[t, i, a]
        for p in range(parts):
            middle[t, p] /= max(count[p], 1.0)
        for i in range(n):
            p = labels[i]
            for a in range(3):
                x = means[t, i, a] - middle[t, p, a]
                for b in range(3):
                    cross[t, p, a, b] += x * (ref[i, b] - start[p, b])
    for i in range(n):
        p = labels[i]
        for a in range(3):
            for b in range(3):
                gram[p, a, b] += (ref[i, a] - start[p, a]) * (ref[i, b] - start[p, b])
    return count, middle, start, cross, gram


def _similarities(cross: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """(T, P, 3, 3) scaled rotations that take centred points d to x, of sums x d' (T, P, 3, 3) and of d d (P,)."""
    u, s, vt = np.linalg.svd(cross)
    sign = np.ones_like(s)
    sign[..., 2] = np.sign(np.linalg.det(u @ vt))
    scale = (s * sign).sum(axis=2) / np.maximum(spread, 1e-12)
    scale = np.where((scale > 0.1) & (scale < 10), scale, 1.0)
    return np.asarray(scale[..., None, None] * (u * sign[..., None, :]) @ vt)


def _centres(ref: np.ndarray, labels: np.ndarray, parts: int) -> np.ndarray:
    count = np.maximum(np.bincount(labels, minlength=parts), 1)
    return np.stack([np.bincount(labels, ref[:, a], minlength=parts) / count for a in range(3)], axis=1)


def spread_out(points: np.ndarray, count: int, rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """(count, F) places spread over points (N, F), farthest ones and then k-means, and the label of each point (N,)."""
    from scipy.spatial import cKDTree

    picks = [int(np.argmin(np.linalg.norm(points - points.mean(0), axis=1)))]
    far = np.linalg.norm(points - points[picks[0]], axis=1)
    for _ in range(count - 1):
        picks.append(int(np.argmax(far)))
        far = np.minimum(far, np.linalg.norm(points - points[picks[-1]], axis=1))
    places = points[picks]
    for _ in range(rounds):
        labels = np.asarray(cKDTree(places).query(points)[1], np.int64)
        n = np.bincount(labels, minlength=count)[:, None]
        sums = np.stack([np.bincount(labels, f, minlength=count) for f in points.T], axis=1)
        places = np.where(n > 0, sums / np.maximum(n, 1), places)
    return places, labels


def fit_labels(means: np.ndarray, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) and mean squared residual of each slot (N,) for `parts` parts. means (T, N, 3) float64."""
    from scipy.spatial import cKDTree

    frames = means.shape[0]
    some = np.unique(np.linspace(0, frames - 1, min(frames, 8)).astype(int))
    tracks = means[some]
    ref = means[frames // 2]
    spread = ref.std(0).mean() + 1e-12
    motion = tracks - ref
    features = np.concatenate([ref, *(1.5 * motion)], axis=1) / spread
    labels = spread_out(features, parts, SPREAD_ROUNDS)[1]
    cost = np.zeros(ref.shape[0])
    for _ in range(ROUNDS):
        centres = _centres(ref, labels, parts)
        moves = fit_moves(tracks, ref, labels, centres)
        near = cKDTree(centres).query(ref, k=min(NEAREST, parts))[1].reshape(ref.shape[0], -1)
        before = labels.copy()
        cost = _reassign(tracks, ref, centres, moves, np.ascontiguousarray(near), labels)
        if np.array_equal(before, labels):
            break
    return labels, cost / len(some)


def canonical_tracks(
    means: np.ndarray, labels: np.ndarray, centres: np.ndarray, moves: np.ndarray
) -> np.ndarray:
    """(T, N, 3): the tracks with the parts' motion undone."""
    out = np.empty_like(means)
    for p in range(centres.shape[0]):
        rows = np.flatnonzero(labels == p)
        inverse = np.linalg.inv(moves[:, p, :, :3])
        shifted = means[:, rows] - (centres[p] + moves[:, p, :, 3])[:, None]
        out[:, rows] = centres[p] + shifted @ np.swapaxes(inverse, 1, 2)
    return out
