"""The plane sweep against plain arithmetic, and on a plane whose depth is known."""

from __future__ import annotations

import numpy as np
import pytest

from gscodec.train.kernels.sweep import GAIN_SHARE, REACH, STRIDE, UNKNOWN, sweep

SIZE, FOCAL, BASE = 48, 60.0, 0.3


def rig(views: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Poses (V, 3, 4) side by side, and lenses (V, 4), each with a principal point of its own."""
    poses, lenses = np.zeros((views, 3, 4)), np.zeros((views, 4))
    poses[:, :, :3] = np.eye(3)
    poses[:, 0, 3] = -BASE * np.arange(views)
    lenses[:] = [[FOCAL + v, FOCAL, SIZE / 2 + v, SIZE / 2 - v] for v in range(views)]
    return poses, lenses


def bilinear(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    i, j = int(np.floor(x - 0.5)), int(np.floor(y - 0.5))
    a, b = x - 0.5 - i, y - 0.5 - j
    rows, columns = np.clip([j, j + 1], 0, SIZE - 1), np.clip([i, i + 1], 0, SIZE - 1)
    corners = picture[np.ix_(rows, columns)]
    return (corners[0, 0] * (1 - a) + corners[0, 1] * a) * (1 - b) + (
        corners[1, 0] * (1 - a) + corners[1, 1] * a
    ) * b


def test_costs_are_those_of_plain_arithmetic() -> None:
    rng = np.random.default_rng(5)
    pictures = rng.random((4, SIZE, SIZE, 3)).astype(np.float32)
    poses, lenses = rig()
    pixels, inverse = np.array([[20.5, 22.5], [46.5, 3.5]]), np.array([0.2, 0.5])
    sizes, others = np.full((4, 2), SIZE), np.array([0, 2, 3])
    costs = np.empty((2, 2), np.float32)
    sweep(pictures, sizes, poses, lenses, 1, pixels, others, inverse, costs)
    steps = STRIDE * np.arange(-REACH, REACH + 1)
    for p, (px, py) in enumerate(pixels):
        for d, nearness in enumerate(inverse):
            each = []
            for o in others:
                own, there = [], []
                for v in steps:
                    for u in steps:
                        fx, fy, cx, cy = lenses[1]
                        x, y = (px + u - cx) / fx / nearness + BASE, (py + v - cy) / fy / nearness
                        fx, fy, cx, cy = lenses[o]
                        at = (fx * (x - BASE * o) * nearness + cx, fy * y * nearness + cy)
                        if min(at) < 0.5 or max(at) > SIZE - 0.5:
                            continue
                        there.append(bilinear(pictures[o], *at))
                        inside = np.clip((px + u, py + v), 0.5, SIZE - 0.5)
                        own.append(bilinear(pictures[1], *inside))
                if len(own) == len(steps) ** 2:
                    away = np.array(own) - np.array(there)
                    off = away.mean(0)
                    each.append(np.abs(away - off).mean() + GAIN_SHARE * np.abs(off).mean())
            best = sorted(each)[: max(1, (2 * len(each) + 1) // 3)]
            assert costs[p, d] == pytest.approx(np.mean(best) if best else UNKNOWN, rel=1e-4)


def test_the_depth_of_a_plane_costs_least() -> None:
    rng = np.random.default_rng(1)
    texture = np.kron(rng.random((80, 120, 3)), np.ones((4, 4, 1)))
    poses, lenses = rig()
    depth = 2.5
    x, y = np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5)
    pictures = np.empty((4, SIZE, SIZE, 3), np.float32)
    for v, (fx, fy, cx, cy) in enumerate(lenses):
        at_x, at_y = (x - cx) / fx * depth + BASE * v, (y - cy) / fy * depth
        pictures[v] = texture[((at_y + 2) * 60).astype(int), ((at_x + 2) * 60).astype(int)]
    pixels = np.stack([x[12:36:4, 12:36:4].ravel(), y[12:36:4, 12:36:4].ravel()], 1)
    inverse = np.linspace(0.1, 1.0, 91)
    costs = np.empty((len(pixels), 91), np.float32)
    sweep(pictures, np.full((4, 2), SIZE), poses, lenses, 1, pixels, np.array([0, 2, 3]), inverse, costs)
    wrong = np.abs(inverse[costs.argmin(1)] - 1 / depth) * FOCAL * BASE  # pixels between neighbours
    assert wrong.max() < 0.6  # the texture has hard edges: half a pixel is lost in drawing it
