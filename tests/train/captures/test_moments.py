"""What shows one moment: pictures paired by name, missing ones, missing masks, rates of videos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gscodec.base.errors import BadInput
from gscodec.render.output import write_mp4
from gscodec.train.captures import open_capture
from gscodec.train.captures.files import aligned
from gscodec.train.captures.model import Capture
from gscodec.train.captures.pose2sim import pair_videos
from tests.train.captures.builders import (
    NAMES,
    actorshq,
    colmap_binary,
    easymocap,
    entry,
    nerf,
    picture,
    put,
    rig,
    video,
)


def shows_its_own_moments(capture: Capture) -> None:
    """Of three moments, camera 1 has no picture of the second."""
    assert capture.n_frames == 3
    assert [capture.views[1].has(t) for t in range(3)] == [True, False, True]
    assert any("1 of 3 pictures are missing" in line for line in capture.warnings)
    for view in (0, 1):
        assert capture.picture(view, 2).rgb[0, 0, 0] == 120


def test_easymocap_pairs_by_name(tmp_path: Path) -> None:
    easymocap(tmp_path, 3)
    (tmp_path / "images" / "cam01" / "000001.png").unlink()
    shows_its_own_moments(open_capture(tmp_path))


def test_actorshq_pairs_by_number(tmp_path: Path) -> None:
    actorshq(tmp_path, 3)
    (tmp_path / "rgbs" / "Cam001" / "Cam001_rgb000001.png").unlink()
    shows_its_own_moments(open_capture(tmp_path))


def test_colmap_folders_pair_by_name(tmp_path: Path) -> None:
    colmap_binary(tmp_path / "sparse" / "0")
    for name in NAMES:
        for t in range(3):
            put(tmp_path / "images" / name / f"{t}.png", picture(40 * (t + 1)))
    (tmp_path / "images" / "cam01" / "1.png").unlink()
    shows_its_own_moments(open_capture(tmp_path))


def test_names_that_say_nothing_pair_in_order() -> None:
    def files(camera: str, *names: str) -> list[Path]:
        return [Path(camera) / f"{name}.png" for name in names]

    warnings: list[str] = []
    apart = {"a": files("a", "17", "18"), "b": files("b", "40", "41")}
    assert aligned(apart, warnings) == apart and "paired in order" in warnings.pop()
    once = {"a": files("a", "1", "2", "3"), "b": files("b", "1", "2"), "c": files("c", "1", "2")}
    assert [f and f.stem for f in aligned(once, warnings)["a"]] == ["1", "2"] and "fewer" in warnings.pop()
    padded = {"a": files("a", "a_9", "a_10"), "b": files("b", "b_10")}
    assert aligned(padded, warnings) == {"a": padded["a"], "b": [None, *padded["b"]]} and not warnings
    with pytest.raises(BadInput, match="two pictures of one name: 1"):
        aligned({"a": [Path("a/1.png"), Path("a/1.jpg")]}, warnings)


def of_numbers(camera: str, form: str, numbers: range) -> list[Path]:
    return [Path(camera) / f"{form.format(i)}.png" for i in numbers]


def test_numbers_pair_where_one_camera_is_named_otherwise() -> None:
    forms = {"a": "{:06d}", "b": "{:06d}", "c": "IMG_{:04d}"}
    files = {camera: of_numbers(camera, form, range(10)) for camera, form in forms.items()}
    warnings: list[str] = []
    assert aligned(files, warnings) == files and not warnings
    files["c"] = of_numbers("c", "IMG_{:04d}", range(5000, 5010))
    with pytest.raises(BadInput, match=r"IMG_5000\.png \(file=c, field=c\)"):
        aligned(files, warnings)


def test_numbers_pair_where_names_split_the_cameras() -> None:
    forms = {"a": "{:06d}", "b": "{:06d}", "c": "IMG_{:04d}", "d": "IMG_{:04d}"}
    files = {camera: of_numbers(camera, form, range(10)) for camera, form in forms.items()}
    warnings: list[str] = []
    assert aligned(files, warnings) == files and not warnings


def test_a_short_camera_pairs_by_name() -> None:
    files = {"a": of_numbers("a", "{}", range(100)), "b": of_numbers("b", "{}", range(50, 80))}
    warnings: list[str] = []
    placed = aligned(files, warnings)
    assert placed == {"a": files["a"], "b": [*[None] * 50, *files["b"], *[None] * 20]} and not warnings


@pytest.mark.parametrize("layout", ["easymocap", "actorshq"])
def test_a_picture_without_its_mask_is_left_out(tmp_path: Path, layout: str) -> None:
    if layout == "actorshq":
        actorshq(tmp_path, 2)
        (tmp_path / "masks" / "Cam001" / "Cam001_mask000001.png").unlink()
    else:
        easymocap(tmp_path, 2)
        for name in NAMES:
            for t in range(2 - (name == "cam01")):
                put(tmp_path / "masks" / name / f"{t:06d}.png", picture(255))
    capture = open_capture(tmp_path)
    assert capture.masked and [capture.views[1].has(t) for t in range(2)] == [True, False]
    assert any("1 pictures without a mask" in line for line in capture.warnings)


def test_a_camera_without_masks_is_left_out_and_strange_masks_are_said(tmp_path: Path) -> None:
    easymocap(tmp_path)
    for name in NAMES[1:]:
        put(tmp_path / "masks" / name / "000000.png", picture(255))
    put(tmp_path / "masks" / "cam00" / "mask.png", picture(255))
    capture = open_capture(tmp_path)
    assert [view.name for view in capture.views] == ["cam01", "cam02"]
    assert any("cam00: left out" in line for line in capture.warnings)
    assert any("cam00: masks are not used" in line for line in capture.warnings)


def test_opaque_alpha_is_no_mask(tmp_path: Path) -> None:
    entries = []
    for t, (name, camera) in enumerate(zip(NAMES, rig(), strict=True)):
        rgba = picture(90, 4)
        rgba[..., 3] = 255
        put(tmp_path / f"{name}.png", rgba)
        entries.append(entry(camera) | {"file_path": f"{name}.png"})
        nerf(tmp_path, entries)
        capture = open_capture(tmp_path)
        assert not capture.masked and capture.picture(t, 0).mask is None
    rgba[0, 0, 3] = 0
    put(tmp_path / "cam02.png", rgba)
    capture = open_capture(tmp_path)  # one that hides something is enough, the others are seen whole
    masks = [capture.picture(view, 0).mask for view in range(3)]
    assert capture.masked and all(mask is not None for mask in masks)
    assert [int(np.min(mask)) for mask in masks if mask is not None] == [255, 255, 0]


def test_videos_belong_to_whole_names() -> None:
    def pair(names: list[str], stems: list[str]) -> tuple[list[str], list[str]]:
        warnings: list[str] = []
        files = [Path(f"{stem}.mp4") for stem in stems]
        return [file.stem for file in pair_videos(names, files, Path("Calib.toml"), warnings)], warnings

    assert pair(["cam1", "cam10", "cam2"], ["cam1", "cam2", "cam10"]) == (["cam1", "cam10", "cam2"], [])
    assert pair(["cam1", "cam10"], ["a_cam10_x", "a_cam1_x"]) == (["a_cam1_x", "a_cam10_x"], [])
    assert pair(["cam1", "cam2"], ["xcam2", "xcam1"]) == (["xcam1", "xcam2"], [])
    paired, warnings = pair(["left", "right"], ["1", "2"])
    assert paired == ["1", "2"] and "in order" in warnings[0]
    with pytest.raises(BadInput, match=r"in order cam2 would get a\.mp4 .*Calib\.toml.*cam2"):
        pair(["cam1", "cam2"], ["a", "cam2"][::-1])


def test_rates_that_differ_and_masks_of_videos_are_said(tmp_path: Path) -> None:
    entries = []
    for i, (name, camera) in enumerate(zip(NAMES, rig(), strict=True)):
        write_mp4(tmp_path / f"{name}.mp4", [picture()] * 4, 10 + 5 * (i == 2))
        entries.append(entry(camera) | {"file_path": f"{name}.mp4", "mask_path": "m.mp4"})
    nerf(tmp_path, entries)
    said = "\n".join(open_capture(tmp_path).warnings)
    assert "cam00 has 10, cam02 15 frames a second" in said and "cam02: mask_path of a video" in said
    video(tmp_path / "cam02.mp4")
    assert "frame rate" not in "\n".join(open_capture(tmp_path).warnings)


def test_poses_of_all_moments_place_a_moving_rig(tmp_path: Path) -> None:
    """Two moving cameras that begin in one place: of the first poses alone nothing can be told."""
    from gscodec.render.cameras import look_at

    entries = []
    for name, way in (("a", 1), ("b", -1)):
        for t in range(12):
            eye = 3 * np.array([np.cos(way * t / 4), np.sin(way * t / 4), 0.3])
            camera = look_at(eye, np.zeros(3), np.array([0.0, 0.0, 1.0]), 0.7, 64)
            put(tmp_path / f"{name}{t}.png")
            entries.append(
                entry(replace(camera, height=48))
                | {"file_path": f"{name}{t}.png", "camera": name, "frame": t}
            )
    nerf(tmp_path, entries)
    capture = open_capture(tmp_path)
    assert np.abs(capture.normalisation.inverse.apply(np.zeros((1, 3)))).max() < 1e-6
    assert capture.up == (0, 0, 1) and len(capture.zone()) == 24
