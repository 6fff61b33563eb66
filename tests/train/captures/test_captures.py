"""Layouts written by hand, read back: cameras must put known points where they were put; pictures must be exact."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gscodec.base.errors import BadInput, Unsupported
from gscodec.render.cameras import Camera
from gscodec.render.output import write_mp4
from gscodec.train.captures import open_capture, pose2sim
from gscodec.train.captures.epipolar import point_line_error, turned
from gscodec.train.captures.lens import Lens, scale_down, straighten, straightening_map
from gscodec.train.captures.sample import write_sample_capture
from gscodec.train.captures.seeds import seed_points
from gscodec.train.captures.sources import read_image
from gscodec.train.captures.sync import offsets_of
from tests.train.captures.builders import (
    NAMES,
    POINTS,
    H,
    W,
    actorshq,
    check,
    easymocap,
    entry,
    nerf,
    picture,
    project,
    put,
    rig,
    rodrigues,
    video,
)


def test_pose2sim(tmp_path: Path) -> None:
    tables = []
    for name, c in zip(NAMES, rig(), strict=True):
        video(tmp_path / "videos" / f"{name}.mp4")
        k = [[c.fx, 0.0, c.cx - 0.5], [0.0, c.fy, c.cy - 0.5], [0.0, 0.0, 1.0]]
        tables.append(
            f'[{name}]\nname = "{name}"\nsize = [{W}.0, {H}.0]\nmatrix = {k}\ndistortions = [0.0, 0.0, 0.0, 0.0]\n'
            f"rotation = {rodrigues(c.R)}\ntranslation = {c.t.tolist()}\nfisheye = false\n"
        )
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration" / "Calib_scene.toml").write_text(
        "\n".join([*tables, "[metadata]\nerror = 0.0\n"])
    )
    check(tmp_path)


def test_n3dv(tmp_path: Path) -> None:
    rows, cameras = [], []
    for i, c in enumerate(rig()):
        video(tmp_path / f"cam0{i}.mp4")
        cameras.append(Camera(c.R, c.t, 70.0, 70.0, W / 2, H / 2, W, H))
        pose = np.column_stack([c.R[1], c.R[0], -c.R[2], c.centre, (2 * H, 2 * W, 140.0)])
        rows.append([*pose.reshape(-1), 0.1, 5.0])
    np.save(tmp_path / "poses_bounds.npy", np.array(rows))
    assert check(tmp_path, cameras=cameras).test_views == [0]


def qualisys(path: Path, cameras: list[Camera], created: str, mirrored: bool = False) -> None:
    """A Qualisys calibration: camera to world by rows, y up, z back; millimetres and 64ths of a pixel."""
    text = f'<calibration created="{created}"><cameras>'
    for name, c in zip(NAMES, cameras, strict=True):
        rows = c.R * [[1], [-1], [-1]]
        turn = " ".join(f'r{i + 1}{j + 1}="{float(rows[i, j])}"' for i in range(3) for j in range(3))
        x, y, z = (float(v) for v in c.centre * 1000)
        cx = c.width - c.cx if mirrored else c.cx
        text += (
            f'<camera active="1" serial="{name}" viewrotation="0"><fov_video left="0" top="0" right="{c.width - 1}" '
            f'bottom="{c.height - 1}"/><transform {turn} x="{x}" y="{y}" z="{z}"/>'
            f'<intrinsic focalLengthU="{c.fx * 64}" focalLengthV="{c.fy * 64}" centerPointU="{(cx - 0.5) * 64}" '
            f'centerPointV="{(c.cy - 0.5) * 64}" radialDistortion1="0.0" radialDistortion2="0.0" '
            f'tangentalDistortion1="0.0" tangentalDistortion2="0.0"/></camera>'
        )
    path.write_text(text + "</cameras></calibration>")


def test_qualisys(tmp_path: Path) -> None:
    for name in NAMES:
        video(tmp_path / f"{name}.mp4")
    path = tmp_path / "Calib.qca.txt"
    qualisys(path, rig(), "2024-01-01")
    assert not any("mirrored" in line for line in check(tmp_path).warnings)
    path.write_text(path.read_text().replace('radialDistortion1="0.0"', 'radialDistortion1="-0.05"'))
    assert pose2sim.read(tmp_path).views[0].lenses[0].params == (-0.05, 0, 0, 0)  # no unit: undivided
    whole = path.read_text()
    for old, new, kind in (
        ('viewrotation="0"', 'viewrotation="90"', Unsupported), ('x="', 'x="m', BadInput), ("<cameras>", "<", BadInput),
        ("<calibration", "<!DOCTYPE a><calibration", BadInput), ('active="1"', 'active="0"', BadInput),
    ):  # fmt: skip
        path.write_text(whole.replace(old, new))
        with pytest.raises(kind, match=r"Calib\.qca\.txt"):
            open_capture(tmp_path)


def test_qualisys_turned_by_hand_is_mirrored_back(tmp_path: Path) -> None:
    cameras = [replace(c, width=H, height=W, cx=c.cx - 8, cy=c.cy + 8) for c in rig()]
    for name in NAMES:
        write_mp4(tmp_path / f"{name}.mp4", [np.full((W, H, 3), 90, np.uint8)] * 2, 10)
    qualisys(tmp_path / "Calib.qca.txt", cameras, pose2sim.CONVERTED, mirrored=True)
    capture = check(tmp_path, cameras=cameras)
    assert any("mirrored back" in line for line in capture.warnings)


def n3dv_rows(n: int) -> np.ndarray:
    pose = np.column_stack([np.eye(3)[[1, 0, 2]], np.zeros(3), (H, W, 70.0)])
    pose[2, 2] = -1.0  # right-handed: down x right is back
    return np.array([[*pose.reshape(-1), 0.1, 5.0]] * n)


@pytest.mark.parametrize(
    ("rows", "message"),
    [(n3dv_rows(3), "3 rows, but 2 videos"), (n3dv_rows(2)[:, :16], "N x 17"), (n3dv_rows(2) * np.nan, "N x 17"),
     (n3dv_rows(2) * 0, "not a pose.*cam00"), (np.array(["x"]), "of numbers"), (np.array([{}]), "not a numpy file")],
)  # fmt: skip
def test_n3dv_names_the_error(tmp_path: Path, rows: np.ndarray, message: str) -> None:
    for i in range(2):
        video(tmp_path / f"cam0{i}.mp4")
    np.save(tmp_path / "poses_bounds.npy", rows, allow_pickle=True)
    with pytest.raises(BadInput, match=message):
        open_capture(tmp_path)


def test_videogs(tmp_path: Path) -> None:
    for t in range(2):
        entries = [
            entry(c) | {"file_path": f"images/{name}.png"} for name, c in zip(NAMES, rig(), strict=True)
        ]
        nerf(tmp_path / str(t), entries)
        for name in NAMES:
            put(tmp_path / str(t) / "images" / f"{name}.png")
    assert check(tmp_path).n_frames == 2
    nerf(tmp_path / "1", [entries[0] | {"fl_x": "x"}, *entries[1:]])
    with pytest.raises(BadInput, match=r"1/transforms\.json, field=frames\[0\]\.fl_x"):
        open_capture(tmp_path)


def test_panoptic(tmp_path: Path) -> None:
    cameras = rig()
    k = [[[c.fx, 0, c.cx], [0, c.fy, c.cy], [0, 0, 1]] for c in cameras]
    w2c = [np.vstack([np.column_stack([c.R, c.t]), [0, 0, 0, 1]]).tolist() for c in cameras]
    names = [[f"{i}/{t:06d}.jpg" for i in range(3)] for t in range(2)]
    for name in (name for row in names for name in row):
        put(tmp_path / "ims" / name)
        put((tmp_path / "seg" / name).with_suffix(".png"), picture(255))
    meta = {"w": W, "h": H, "fn": names, "k": [k, k], "w2c": [w2c, w2c]}
    (tmp_path / "train_meta.json").write_text(json.dumps(meta))
    capture = check(tmp_path)
    assert capture.masked and capture.up == (0, -1, 0)
    (tmp_path / "seg" / "1" / "000001.png").unlink()
    views = open_capture(tmp_path).views
    assert [[view.has(t) for t in range(2)] for view in views] == [[True, True], [True, False], [True, True]]


def test_actorshq(tmp_path: Path) -> None:
    actorshq(tmp_path)
    assert check(tmp_path).masked


def test_easymocap(tmp_path: Path) -> None:
    easymocap(tmp_path)
    check(tmp_path)
    shutil.rmtree(tmp_path / "images")
    for name in NAMES:
        video(tmp_path / "videos" / f"{name}.mp4")
    capture = check(tmp_path)
    assert capture.fps == 10
    assert not any("frame rate" in line for line in capture.warnings)


def test_a_rate_that_nobody_gave_is_said(tmp_path: Path) -> None:
    entries = []
    for t in range(2):
        put(tmp_path / f"{t}.png")
        entries.append(entry(rig()[0]) | {"file_path": f"{t}.png", "camera": "one", "frame": t})
    nerf(tmp_path, entries)
    capture = open_capture(tmp_path)
    assert capture.fps == 30
    assert "no frame rate is given: taken as 30 frames a second" in capture.warnings
    nerf(tmp_path, entries[:1])  # of a still nobody asks
    assert not open_capture(tmp_path).warnings


@pytest.mark.parametrize(
    ("model", "params"),
    [("brown", (-0.2, 0.05, 0.002, -0.001, 0.01)), ("fisheye", (0.05, -0.01, 0.0, 0.0)), ("fov", (0.8,)),
     ("thin_prism", (0.02, 0.01, 0.001, 0.002, 0.0, 0.0, 0.001, -0.001))],
)  # fmt: skip
def test_straightening_puts_rays_where_a_pinhole_has_them(model: str, params: tuple[float, ...]) -> None:
    lens = Lens(120, 90, 100.0, 101.0, 58.0, 47.0, model, params)
    # A picture whose colour is the place in the bent picture: smooth, so interpolation adds little.
    y, x = np.mgrid[:90, :120] + 0.5
    bent = np.stack([x * 2, y * 2, np.zeros_like(x)], -1).astype(np.uint8)
    out, _, valid = straighten(bent, None, straightening_map(lens))
    rays = np.stack([(x - lens.cx) / lens.fx, (y - lens.cy) / lens.fy], -1)
    want = 2 * lens.distort(rays)
    error = np.abs(out[..., :2].astype(float) - want)[valid]
    assert valid.mean() > 0.6 and np.quantile(error, 0.99) <= 1.1


def test_scaling_keeps_straight_colours_and_means() -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 255, (12, 18, 3)).astype(np.uint8)
    small, _, _ = scale_down(rgb, None, None, (9, 6))
    want = rgb.reshape(6, 2, 9, 2, 3).mean((1, 3))
    assert np.abs(small - want).max() <= 0.51
    mask = np.zeros((12, 18), np.uint8)
    mask[:, ::2] = 255
    rgb[:, ::2] = 200
    color, half, _ = scale_down(rgb, mask, None, (9, 6))
    assert half is not None and (half == 128).all() and (color == 200).all()


def test_png_kinds_are_exact(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    rgba = rng.integers(0, 256, (7, 9, 4)).astype(np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    rgb, alpha = read_image(tmp_path / "a.png")
    assert (rgb == rgba[..., :3]).all() and alpha is not None and (alpha == rgba[..., 3]).all()
    for mode in ("RGB", "L", "P", "1"):
        image = Image.fromarray(rgba[..., :3]).convert(mode)
        image.save(tmp_path / "b.png")
        assert (read_image(tmp_path / "b.png")[0] == np.array(image.convert("RGB"))).all(), mode
    deep = rng.integers(0, 65536, (7, 9)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "c.png")
    assert (read_image(tmp_path / "c.png")[0][..., 0] == np.round(deep / 257)).all()
    (tmp_path / "d.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    with pytest.raises(BadInput, match=r"d\.png"):
        read_image(tmp_path / "d.png")


def test_sync_finds_offsets() -> None:
    rng = np.random.default_rng(0)
    x = np.exp(np.convolve(rng.normal(size=140), np.ones(3) / 3, "same"))
    rows = [x[20:100] * 2, x[17:97] * (1 + 0.1 * rng.random(80)), x[24:104] + 0.1]
    assert offsets_of(np.array(rows)) == [0, 3, -4]


def test_epipolar_lines_of_true_matches() -> None:
    a, b = rig()[:2]
    at_a, at_b = project(a, POINTS), project(b, POINTS)
    assert point_line_error(a, b, at_a, at_b).max() < 1e-9
    assert point_line_error(a, turned(b, 1.0), at_a, at_b).max() > 0.3


def test_sample_capture_is_repeatable_and_seeds_lie_on_it(tmp_path: Path) -> None:
    for name in "ab":
        write_sample_capture(tmp_path / name, frames=2, size=48, gaussians=1500)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)
    capture = open_capture(tmp_path / "a")
    assert (len(capture.train_views), len(capture.test_views), capture.masked) == (6, 2, True)
    seeds = seed_points(capture, 500)
    assert seeds.means.shape == (500, 3)
    view = capture.test_views[0]
    mask = capture.picture(view, 0).mask
    assert mask is not None
    at = project(capture.views[view].camera(0), seeds.means)
    inside = mask[np.clip(at[:, 1], 0, 47).astype(int), np.clip(at[:, 0], 0, 47).astype(int)] > 0
    assert inside.mean() > 0.8
