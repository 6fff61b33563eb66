"""Masks and alpha: what they mean, where they are missing, and that something is left to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gscodec.base.errors import BadInput, Misuse
from gscodec.train.captures import open_capture
from gscodec.train.captures.sources import read_mask
from tests.train.captures.builders import (
    NAMES,
    H,
    W,
    easymocap,
    entry,
    nerf,
    picture,
    put,
    rig,
    video,
)


def rgba(alpha: int, hidden: int = 0, value: int = 90) -> np.ndarray:
    """A picture of one alpha but for its first `hidden` rows, which are transparent."""
    image = picture(value, 4)
    image[..., 3] = alpha
    image[:hidden, :, 3] = 0
    return image


def timed(folder: Path, n_frames: int) -> None:
    """A transforms.json of named cameras; pictures are `<name>_<frame>.png`."""
    entries = [
        entry(camera) | {"file_path": f"{name}_{t}.png", "camera": name, "frame": t}
        for name, camera in zip(NAMES, rig(), strict=True)
        for t in range(n_frames)
    ]
    nerf(folder, entries)


def test_moments_that_no_training_view_shows_are_refused(tmp_path: Path) -> None:
    easymocap(tmp_path, 3)
    for name in NAMES:
        put(tmp_path / "masks" / name / "000000.png", picture(255))
    with pytest.raises(BadInput, match=r"no training view shows this frame .*frame=1"):
        open_capture(tmp_path)
    for t in (1, 2):  # one view is enough, unless it is held out
        put(tmp_path / "masks" / "cam01" / f"{t:06d}.png", picture(255))
    assert [open_capture(tmp_path).views[i].has(2) for i in range(3)] == [False, True, False]
    with pytest.raises(BadInput, match=r"no training view shows this frame .*frame=1"):
        open_capture(tmp_path, hold_out=["cam01"])


def test_masks_of_held_out_views_alone_leave_nothing_to_train_on(tmp_path: Path) -> None:
    easymocap(tmp_path)
    put(tmp_path / "masks" / "cam00" / "000000.png", picture(255))
    assert open_capture(tmp_path).train_views == [0]
    with pytest.raises(BadInput, match="nothing is left to train on"):
        open_capture(tmp_path, hold_out=["cam00"])


def test_the_only_view_cannot_be_held_out(tmp_path: Path) -> None:
    entries = []
    for t, camera in enumerate(rig()):
        put(tmp_path / f"{t}.png")
        entries.append(entry(camera) | {"file_path": f"{t}.png", "time": t / 4})
    nerf(tmp_path, entries)
    assert open_capture(tmp_path).train_views == [0]
    for hold_out in (2, ["moving"]):
        with pytest.raises(Misuse, match="nothing is left to train on"):
            open_capture(tmp_path, hold_out=hold_out)


@pytest.mark.parametrize("value", [0, 255])
def test_an_opaque_mask_of_one_colour_is_all_foreground(tmp_path: Path, value: int) -> None:
    path = tmp_path / "mask.png"
    put(path, rgba(255, value=value))
    assert (read_mask(path) == 255).all()


def test_an_opaque_mask_that_draws_is_read_from_its_colours(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    drawn = rgba(255, value=0)
    drawn[: H // 2, :, :3] = 255
    put(path, drawn)
    assert (read_mask(path)[: H // 2] == 255).all() and not read_mask(path)[H // 2 :].any()
    put(path, rgba(255, hidden=3, value=0))
    assert not read_mask(path)[:3].any() and (read_mask(path)[3:] == 255).all()
    put(path, np.zeros((H, W, 3), np.uint8))  # without alpha black is empty
    assert not read_mask(path).any()


def test_a_picture_without_alpha_among_others_is_named(tmp_path: Path) -> None:
    for name in NAMES:
        for t in range(2):
            put(tmp_path / f"{name}_{t}.png", rgba(255, hidden=3 * (1 - t)))
    put(tmp_path / "cam01_1.png", picture(90))
    timed(tmp_path, 2)
    capture = open_capture(tmp_path)
    whole = capture.picture(0, 1).mask  # opaque is all foreground
    assert whole is not None and (whole == 255).all()
    with pytest.raises(BadInput, match=r"without alpha.*file=.*cam01_1\.png, field=cam01, frame 1"):
        capture.picture(1, 1)


@pytest.mark.parametrize("frame", [2, 4])
def test_alpha_is_looked_for_in_the_middle_and_at_the_end(tmp_path: Path, frame: int) -> None:
    for name in NAMES:
        for t in range(5):
            put(tmp_path / f"{name}_{t}.png", rgba(255, hidden=3 * (t == frame)))
    timed(tmp_path, 5)
    assert open_capture(tmp_path).masked


def test_masks_beside_videos_are_said(tmp_path: Path) -> None:
    easymocap(tmp_path)
    for name in NAMES:
        (tmp_path / "images" / name / "000000.png").unlink()
        video(tmp_path / "videos" / f"{name}.mp4")
    put(tmp_path / "masks" / "cam01" / "000000.png", picture(255))
    said = open_capture(tmp_path).warnings
    assert "cam01: masks of videos are not read" in said and not any("not used" in line for line in said)
