"""Pinhole cameras: OpenCV axes, world to camera, pixel centres at +0.5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Camera", "look_at"]

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """R (3, 3) and t (3,): x_camera = R x + t; focal lengths and principal point in pixels."""

    R: F64
    t: F64
    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    @classmethod
    def from_dict(cls, camera: dict[str, Any], size: int | None = None) -> Camera:
        """From {"R", "t", "fx", "fy", "cx", "cy", "w", "h"}; with `size`, scaled to that larger side."""
        k = 1.0 if size is None else min(1.0, size / max(camera["w"], camera["h"]))
        return cls(
            np.array(camera["R"], np.float64),
            np.array(camera["t"], np.float64),
            float(camera["fx"]) * k,
            float(camera["fy"]) * k,
            float(camera["cx"]) * k,
            float(camera["cy"]) * k,
            max(1, round(camera["w"] * k)),
            max(1, round(camera["h"] * k)),
        )

    def to_dict(self) -> dict[str, Any]:
        """What from_dict reads, as in scene.json and views.json."""
        return {
            "R": self.R.tolist(), "t": self.t.tolist(), "fx": self.fx, "fy": self.fy, "cx": self.cx, "cy": self.cy,
            "w": self.width, "h": self.height,
        }  # fmt: skip

    @property
    def centre(self) -> F64:
        """(3,) where it stands, world."""
        return np.asarray(-self.R.T @ self.t)


def look_at(eye: F64, target: F64, up: F64, fov_rad: float, size: int) -> Camera:
    """A square camera at `eye`; `fov_rad` is the whole field of view."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    focal = 0.5 * size / np.tan(fov_rad / 2)
    return Camera(rotation, -rotation @ eye, focal, focal, size / 2, size / 2, size, size)
