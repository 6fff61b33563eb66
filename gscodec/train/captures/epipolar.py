"""Does a calibration fit its pictures? Features matched by descriptor alone, and how far they miss their epipolar lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from gscodec.base.errors import CheckFailed, MissingDependency
from gscodec.render.cameras import Camera
from gscodec.train.captures.model import Capture

__all__ = ["EpipolarError", "epipolar_error", "fundamental", "point_line_error", "turned"]

F64 = npt.NDArray[np.float64]

RATIO = 0.7  # Lowe's test: the second nearest descriptor is this much farther
MIN_MATCHES = 200


@dataclass(frozen=True, slots=True)
class EpipolarError:
    """Distances in pixels between features and the epipolar lines of their matches, both ways averaged."""

    median_px: float
    n_matches: int


@dataclass(frozen=True, slots=True)
class Matches:
    """Places in two views, (N, 2) pixels each."""

    a: int
    b: int
    at_a: F64
    at_b: F64


def epipolar_error(
    capture: Capture,
    frames: Sequence[int],
    cameras: Sequence[Camera] | None = None,
    *,
    matches: list[Matches] | None = None,
) -> EpipolarError:
    """Over all pairs of views at `frames`; `cameras` replace the capture's own, `matches` are used again.

    Raises CheckFailed below MIN_MATCHES matches: then the figure would mean nothing.
    """
    cameras = cameras or [view.camera(frames[0]) for view in capture.views]
    found = matches if matches is not None else find_matches(capture, frames)
    errors = [point_line_error(cameras[m.a], cameras[m.b], m.at_a, m.at_b) for m in found]
    every = np.concatenate(errors) if errors else np.zeros(0)
    if len(every) < MIN_MATCHES:
        raise CheckFailed(f"only {len(every)} features could be matched; {MIN_MATCHES} are needed")
    return EpipolarError(float(np.median(every)), len(every))


def find_matches(capture: Capture, frames: Sequence[int]) -> list[Matches]:
    """SIFT features of all pairs of views: mutual nearest descriptors that pass the ratio test, nothing geometric."""
    try:
        import cv2 as opencv
    except ImportError as error:
        raise MissingDependency("OpenCV is missing: pip install opencv-python-headless") from error
    cv2: Any = opencv
    sift = cv2.SIFT_create()
    matcher = cv2.BFMatcher()
    out = []
    for frame in frames:
        features = []
        for view in range(len(capture.views)):
            grey = cv2.cvtColor(capture.picture(view, frame).rgb, cv2.COLOR_RGB2GRAY)
            points, descriptors = sift.detectAndCompute(grey, None)
            places = (
                np.array([p.pt for p in points], np.float64).reshape(-1, 2) + 0.5
            )  # OpenCV's centres are whole
            features.append((places, descriptors))
        for a, b in combinations(range(len(features)), 2):
            (at_a, of_a), (at_b, of_b) = features[a], features[b]
            if of_a is None or of_b is None or min(len(of_a), len(of_b)) < 2:
                continue
            there = {
                m.queryIdx: m.trainIdx
                for m, n in matcher.knnMatch(of_a, of_b, 2)
                if m.distance < RATIO * n.distance
            }
            back = {
                m.queryIdx: m.trainIdx
                for m, n in matcher.knnMatch(of_b, of_a, 2)
                if m.distance < RATIO * n.distance
            }
            pairs = np.array([(i, j) for i, j in there.items() if back.get(j) == i], np.int64).reshape(-1, 2)
            out.append(Matches(a, b, at_a[pairs[:, 0]], at_b[pairs[:, 1]]))
    return out


def point_line_error(a: Camera, b: Camera, at_a: F64, at_b: F64) -> F64:
    """(N,) pixels: distance of each point to the line of the other, averaged over both pictures."""
    f = fundamental(a, b)
    ones = np.ones((len(at_a), 1))
    pa, pb = np.hstack([at_a, ones]), np.hstack([at_b, ones])
    lines_b, lines_a = pa @ f.T, pb @ f
    value = np.abs(np.einsum("ni,ni->n", pb, lines_b))
    return np.asarray(
        0.5
        * value
        * (1 / np.hypot(lines_b[:, 0], lines_b[:, 1]) + 1 / np.hypot(lines_a[:, 0], lines_a[:, 1]))
    )


def fundamental(a: Camera, b: Camera) -> F64:
    """F (3, 3) with x_b' F x_a = 0 for pictures of one point (Hartley and Zisserman, section 9.2)."""
    rotation = b.R @ a.R.T
    x, y, z = b.t - rotation @ a.t
    essential = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ rotation
    return np.asarray(np.linalg.inv(_k(b)).T @ essential @ np.linalg.inv(_k(a)))


def turned(camera: Camera, degrees: float) -> Camera:
    """The camera turned about its own horizontal axis: its picture moves up or down."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return replace(camera, R=turn @ camera.R, t=turn @ camera.t)


def _k(camera: Camera) -> F64:
    return np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
