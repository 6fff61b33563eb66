"""Where viewers can stand: between the cameras of a zone, not only at them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gscodec.render.cameras import Camera

__all__ = ["zone_cameras"]

F64 = npt.NDArray[np.float64]
MIXED = 3  # cameras of the zone that one between them is made of
BEYOND = 1.5  # of the way from their mean to a place between them: viewers also lean over the edge of a zone
ASIDE = np.deg2rad(12.0)  # deviation of how far a viewer's look is turned from the cameras' own


def zone_cameras(zone: list[dict[str, Any]], *, seed: int, size: int, count: int) -> list[Camera]:
    """`count` seeded cameras: at most half of them the zone's own, the others between three of the zone's.

    A camera between stands in a mean direction and at a mean distance from the zone's point of interest (nearest to
    all optical axes), so that a dome of cameras stays a dome. It may stand a little beyond the three, and looks
    aside: what only a viewer at the edge sees must not count as unseen.
    """
    rng = np.random.default_rng(seed)
    own = [Camera.from_dict(zone[i], size) for i in rng.permutation(len(zone))[: (count + 1) // 2]]
    cameras = [Camera.from_dict(camera, size) for camera in zone]
    focus = _focus(cameras)
    between = []
    for _ in range(count - len(own)):
        picks = [cameras[i] for i in rng.choice(len(cameras), min(MIXED, len(cameras)), replace=False)]
        weights = 1 / len(picks) + BEYOND * (rng.dirichlet(np.ones(len(picks))) - 1 / len(picks))
        between.append(_aside(_between(picks, weights, focus), ASIDE * rng.standard_normal(2)))
    return own + between


def _focus(cameras: list[Camera]) -> F64:
    """(3,) the point nearest to all optical axes; a mean of points ahead where the axes hardly fix one."""
    eyes = np.stack([c.centre for c in cameras])
    ahead = np.stack([c.R[2] for c in cameras])
    across = np.eye(3) - np.einsum("ni,nj->nij", ahead, ahead)
    spread = np.linalg.norm(eyes - eyes.mean(0), axis=1).mean()
    normal = across.sum(0) + 1e-3 * np.eye(3)
    prior = (eyes + ahead * max(float(spread), 1e-6)).mean(0)
    return np.linalg.solve(normal, np.einsum("nij,nj->i", across, eyes) + 1e-3 * prior)


def _between(picks: list[Camera], weights: F64, focus: F64) -> Camera:
    offsets = np.stack([c.centre - focus for c in picks])
    distances = np.linalg.norm(offsets, axis=1)
    direction = weights @ (offsets / np.maximum(distances, 1e-12)[:, None])
    length = float(np.linalg.norm(direction))
    reach = float(np.clip(weights @ distances, distances.min() / BEYOND, distances.max() * BEYOND))
    # Opposite cameras have no direction between them: then one of them stands for all.
    eye = focus + (direction / length * reach if length > 0.2 else offsets[weights.argmax()])
    first = picks[int(weights.argmax())]
    # The first camera's own aim, turned rigidly so that what it saw of the focus it sees from the new place.
    turn = _rotation_between(first.centre - focus, eye - focus)
    rotation = first.R @ turn.T
    at = focus + turn @ (first.centre - focus) * (
        np.linalg.norm(eye - focus) / max(float(np.linalg.norm(first.centre - focus)), 1e-12)
    )
    return Camera(rotation, -rotation @ at, first.fx, first.fy, first.cx, first.cy, first.width, first.height)


def _aside(camera: Camera, angles: F64) -> Camera:
    """The camera turned in place, to the right and downwards by `angles` (2,), radians."""
    (cu, cv), (su, sv) = np.cos(angles), np.sin(angles)
    turn = np.array([[1, 0, 0], [0, cv, -sv], [0, sv, cv]]) @ np.array([[cu, 0, -su], [0, 1, 0], [su, 0, cu]])
    rotation = turn @ camera.R
    return replace(camera, R=rotation, t=-rotation @ camera.centre)


def _rotation_between(a: F64, b: F64) -> F64:
    """(3, 3): the smallest rotation that takes direction a to b (Rodrigues)."""
    a, b = a / max(float(np.linalg.norm(a)), 1e-12), b / max(float(np.linalg.norm(b)), 1e-12)
    v, c = np.cross(a, b), float(a @ b)
    if c < -0.999999:
        return np.eye(3)
    k = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.asarray(np.eye(3) + k + k @ k / (1 + c))
