"""nerfstudio, instant-ngp and D-NeRF captures, of pictures and of videos."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gscodec.base.errors import BadInput, Misuse
from gscodec.render.cameras import Camera
from gscodec.render.output import write_mp4
from gscodec.train.captures import open_capture
from tests.train.captures.builders import (
    NAMES,
    POINTS,
    H,
    W,
    check,
    entry,
    nerf,
    opengl,
    picture,
    project,
    put,
    rig,
    video,
)


def test_nerfstudio_pictures_missing_and_held_out(tmp_path: Path) -> None:
    entries = []
    for name, camera in zip(NAMES, rig(), strict=True):
        for t in range(3):
            put(tmp_path / f"{name}_{t}.png", picture(50 + t, 4))
            entries.append(entry(camera) | {"file_path": f"{name}_{t}.png", "camera": name, "frame": t})
    (tmp_path / "cam01_1.png").unlink()
    nerf(tmp_path, entries, fps=12, test_filenames=["cam02_0.png"])
    capture = check(tmp_path)
    assert (capture.n_frames, capture.fps, capture.train_views, capture.test_views) == (3, 12, [0, 1], [2])
    assert capture.masked and capture.picture(0, 2).rgb[0, 0, 0] == 52
    assert not capture.views[1].has(1) and any("missing" in line for line in capture.warnings)
    with pytest.raises(Misuse):
        capture.picture(1, 1)
    assert open_capture(tmp_path, hold_out=["cam00"]).test_views == [0]
    half = open_capture(tmp_path, downscale=2)
    assert half.picture(0, 0).rgb.shape == (H // 2, W // 2, 3) and half.views[0].camera(0).cx == 15.0


def test_nerfstudio_intrinsics_of_each_frame(tmp_path: Path) -> None:
    """A camera that zooms and moves: each frame has its own intrinsics and pose."""
    zoomed = [replace(c, fx=c.fx + 5 * t, cx=c.cx - t) for t, c in enumerate(rig())]
    entries = []
    for t, camera in enumerate(zoomed):
        put(tmp_path / f"{t}.png")
        entries.append(entry(camera) | {"file_path": f"{t}.png", "camera": "one", "frame": t})
    nerf(tmp_path, entries)
    capture = open_capture(tmp_path)
    assert (len(capture.views), capture.n_frames) == (1, 3)
    for t, camera in enumerate(zoomed):
        got = project(capture.views[0].camera(t), capture.normalisation.apply(POINTS))
        np.testing.assert_allclose(got, project(camera, POINTS), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"fl_x": "x"}, "fl_x"), ({"transform_matrix": [[1]]}, "transform_matrix"), ({"camera_model": "ODD"}, "camera_model"),
     ({"file_path": "../../x.png"}, "file_path"), ({"w": 65}, "cam00, frame 0")],
)  # fmt: skip
def test_nerfstudio_names_file_and_field(tmp_path: Path, change: dict[str, object], field: str) -> None:
    put(tmp_path / "a" / "cam00.png")
    nerf(tmp_path / "a", [entry(rig()[0]) | {"file_path": "cam00.png", "camera": "cam00"} | change])
    with pytest.raises(BadInput) as caught:
        open_capture(tmp_path / "a").picture(0, 0)
    assert field in str(caught.value)


def test_nerfstudio_rounded_rotations_and_masks_that_are_null(tmp_path: Path) -> None:
    put(tmp_path / "0.png")
    rounded = np.round(opengl(rig()[2]), 3).tolist()  # 1.4e-3 from a rotation
    more = {"transform_matrix": rounded, "file_path": "0.png", "mask_path": None}
    nerf(tmp_path, [entry(rig()[2]) | more])
    assert open_capture(tmp_path).picture(0, 0).valid is None


@pytest.mark.parametrize("change", [{"frame": "second"}, {"time": [1]}, {"time": None}])
def test_nerfstudio_names_a_moment_that_is_none(tmp_path: Path, change: dict[str, object]) -> None:
    entries = [entry(rig()[0]) | {"file_path": f"{t}.png", "camera": "one", "time": str(t)} for t in range(2)]
    for t in range(2):
        put(tmp_path / f"{t}.png")
    nerf(tmp_path, entries)
    assert open_capture(tmp_path).n_frames == 2
    nerf(tmp_path, [entries[0], entries[1] | change])
    with pytest.raises(BadInput, match=rf"transforms\.json.*frames\[1\]\.{next(iter(change))}"):
        open_capture(tmp_path)


def test_videos_forward_back_and_unequal(tmp_path: Path) -> None:
    entries = []
    for i, (name, camera) in enumerate(zip(NAMES, rig(), strict=True)):
        video(tmp_path / f"{name}.mp4", 4 + i)
        entries.append(entry(camera) | {"file_path": f"{name}.mp4", "camera": name})
    nerf(tmp_path, entries)
    capture = check(tmp_path)
    assert capture.n_frames == 4 and any("unequal" in line for line in capture.warnings)
    for t in (0, 3, 1, 2):
        assert abs(int(capture.picture(0, t).rgb[5, 5, 0]) - 40 * (t + 1)) <= 2


def test_videos_without_colour_tags_are_named(tmp_path: Path) -> None:
    import av

    for name in NAMES[:2]:
        with av.open(str(tmp_path / f"{name}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
            if name == NAMES[0]:
                stream.codec_context.colorspace = 1
            frame = av.VideoFrame.from_ndarray(picture(), "rgb24")
            container.mux([*stream.encode(frame), *stream.encode(None)])
    entries = [entry(c) | {"file_path": f"{n}.mp4", "camera": n} for n, c in zip(NAMES, rig(), strict=False)]
    nerf(tmp_path, entries[:2])
    assert [w for w in open_capture(tmp_path).warnings if "colour tags in 1 videos (cam01)" in w]


def test_seeking_equals_decoding(tmp_path: Path) -> None:
    import av

    from gscodec.train.captures.video import Decoders, Video

    rng = np.random.default_rng(1)
    write_mp4(tmp_path / "a.mp4", [np.full((32, 32, 3), v, np.uint8) for v in rng.integers(0, 255, 300)], 30)
    with av.open(str(tmp_path / "a.mp4")) as container:
        want = [np.array(f.planes[0])[0] for f in container.decode(video=0)]
    film = Video(tmp_path / "a.mp4", Decoders())
    for t in (290, 10, 299, 251, 0):
        assert np.array(film.decoded(t).planes[0])[0] == want[t]


def test_dnerf(tmp_path: Path) -> None:
    entries = [
        {"file_path": f"./train/r_{i}", "time": i / 2, "transform_matrix": opengl(c)}
        for i, c in enumerate(rig())
    ]
    for i in range(3):
        put(tmp_path / "train" / f"r_{i}.png", picture(90, 4))
    (tmp_path / "transforms_train.json").write_text(json.dumps({"camera_angle_x": 0.9, "frames": entries}))
    capture = open_capture(tmp_path)
    assert capture.n_frames == 3 and len(capture.views) == 1 and "monocular" in capture.warnings[0]
    f = 0.5 * W / np.tan(0.45)
    for t, c in enumerate(rig()):
        want = project(Camera(c.R, c.t, f, f, W / 2, H / 2, W, H), POINTS)
        got = project(capture.views[0].camera(t), capture.normalisation.apply(POINTS))
        np.testing.assert_allclose(got, want, atol=1e-6)


@pytest.mark.parametrize(
    ("times", "message"),
    [({}, r"`frame` or `time` must say .*frames\[0\]\.frame"), ({0: {"frame": 0}, 1: {"time": 1}}, "every entry has"),
     ({0: {"frame": 0}, 1: {"frame": 0}}, "two pictures of one camera at one time")],
)  # fmt: skip
def test_pictures_of_one_camera_say_when_they_were_taken(
    tmp_path: Path, times: dict[int, dict[str, object]], message: str
) -> None:
    entries = []
    for t in range(2):
        for name, camera in zip(NAMES, rig(), strict=True):
            put(tmp_path / f"{name}_{t}.png")
            more = {"file_path": f"{name}_{t}.png", "camera": name} | times.get(t, {})
            entries.append(entry(camera) | more)
    nerf(tmp_path, entries)
    with pytest.raises(BadInput, match=message):
        open_capture(tmp_path)


def test_nerfstudio_times_of_a_camera_that_moves(tmp_path: Path) -> None:
    entries = []
    for t, camera in enumerate(rig()):
        put(tmp_path / f"{t}.png")
        entries.append(entry(camera) | {"file_path": f"{t}.png", "time": t / 4})
    nerf(tmp_path, entries)
    capture = open_capture(tmp_path)
    assert (len(capture.views), capture.n_frames) == (1, 3) and "monocular" in capture.warnings[0]
    got = project(capture.views[0].camera(2), capture.normalisation.apply(POINTS))
    np.testing.assert_allclose(got, project(rig()[2], POINTS), atol=1e-6)
    nerf(tmp_path, [*entries[:2], entries[2] | {"split": "test"}])
    assert open_capture(tmp_path).n_frames == 2
    nerf(tmp_path, [*entries[:2], entries[2] | {"time": 0.25}])
    with pytest.raises(BadInput, match="need a name each"):
        open_capture(tmp_path)


def blender(folder: Path, split: str, cameras: list[Camera], **more: list[float]) -> None:
    entries = [
        {"file_path": f"./{split}/r_{i}", "transform_matrix": opengl(c)} for i, c in enumerate(cameras)
    ]
    for key, values in more.items():
        entries = [entry | {key: value} for entry, value in zip(entries, values, strict=True)]
    for i in range(len(cameras)):
        put(folder / split / f"r_{i}.png", picture(90, 4))
    (folder / f"transforms_{split}.json").write_text(json.dumps({"camera_angle_x": 0.9, "frames": entries}))


def test_dnerf_without_times_is_still(tmp_path: Path) -> None:
    blender(tmp_path, "train", rig())
    blender(tmp_path, "test", rig()[:1])
    capture = open_capture(tmp_path)
    assert (capture.n_frames, [v.name for v in capture.views]) == (
        1,
        ["train/r_0", "train/r_1", "train/r_2", "test/r_0"],
    )
    assert capture.test_views == [3] and not capture.warnings
    blender(tmp_path, "test", rig()[:1], time=[0.0])
    with pytest.raises(BadInput, match=r"transforms_test\.json.*frames\[0\]\.time"):
        open_capture(tmp_path)


def test_dnerf_is_placed_by_all_poses(tmp_path: Path) -> None:
    """Train and test begin at one pose: it alone says nothing of what the camera looks at."""
    blender(tmp_path, "train", rig(), time=[0.0, 0.5, 1.0])
    blender(tmp_path, "test", rig()[:1], time=[0.0])
    capture = open_capture(tmp_path)
    assert np.abs(capture.normalisation.inverse.apply(np.zeros((1, 3)))).max() < 1e-6
    assert len(capture.zone()) == 3
