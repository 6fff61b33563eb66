"""The real captures: they open as their READMEs say, and the recorded calibration is in step."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from gscodec.train.captures import open_capture
from gscodec.train.captures.seeds import visual_hull
from gscodec.train.captures.sync import motion_energy, offsets_of

pytestmark = pytest.mark.data


def data(name: str) -> Path:
    folder = Path(os.environ.get("GSCODEC_TEST_DATA", "")) / "captures" / name
    if not os.environ.get("GSCODEC_TEST_DATA") or not folder.is_dir():
        pytest.skip(f"{name} is absent (set GSCODEC_TEST_DATA)")
    return folder


def test_fox() -> None:
    capture = open_capture(data("capture-fox"))
    assert (len(capture.train_views), len(capture.test_views), capture.n_frames, capture.fps) == (
        20,
        4,
        24,
        24,
    )
    assert capture.up == (0, 0, 1) and capture.masked and not capture.warnings
    hull = capture.normalisation.inverse.apply(visual_hull(capture, 0, 64).means)
    assert len(hull) > 500  # the fox stays within x +-0.23, y +-1.13, z -0.53..0.52
    assert (np.abs(hull) < (0.35, 1.25, 0.65)).all()


def test_trio() -> None:
    capture = open_capture(data("capture-trio"))
    assert (len(capture.train_views), len(capture.test_views), capture.n_frames, capture.fps) == (
        24,
        4,
        60,
        30,
    )
    assert capture.up == (0, 0, 1) and not capture.masked and not capture.warnings
    assert capture.picture(27, 59).rgb.shape == (360, 480, 3)


def test_snowmiku() -> None:
    capture = open_capture(data("snowmiku"), downscale=2, hold_out=8)
    assert (len(capture.views), len(capture.test_views), capture.n_frames) == (49, 7, 1)
    assert capture.points is not None and len(capture.points.means) == 25784
    # most points fall into the pictures that were taken of them
    camera = capture.views[0].camera(0)
    p = capture.points.means @ camera.R.T + camera.t
    at = p[:, :2] / p[:, 2:] * (camera.fx, camera.fy) + (camera.cx, camera.cy)
    assert ((p[:, 2] > 0) & (at > 0).all(1) & (at < (camera.width, camera.height)).all(1)).mean() > 0.3


def test_pose2sim_offset_of_three_frames_is_found() -> None:
    capture = open_capture(data("pose2sim"))
    energy = motion_energy(capture, range(40))
    assert offsets_of(energy) == [0, 0, 0, 0]
    moved = np.array([row[3:] if view == 2 else row[:-3] for view, row in enumerate(energy)])
    assert offsets_of(moved) == [0, 0, -3, 0]
