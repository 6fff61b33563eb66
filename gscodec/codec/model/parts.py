"""Parts: sets of slots that move together, each with an affine transform over the GOP (DESIGN section 5.2)."""

from __future__ import annotations

import numpy as np
from numba import prange

from gscodec.base.jit import njit

__all__ = ["canonical_tracks", "choose_moves", "fit_labels", "fit_moves"]

NEAREST = 6  # parts a slot may choose from
ROUNDS = 10
MAX_STRETCH = 2.5  # of a part: beyond, undoing its motion would magnify what it doesn't explain
RIDGE = 2e-2  # of the affine correction, relative to the part's spread


@njit(parallel=True)
def _reassign(means, ref, centres, moves, near, labels):
    """Each slot to the one of its `near` parts that predicts its track best; returns squared residuals (N,)."""
    n, frames = ref.shape[0], means.shape[0]
    cost = np.empty(n)
    for i in prange(n):
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
    frames, parts = means.shape[0], centres.shape[0]
    moves = np.zeros((frames, parts, 3, 4))
    moves[..., :3] = np.eye(3)
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(parts + 1))
    for p in range(parts):
        rows = order[bounds[p] : bounds[p + 1]]
        if rows.size == 0:
            continue
        d = ref[rows] - ref[rows].mean(axis=0)
        middle = means[:, rows].mean(axis=1)
        x = means[:, rows] - middle[:, None]
        m = _similarities(x, d)
        gram = d.T @ d
        ridge = RIDGE * np.trace(gram) / 3 + 1e-12
        left = x - d @ np.swapaxes(m, 1, 2)
        m = m + np.swapaxes(np.linalg.solve(gram + ridge * np.eye(3), d.T @ left), 1, 2)
        u, stretch, vt = np.linalg.svd(m)
        stretch = np.clip(stretch, 1 / MAX_STRETCH, MAX_STRETCH)
        u[:, :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]  # no mirror images
        if keep_volume:
            stretch = stretch / np.prod(stretch, axis=1, keepdims=True) ** (1 / 3)
        m = (u * stretch[:, None, :]) @ vt
        moves[:, p, :, :3] = m
        moves[:, p, :, 3] = (
            middle - centres[p] - np.einsum("tab,b->ta", m, ref[rows].mean(axis=0) - centres[p])
        )
    return moves


def _similarities(x: np.ndarray, d: np.ndarray) -> np.ndarray:
    """(T, 3, 3) scaled rotations that take centred points d (n, 3) to x (T, n, 3)."""
    u, s, vt = np.linalg.svd(np.swapaxes(x, 1, 2) @ d)
    sign = np.ones_like(s)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    scale = (s * sign).sum(axis=1) / max(float((d**2).sum()), 1e-12)
    scale = np.where((scale > 0.1) & (scale < 10), scale, 1.0)
    return np.asarray(scale[:, None, None] * (u * sign[:, None, :]) @ vt)


def _centres(ref: np.ndarray, labels: np.ndarray, parts: int) -> np.ndarray:
    count = np.maximum(np.bincount(labels, minlength=parts), 1)
    return np.stack([np.bincount(labels, ref[:, a], minlength=parts) / count for a in range(3)], axis=1)


def _seed_labels(features: np.ndarray, parts: int) -> np.ndarray:
    """k-means from farthest points, ten rounds; features (N, F)."""
    from scipy.spatial import cKDTree

    picks = [int(np.argmin(np.linalg.norm(features - features.mean(0), axis=1)))]
    far = np.linalg.norm(features - features[picks[0]], axis=1)
    for _ in range(parts - 1):
        picks.append(int(np.argmax(far)))
        far = np.minimum(far, np.linalg.norm(features - features[picks[-1]], axis=1))
    centres = features[picks]
    for _ in range(10):
        labels = cKDTree(centres).query(features)[1]
        count = np.maximum(np.bincount(labels, minlength=parts), 1)
        centres = np.stack(
            [np.bincount(labels, f, minlength=parts) / count for f in features.T], axis=1
        )  # fmt: skip
    return np.asarray(labels, np.int64)


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
    labels = _seed_labels(features, parts)
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
