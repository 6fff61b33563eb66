"""Where the measure looks from (DESIGN section 5, "The measure"): orbits about the middle frame's solid part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gscodec.base.errors import Misuse
from gscodec.render.cameras import Camera, look_at
from gscodec.splats.model import Splats

__all__ = ["Orbit", "named_views", "orbit", "random_views", "measured_directions", "views_of"]

F64 = npt.NDArray[np.float64]

VIEW_SIZE = 512
FIELD_OF_VIEW = np.pi / 4
SOLID = 0.3  # opacity above which a Gaussian counts for the scene's box


@dataclass(frozen=True, slots=True)
class Orbit:
    """Centre, radius (half diagonal of the box), up and the two directions that azimuths count from."""

    centre: F64
    radius: float
    up: F64
    first: F64
    second: F64

    def direction(self, azimuth: float, elevation: float) -> F64:
        """(3,) unit vector from the centre."""
        flat = np.cos(azimuth) * self.first + np.sin(azimuth) * self.second
        return np.asarray(np.cos(elevation) * flat + np.sin(elevation) * self.up)


def orbit(splats: Splats) -> Orbit:
    """The orbit of one frame; azimuth 0 is world +X off the up axis (+Y where up is within 26 degrees of X)."""
    solid = splats.means[splats.opacities > SOLID]
    solid = (solid if len(solid) else splats.means).astype(np.float64)
    low, high = np.percentile(solid, [1, 99], axis=0) if len(solid) else (np.zeros(3), np.ones(3))
    up = np.array(splats.up, np.float64) / np.linalg.norm(splats.up)
    axis = np.array([0.0, 1.0, 0.0] if abs(up[0]) > np.cos(np.deg2rad(26)) else [1.0, 0.0, 0.0])
    first = axis - up * (axis @ up)
    first /= np.linalg.norm(first)
    radius = max(float(np.linalg.norm(high - low) / 2), 1e-6)
    return Orbit((low + high) / 2, radius, up, first, np.cross(up, first))


def _test_angles() -> list[tuple[float, float]]:
    sixth = np.pi / 3
    return [(k * sixth, 0.0) for k in range(6)] + [((k + 0.5) * sixth, np.deg2rad(25.0)) for k in range(6)]


def measured_directions(frame: Orbit) -> list[F64]:
    """Unit vectors towards the `test` cameras."""
    return [frame.direction(a, e) for a, e in _test_angles()]


def named_views(frame: Orbit, name: str) -> list[Camera]:
    """The cameras of `test`, `close` or `low`."""
    quarter = np.pi / 2
    angles, distance = {
        "test": (_test_angles(), 2.2),
        "close": ([(k * quarter, np.deg2rad(10.0)) for k in range(4)], 1.2),
        "low": ([(k * quarter, np.deg2rad(-15.0)) for k in range(4)], 2.2),
    }[name]
    return [_camera(frame, frame.direction(a, e), distance) for a, e in angles]


def random_views(frame: Orbit, count: int = 12, seed: int = 1) -> list[Camera]:
    """A second set: seeded azimuths, elevations -10..40 degrees, 1.8 to 2.6 radii."""
    rng = np.random.default_rng(seed)
    return [
        _camera(frame, frame.direction(rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(-10, 40))), rng.uniform(1.8, 2.6))
        for _ in range(count)
    ]  # fmt: skip


def _camera(frame: Orbit, direction: F64, distance: float) -> Camera:
    return look_at(
        frame.centre + frame.radius * distance * direction, frame.centre, frame.up, FIELD_OF_VIEW, VIEW_SIZE
    )


def views_of(reference: Any, name: str) -> list[Camera]:
    """Cameras for a sequence: views.json beside it for `test` where it has one; `close`, `low`, `random`; or a file."""
    from gscodec.splats.scene import load_views

    scene = getattr(reference, "scene", None)
    if name == "test" and scene is not None and scene.views:
        return [Camera.from_dict(c) for c in scene.views]
    if name in ("test", "close", "low", "random"):
        frame = orbit(reference[len(reference) // 2])
        return random_views(frame) if name == "random" else named_views(frame, name)
    if not Path(name).is_file():
        raise Misuse("views are test, close, low, random or a file", views=name)
    return [Camera.from_dict(c) for c in load_views(name)]
