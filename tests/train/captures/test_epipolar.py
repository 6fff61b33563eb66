"""The epipolar measure: on a plane rendered exactly, and on the recorded capture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gscodec.base.errors import CheckFailed
from gscodec.render.cameras import Camera, look_at
from gscodec.train.captures import epipolar, open_capture, pose2sim
from gscodec.train.captures.epipolar import Matches, epipolar_error, turned
from gscodec.train.captures.lens import Lens
from gscodec.train.captures.model import Capture, Normalisation, Picture, View
from tests.train.captures.test_real import data

SIZE, TEXTURE = 200, 400


def on_a_plane(texture: np.ndarray) -> Capture:
    """Two cameras that see the square -1..1 of z = 0, some 30 degrees apart."""
    cv2 = pytest.importorskip("cv2")
    cameras, pictures = [], []
    for side in (-0.8, 0.8):
        c = look_at(np.array([side, -0.3, 3.0]), np.zeros(3), np.array([0.0, 1.0, 0.0]), 0.8, SIZE)
        c = replace(c, cx=c.cx + 9 * side, fx=c.fx + 5 * side)
        k = np.array([[c.fx, 0, c.cx - 0.5], [0, c.fy, c.cy - 0.5], [0, 0, 1]])
        to_plane = np.array([[2 / TEXTURE, 0, 1 / TEXTURE - 1], [0, 2 / TEXTURE, 1 / TEXTURE - 1], [0, 0, 1]])
        h = k @ np.column_stack([c.R[:, 0], c.R[:, 1], c.t]) @ to_plane
        cameras.append(c)
        pictures.append(cv2.warpPerspective(texture, h, (SIZE, SIZE), flags=cv2.INTER_CUBIC))
    return Capture(
        views=[View(f"{i}", False, (c,)) for i, c in enumerate(cameras)], n_frames=1, fps=1.0, up=(0.0, 1.0, 0.0),
        masked=False, points=None, normalisation=Normalisation(), warnings=[],
        read=lambda view, _: Picture(pictures[view]),
    )  # fmt: skip


def test_matches_of_a_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epipolar, "MAX_FEATURES", 250)
    coarse = np.random.default_rng(0).integers(0, 256, (TEXTURE // 10, TEXTURE // 10, 3)).astype(np.uint8)
    capture = on_a_plane(np.kron(coarse, np.ones((10, 10, 1), np.uint8)))
    error = epipolar_error(capture, [0])
    assert error.n_matches > 200 and error.median_px < 0.5
    cameras = [view.camera(0) for view in capture.views]
    assert epipolar_error(capture, [0], [cameras[0], turned(cameras[1], 1.0)]).median_px > 1.5
    flat = replace(capture, read=lambda *_: Picture(np.full((SIZE, SIZE, 3), 90, np.uint8)))
    with pytest.raises(CheckFailed, match="only 0 features"):
        epipolar_error(flat, [0])


def straightened(lens: Lens, at: np.ndarray) -> np.ndarray:
    """Where a lens without distortion puts what lies at pixels (N, 2): fixed-point iteration."""
    f, c = np.array([lens.fx, lens.fy]), np.array([lens.cx, lens.cy])
    rays = (at - c) / f
    for _ in range(20):
        rays = rays - (lens.distort(rays) - at) / f
    return rays * f + c


@pytest.mark.data
def test_pose2sim_calibration_fits_its_pictures() -> None:
    """All that find_matches found in every 15th frame, recorded: finding it takes some 30 s a frame.

    (N, 7): frame, views a and b (only cam01 and cam02 look the same way), places in the files' own pictures. The static
    room is matched again in each frame. Nothing was left out by geometry: about a third are wrong.
    """
    folder = data("pose2sim")
    rows = np.load(Path(__file__).parent / "pose2sim_matches.npy").astype(np.float64)
    capture = open_capture(folder)
    lenses = [view.lenses[0] for view in pose2sim.read(folder).views]
    cameras = [view.camera(0) for view in capture.views]
    matches = []
    for a, b in np.unique(rows[:, 1:3].astype(int), axis=0):
        of = rows[(rows[:, 1] == a) & (rows[:, 2] == b)]
        matches.append(
            Matches(a, b, straightened(lenses[a], of[:, 3:5]), straightened(lenses[b], of[:, 5:7]))
        )
    error = epipolar_error(capture, [0], matches=matches)
    assert error.n_matches >= 200 and error.median_px <= 2
    for view in {m.b for m in matches}:
        moved: list[Camera] = [turned(c, 1.0) if i == view else c for i, c in enumerate(cameras)]
        assert epipolar_error(capture, [0], moved, matches=matches).median_px > 10
