"""Captures that are damaged or wrong: errors that name file and field."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gscodec.base.errors import BadInput
from gscodec.train.captures import open_capture
from gscodec.train.captures.files import read_points
from tests.train.captures.builders import (
    NAMES,
    H,
    W,
    actorshq,
    colmap_binary,
    easymocap,
    put,
    rig,
    video,
)

PLACE = "property float x\nproperty float y\nproperty float z\n"
COLOR = "property uchar red\nproperty uchar green\nproperty uchar blue\n"


def ply(path: Path, head: str, rows: str = "", form: str = "format ascii 1.0") -> Path:
    path.write_text(f"ply\n{form}\n{head}end_header\n{rows}")
    return path


def test_points_of_a_ply(tmp_path: Path) -> None:
    path = ply(
        tmp_path / "a.ply",
        f"element vertex 3\n{PLACE}{COLOR}",
        "1 2 3 9 8 7\nnan 0 0 1 1 1\n4 5 6 0 128 255\n",
    )
    points = read_points(path)
    assert points.means.tolist() == [[1, 2, 3], [4, 5, 6]] and points.colors.tolist() == [
        [9, 8, 7],
        [0, 128, 255],
    ]
    ply(path, f"element vertex 1\n{PLACE}{COLOR.replace('uchar', 'float')}", "1 2 3 0 0.5 1\n")
    assert read_points(path).colors.tolist() == [[0, 128, 255]]
    ply(path, f"element vertex 1\n{PLACE}", "1 2 3\n")
    assert read_points(path).colors.tolist() == [[128] * 3]
    ply(path, f"element vertex 0\n{PLACE}{COLOR}")
    assert len(read_points(path).means) == 0


@pytest.mark.parametrize(
    ("form", "head", "rows"),
    [
        ("format ascii 1.0", f"element vertex\n{PLACE}", "1 2 3"),
        ("format", f"element vertex 1\n{PLACE}", "1 2 3"),
        ("format ascii 1.0", f"element vertex 1\n{PLACE}property float x\n", "1 2 3 4"),
        ("format ascii 1.0", f"element vertex 1\n{PLACE}", "1 2 x"),
        ("format ascii 1.0", "element vertex 1\nproperty float x\n", "1"),
        ("format ascii 1.0", "element vertex 1\n", ""),
        ("format ascii 1.0", f"element vertex 999999999999\n{PLACE}", "1 2 3"),
        ("format binary_little_endian 1.0", f"element vertex 999999999999\n{PLACE}", "1 2 3"),
        ("format ascii 1.0", f"element vertex 1\n{PLACE}{COLOR.replace('uchar', 'int')}", "1 2 3 0 0 256"),
    ],
)
def test_a_wrong_ply_is_named(tmp_path: Path, form: str, head: str, rows: str) -> None:
    with pytest.raises(BadInput, match=r"a\.ply"):
        read_points(ply(tmp_path / "a.ply", head, rows, form))


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [("intri.yml", "data: [61.0", "data: [0.0", "focal length"), ("extri.yml", "data: [", "data: [x", "OpenCV matrix"),
     ("intri.yml", "K_cam01", "W_cam01: abc\nK_cam01", r"a number is expected.*intri\.yml, field=W_cam01"),
     ("intri.yml", "K_cam01", "W_cam01: 99999\nH_cam01: 48\nK_cam01", "size of 1"),
     ("intri.yml", "cam01", "../../cam01", r"leads out.*intri\.yml, field=names")],
)  # fmt: skip
def test_easymocap_names_the_field(tmp_path: Path, name: str, old: str, new: str, said: str) -> None:
    easymocap(tmp_path)
    text = (tmp_path / name).read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new))
    with pytest.raises(BadInput, match=said):
        open_capture(tmp_path)


def panoptic(folder: Path, **change: object) -> None:
    camera = rig()[0]
    k = [[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]]
    w2c = np.column_stack([camera.R, camera.t]).tolist()
    put(folder / "ims" / "0" / "0.png")
    meta = {"w": W, "h": H, "fn": [["0/0.png"]], "k": [[k]], "w2c": [[w2c]]} | change
    (folder / "train_meta.json").write_text(json.dumps(meta))


@pytest.mark.parametrize(
    ("change", "said"),
    [({"w": 0}, "size of 1"), ({"fn": [[7]]}, "field=fn"), ({"fn": [[".."]]}, "field=fn"), ({"fn": 3}, "field=fn"),
     ({"w2c": [[np.zeros((3, 4)).tolist()]]}, "not a rotation")],
)  # fmt: skip
def test_panoptic_names_the_field(tmp_path: Path, change: dict[str, object], said: str) -> None:
    panoptic(tmp_path)
    open_capture(tmp_path)
    panoptic(tmp_path, **change)
    with pytest.raises(BadInput, match=said):
        open_capture(tmp_path)


def test_numpy_files_of_another_kind(tmp_path: Path) -> None:
    panoptic(tmp_path / "a")
    points = tmp_path / "a" / "init_pt_cld.npz"
    np.savez(points, data=np.full((2, 7), 0.5))
    assert open_capture(tmp_path / "a").points is not None
    whole = points.read_bytes()
    np.savez(tmp_path / "other.npz", more=np.zeros(3))
    np.savez(tmp_path / "text.npz", data=np.full((2, 7), "x"))
    for data in (
        whole[:40],
        b"",
        (tmp_path / "other.npz").read_bytes(),
        (tmp_path / "text.npz").read_bytes(),
    ):
        points.write_bytes(data)
        with pytest.raises(BadInput, match=r"init_pt_cld\.npz, field=data"):
            open_capture(tmp_path / "a")
    video(tmp_path / "b" / "cam00.mp4")
    for data in (b"", whole, whole[:40]):
        (tmp_path / "b" / "poses_bounds.npy").write_bytes(data)
        with pytest.raises(BadInput, match=r"numpy file.*poses_bounds\.npy"):
            open_capture(tmp_path / "b")


def test_actorshq_short_rows_and_names_that_lead_out(tmp_path: Path) -> None:
    actorshq(tmp_path)
    path = tmp_path / "calibration.csv"
    whole = path.read_text()
    path.write_text(whole.replace("Cam001, ", "../../Cam001, "))
    with pytest.raises(BadInput, match=r"leads out.*calibration\.csv, field=name"):
        open_capture(tmp_path)
    header, first = whole.splitlines()[:2]
    path.write_text(f"{header}\n{','.join(first.split(',')[:5])}")
    with pytest.raises(BadInput, match=r"calibration\.csv, field=Cam000\.rz"):
        open_capture(tmp_path)
    path.write_text(f"{','.join(reversed(header.split(',')))}\n1,2")
    with pytest.raises(BadInput, match=r"calibration\.csv, field=name of row 1"):
        open_capture(tmp_path)


def test_actorshq_empty_rows_and_repeated_names(tmp_path: Path) -> None:
    actorshq(tmp_path)
    path = tmp_path / "calibration.csv"
    whole = path.read_text()
    path.write_text(f"{whole}\n{',' * 12}\n")
    assert len(open_capture(tmp_path).views) == 3
    path.write_text(whole.replace("Cam001, ", "Cam000, "))
    with pytest.raises(BadInput, match=r"two cameras of one name .*calibration\.csv, field=Cam000"):
        open_capture(tmp_path)


@pytest.mark.parametrize("count", [5, 8])
def test_pose2sim_fisheye_has_four_coefficients(tmp_path: Path, count: int) -> None:
    video(tmp_path / "cam00.mp4")
    (tmp_path / "Calib.toml").write_text(
        f"[cam00]\nsize = [{W}, {H}]\nmatrix = [[60, 0, 32], [0, 60, 24], [0, 0, 1]]\nfisheye = true\n"
        f"distortions = {[0.1] * count}\nrotation = [0, 0, 0]\ntranslation = [0, 0, 0]\n"
    )
    with pytest.raises(BadInput, match=r"Calib\.toml, field=cam00\.distortions"):
        open_capture(tmp_path)


def test_colmap_quaternion_of_zero(tmp_path: Path) -> None:
    colmap_binary(tmp_path / "sparse" / "0")
    for name in NAMES:
        put(tmp_path / "images" / f"{name}.png")
    path = tmp_path / "sparse" / "0" / "images.bin"
    data = bytearray(path.read_bytes())
    data[12:44] = bytes(32)  # count, id, then w x y z
    path.write_bytes(bytes(data))
    with pytest.raises(BadInput, match=r"not a rotation.*cam00"):
        open_capture(tmp_path)
