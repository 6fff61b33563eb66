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

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

RATIO = 0.65  # Lowe's test: of the distances to the nearest descriptor and to the nearest one elsewhere
NEAREST = 8  # neighbours that are asked whether they lie elsewhere
APART_PX = 6.0
SAME_PLACE_PX = 4.0
SAME_WAY = 0.5  # cosine between axes: views more than 60 degrees apart show nothing alike to a descriptor
MAX_FEATURES, MAX_TILT = 2500, 2
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
    """Features of all pairs of views that look the same way: matched by descriptor alone, nothing geometric.

    SIFT on pictures tilted as other views would see them (ASIFT: Morel, Yu 2009), RootSIFT descriptors (Arandjelovic,
    Zisserman 2012), mutual nearest, and the nearest at another place is 1 / RATIO times farther. Half a minute a pair.
    """
    try:
        import cv2 as opencv
    except ImportError as error:
        raise MissingDependency("OpenCV is missing: pip install opencv-python-headless") from error
    cv2: Any = opencv
    detector = cv2.AffineFeature_create(cv2.SIFT_create(nfeatures=MAX_FEATURES), MAX_TILT)
    axes = [view.camera(frames[0]).R[2] for view in capture.views]
    pairs = [(a, b) for a, b in combinations(range(len(axes)), 2) if axes[a] @ axes[b] > SAME_WAY]
    out = []
    for frame in frames:
        found = {
            view: _features(detector, cv2.cvtColor(capture.picture(view, frame).rgb, cv2.COLOR_RGB2GRAY))
            for view in sorted({view for pair in pairs for view in pair})
        }
        for a, b in pairs:
            rows, columns = _mutual(*found[a], *found[b])
            at_a, at_b = found[a][0][rows], found[b][0][columns]
            cells = np.round(np.hstack([at_a, at_b]) / SAME_PLACE_PX)  # tilts find a feature many times
            once = np.unique(cells, axis=0, return_index=True)[1]
            out.append(Matches(a, b, at_a[once], at_b[once]))
    return out


def _features(detector: Any, grey: npt.NDArray[np.uint8]) -> tuple[F64, F32]:
    """Places (N, 2) and RootSIFT descriptors (N, 128) of unit length."""
    points, sift = detector.detectAndCompute(grey, None)
    if sift is None:
        return np.zeros((0, 2)), np.zeros((0, 128), np.float32)
    places = np.array([p.pt for p in points], np.float64) + 0.5  # OpenCV's centres are whole
    return places, np.sqrt(sift / np.maximum(sift.sum(axis=1, keepdims=True), 1e-9))


def _mutual(at_a: F64, of_a: F32, at_b: F64, of_b: F32) -> tuple[I64, I64]:
    """Rows of matches in both lists."""
    if min(len(of_a), len(of_b)) <= NEAREST:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    there, ratio = _nearest(of_a, of_b, at_b)
    back, ratio_back = _nearest(of_b, of_a, at_a)
    rows = np.arange(len(of_a))
    returns = np.linalg.norm(at_a[back[there]] - at_a, axis=1) < SAME_PLACE_PX
    good = returns & (ratio < RATIO) & (ratio_back[there] < RATIO)
    return rows[good], there[good]


def _nearest(queries: F32, others: F32, places: F64) -> tuple[I64, F32]:
    """Of each query the nearest of `others`, and its distance over that of the nearest at another place."""
    index, ratios = [], []
    for start in range(0, len(queries), 2000):  # the table of likenesses stays small
        likeness = queries[start : start + 2000] @ others.T
        top = np.argpartition(-likeness, NEAREST, axis=1)[:, :NEAREST]
        values = np.take_along_axis(likeness, top, axis=1)
        best = np.take_along_axis(top, values.argmax(axis=1)[:, None], axis=1)
        apart = np.linalg.norm(places[top] - places[best], axis=2) > APART_PX
        second = np.where(apart.any(axis=1), np.where(apart, values, -1).max(axis=1), values.min(axis=1))
        gap, other_gap = 1 - values.max(axis=1), 1 - second  # half the squared distance of unit vectors
        ratios.append(np.sqrt(np.maximum(gap, 0) / np.maximum(other_gap, 1e-9)))
        index.append(best[:, 0])
    return np.concatenate(index), np.concatenate(ratios)


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
