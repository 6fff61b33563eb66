"""Points by pycolmap, where it is installed: on what was filmed, the same on every run."""

from __future__ import annotations

import numpy as np
import pytest

from gscodec.render.cameras import look_at
from gscodec.train.captures import structure
from gscodec.train.captures.model import Capture, Normalisation, Picture, View

SIZE = 240


def speckled_floor() -> Capture:
    """Four views of a floor z = 0 with blots of many sizes."""
    rng = np.random.default_rng(0)
    tile = np.kron(rng.integers(0, 255, (40, 40, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    places = [(0.5 * k - 0.75, -2.0, 1.6) for k in range(4)]
    cameras = [look_at(np.array(p), np.zeros(3), np.array([0.0, 0, 1]), 0.8, SIZE) for p in places]

    def read(view: int, frame: int) -> Picture:
        c = cameras[view]
        x, y = np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5)
        ray = np.stack([(x - c.cx) / c.fx, (y - c.cy) / c.fy, np.ones_like(x)], -1) @ c.R
        at = c.centre + (-c.centre[2] / ray[..., 2])[..., None] * ray
        u, v = (np.clip((at[..., k] + 1.5) / 3 * 320, 0, 319).astype(int) for k in (0, 1))
        return Picture(tile[v, u])

    views = [View(f"v{i}", False, (c,)) for i, c in enumerate(cameras)]
    return Capture(views, 1, 30.0, (0.0, 0.0, 1.0), False, None, Normalisation(), [], read)


def test_without_pycolmap_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "available", lambda: False)
    assert structure.triangulated(speckled_floor(), 0) is None


@pytest.mark.skipif(not structure.available(), reason="pycolmap is not installed")
def test_points_lie_on_what_was_filmed() -> None:
    points, again = (structure.triangulated(speckled_floor(), 0) for _ in range(2))
    assert points is not None
    assert again is not None
    assert np.array_equal(points.means, again.means)
    assert float(np.median(np.abs(points.means[:, 2]))) < 0.01
