"""Views of a viewers' zone: at its cameras, between them, and a little beyond."""

from __future__ import annotations

from typing import Any

import numpy as np

from gscodec.render.cameras import Camera, look_at
from gscodec.render.zone import zone_cameras

ELEVATIONS = np.deg2rad([20.0, 50.0])
DISTANCE = 4.0


def dome(count: int = 12) -> list[dict[str, Any]]:
    """Cameras around the origin, all of which look at it."""
    out = []
    for i in range(count):
        azimuth, elevation = 2 * np.pi * i / count, ELEVATIONS[i % 2]
        way = np.array(
            [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
        )
        c = look_at(DISTANCE * way, np.zeros(3), np.array([0.0, 0.0, 1.0]), np.pi / 4, 64)
        out.append({"R": c.R, "t": c.t, "fx": c.fx, "fy": c.fy, "cx": c.cx, "cy": c.cy, "w": 64, "h": 64})
    return out


def elevation_of(camera: Camera) -> float:
    return float(np.arcsin(camera.centre[2] / np.linalg.norm(camera.centre)))


def off_focus(camera: Camera) -> float:
    """Angle between where a camera looks and where the origin is seen from it."""
    return float(np.arccos(np.clip(camera.R[2] @ -camera.centre / np.linalg.norm(camera.centre), -1, 1)))


def test_a_zones_own_cameras_come_first_and_at_most_half() -> None:
    zone = dome()
    cameras = zone_cameras(zone, seed=1, size=64, count=10)
    assert len(cameras) == 10
    assert all(any(np.array_equal(c.t, z["t"]) for z in zone) for c in cameras[:5])
    assert not any(any(np.allclose(c.t, z["t"]) for z in zone) for c in cameras[5:])


def test_views_between_look_aside_and_stand_beyond_the_zone() -> None:
    cameras = zone_cameras(dome(), seed=1, size=64, count=200)[12:]
    for c in cameras:
        np.testing.assert_allclose(c.R @ c.R.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(c.R) > 0
        # Also the negative weights of places beyond keep off what is looked at.
        assert 0.5 * DISTANCE < np.linalg.norm(c.centre) < 1.5 * DISTANCE
    aside = np.array([off_focus(c) for c in cameras])
    assert 10 < np.rad2deg(np.median(aside)) < 20 and np.rad2deg(aside.max()) < 60
    assert min(elevation_of(c) for c in cameras) < ELEVATIONS[0] - np.deg2rad(5)


def test_views_of_a_zone_depend_on_the_seed_alone() -> None:
    first, again, other = (zone_cameras(dome(), seed=s, size=64, count=8) for s in (3, 3, 4))
    assert all(
        np.array_equal(a.t, b.t) and np.array_equal(a.R, b.R) for a, b in zip(first, again, strict=True)
    )
    assert not all(np.array_equal(a.t, b.t) for a, b in zip(first, other, strict=True))


def test_one_camera_is_a_zone() -> None:
    cameras = zone_cameras(dome(1), seed=0, size=64, count=6)
    assert len(cameras) == 6
    assert all(np.allclose(c.centre, cameras[0].centre) for c in cameras)
