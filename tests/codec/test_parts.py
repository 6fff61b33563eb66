"""Motion of parts: how it is fitted, and when it is left out."""

from __future__ import annotations

import numpy as np

from gscodec.codec.model.parts import canonical_tracks, choose_moves


def growing(frames: int = 5, n: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """means (T, n, 3) of one part that grows by 10 % a frame, its growth (T,), labels."""
    rng = np.random.default_rng(0)
    growth = 1.1 ** np.arange(frames)
    return growth[:, None, None] * rng.normal(size=(n, 3)), growth, np.zeros(n, np.int64)


def moves_for(logs: np.ndarray, means: np.ndarray, labels: np.ndarray) -> np.ndarray:
    ref = means[len(means) // 2]
    return choose_moves(means, logs, ref, labels, ref.mean(axis=0)[None])


def test_parts_grow_where_their_gaussians_do() -> None:
    means, growth, labels = growing()
    logs = np.broadcast_to(np.log(growth)[:, None, None], means.shape)
    moves = moves_for(logs, means, labels)
    assert np.allclose(np.linalg.det(moves[:, 0, :, :3]), (growth / growth[2]) ** 3, rtol=1e-3)
    centre = means[2].mean(axis=0)[None]
    assert np.allclose(canonical_tracks(means, labels, centre, moves), means[2], atol=1e-6)


def test_parts_keep_their_volume_where_the_scales_do_not_follow() -> None:
    means, _, labels = growing()
    moves = moves_for(np.zeros_like(means), means, labels)
    assert np.allclose(np.linalg.det(moves[:, 0, :, :3]), 1.0)
