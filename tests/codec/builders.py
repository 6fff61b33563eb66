"""Small synthetic tracks for codec tests: a turning, bending cloud with changing colours."""

from __future__ import annotations

from copy import copy

import numpy as np

from gscodec.codec.model.tracks import Tracks, make_tracks
from gscodec.splats.model import Splats


class FlatSensitivity:
    """A stand-in for render.sensitivity.Sensitivity that needs no renderer."""

    def __init__(self, n: int, k: int, rng: np.random.Generator) -> None:
        weight = rng.uniform(0.5, 2.0, n)
        self.means = np.repeat(weight[:, None] * 4e4, 3, axis=1)
        self.log_scales = np.repeat(weight[:, None] * 40, 3, axis=1)
        self.rotations = np.repeat(weight[:, None] * 20, 3, axis=1)
        self.logits = weight * 30
        self.colors = np.repeat(weight[:, None] * 100, k, axis=1)
        self.pixels = 1000.0

    def take(self, rows: np.ndarray) -> FlatSensitivity:
        out = copy(self)
        for name in ("means", "log_scales", "rotations", "logits", "colors"):
            setattr(out, name, getattr(self, name)[rows])
        return out


def make_frames(
    n: int, frames: int, sh_degree: int = 0, seed: int = 0, moving: bool = True, jitter: float = 0.0
) -> list[Splats]:
    """`frames` tracked frames of n Gaussians on two turning shells."""
    rng = np.random.default_rng(seed)
    k = (sh_degree + 1) ** 2
    base = rng.normal(size=(n, 3))
    base /= np.maximum(np.linalg.norm(base, axis=1, keepdims=True), 1e-6)
    scales = rng.uniform(0.01, 0.05, (n, 3)).astype(np.float32)
    quats = rng.normal(size=(n, 4)) + [2, 0, 0, 0]
    sh = rng.normal(scale=0.3, size=(n, k, 3)).astype(np.float32)
    out = []
    for t in range(frames):
        angle = 0.1 * t * moving
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        means = np.where(base[:, :1] > 0, base @ turn.T, base + [0, 0.02 * t * moving, 0])
        means = means + rng.normal(scale=jitter, size=means.shape)
        q = quats / np.linalg.norm(quats, axis=1, keepdims=True)
        out.append(
            Splats(
                means=means.astype(np.float32),
                quats=q.astype(np.float32),
                scales=scales,
                opacities=np.full(n, 0.8, np.float32),
                sh=(sh * (1 + 0.02 * t * moving)).astype(np.float32),
            )
        )
    return out


def sensitivity_of(frame: Splats, seed: int = 0) -> FlatSensitivity:
    return FlatSensitivity(len(frame), frame.sh.shape[1], np.random.default_rng(seed))


def make_tracks_of(frames: list[Splats], seed: int = 0, parts: bool = True, nodes: int = 0) -> Tracks:
    """Gauged tracks with flat sensitivities."""
    sens, steps = sensitivity_of(frames[0], seed), np.full(len(frames[0]), 0.002)
    return make_tracks(frames, {0: sens}, use_parts=parts, nodes=nodes, use_gauge=True, steps=steps)
