"""Poses and the frame of training: axis conventions, where a rig looks, which way is up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gscodec.render.cameras import Camera
from gscodec.train.captures.model import Normalisation, SeedPoints

__all__ = [
    "common_centre",
    "estimate_up",
    "from_opencv_vector",
    "from_opengl",
    "from_quaternion",
    "is_rotation",
    "normalise",
]

F64 = npt.NDArray[np.float64]
Pose = tuple[F64, F64]  # R (3, 3), t (3,), world to camera, OpenCV axes

ROTATION_ERROR = 1e-2  # of R R' from one: calibrations are written with three digits, too
MIN_CONVERGENCE = 3e-3  # mean squared sine between axes and their common direction: some 3 degrees
SNAP_COSINE = 0.94  # 20 degrees: an up this near a world axis is that axis


def is_rotation(matrix: F64) -> bool:
    """Whether a matrix (3, 3) turns and nothing else, as exactly as calibrations are written."""
    turned = np.abs(matrix @ matrix.T - np.eye(3)).max() <= ROTATION_ERROR  # False for what is not finite
    return bool(turned and np.linalg.det(matrix) > 0)


def from_opengl(c2w: F64) -> Pose:
    """Of a camera-to-world matrix (3 or 4, 4) with OpenGL axes: x right, y up, looking along -z."""
    rotation = (c2w[:3, :3] * (1.0, -1.0, -1.0)).T
    return rotation, -rotation @ c2w[:3, 3]


def from_opencv_vector(vector: F64) -> F64:
    """The rotation matrix of an axis times an angle (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def from_quaternion(wxyz: Sequence[float]) -> F64:
    """The rotation matrix of a quaternion, normalised first; of zero it is not a number (`rig` refuses it)."""
    w, x, y, z = np.asarray(wxyz, np.float64) / (np.linalg.norm(wxyz) or np.nan)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def common_centre(cameras: Sequence[Camera]) -> F64 | None:
    """The point nearest to all optical axes (least squares); None where they hardly converge or meet behind."""
    axes = np.array([camera.R[2] for camera in cameras])
    centres = np.array([camera.centre for camera in cameras])
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]  # projects off each axis
    total = across.mean(axis=0)
    if np.linalg.eigvalsh(total)[0] < MIN_CONVERGENCE:
        return None
    point = np.linalg.solve(total, np.einsum("nij,nj->i", across, centres) / len(cameras))
    in_front = np.einsum("ni,ni->n", axes, point - centres) > 0
    return np.asarray(point) if in_front.mean() > 0.5 else None


def estimate_up(cameras: Sequence[Camera]) -> tuple[float, float, float]:
    """Unit vector: square to the cameras' horizontal axes, towards their tops; a world axis where one is near."""
    right = np.array([camera.R[0] for camera in cameras])
    top = np.array([-camera.R[1] for camera in cameras])
    # Rigs in a row leave one direction open: a little pull towards the mean top decides it.
    form = right.T @ right / len(right) - 0.1 * np.outer(top.mean(axis=0), top.mean(axis=0))
    up = np.linalg.eigh(form)[1][:, 0]
    up = up * (1.0 if up @ top.mean(axis=0) >= 0 else -1.0)
    axis = int(np.abs(up).argmax())
    if abs(up[axis]) > SNAP_COSINE:
        up = np.sign(up[axis]) * np.eye(3)[axis]
    return float(up[0]), float(up[1]), float(up[2])


def normalise(cameras: Sequence[Camera], points: SeedPoints | None) -> Normalisation:
    """What the cameras look at goes to the origin; the ball there that a typical camera sees whole gets radius 1.

    Centre: where the optical axes meet; for rigs that look in parallel the median of the points in view, or a place
    as far before the cameras as they lie apart.
    """
    centre = common_centre(cameras)
    if centre is None:
        centre = _centre_of_points(cameras, points)
    if centre is None:
        places = np.array([camera.centre for camera in cameras])
        spread = float(np.linalg.norm(places - places.mean(axis=0), axis=1).max()) or 1.0
        centre = places.mean(axis=0) + 2 * spread * np.mean([camera.R[2] for camera in cameras], axis=0)
    depths = np.array([(camera.R @ centre + camera.t)[2] for camera in cameras])
    half = np.array([min(c.width / c.fx, c.height / c.fy) / 2 for c in cameras])
    seen = depths > 0
    radius = float(np.median(depths[seen] * half[seen])) if seen.any() else 1.0
    return Normalisation(1 / radius, np.eye(3), -centre / radius)


def _centre_of_points(cameras: Sequence[Camera], points: SeedPoints | None) -> F64 | None:
    if points is None or not len(points.means):
        return None
    seen = np.zeros(len(points.means), np.int64)
    for camera in cameras:
        p = points.means @ camera.R.T + camera.t
        z = np.maximum(p[:, 2], 1e-9)
        u, v = camera.fx * p[:, 0] / z + camera.cx, camera.fy * p[:, 1] / z + camera.cy
        seen += (p[:, 2] > 0) & (u >= 0) & (u < camera.width) & (v >= 0) & (v < camera.height)
    often = seen >= max(1, len(cameras) // 2)
    return np.asarray(np.median(points.means[often], axis=0)) if often.any() else None
