"""COLMAP captures, text and binary."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from gscodec.base.errors import BadInput, Truncated, Unsupported
from gscodec.train.captures import open_capture
from tests.train.captures.builders import (
    NAMES,
    H,
    W,
    check,
    colmap_binary,
    put,
    rig,
    video,
)


@pytest.mark.parametrize("videos", [False, True])
def test_colmap_text(tmp_path: Path, videos: bool) -> None:
    from scipy.spatial.transform import Rotation

    model = tmp_path / "sparse" / "0"
    model.mkdir(parents=True)
    cameras, images = ["# cameras"], ["# images"]
    for i, (name, c) in enumerate(zip(NAMES, rig(), strict=True)):
        cameras.append(f"{7 * i + 3} PINHOLE {W} {H} {c.fx} {c.fy} {c.cx} {c.cy}")
        x, y, z, w = Rotation.from_matrix(c.R).as_quat()
        images += [f"{i + 5} {w} {x} {y} {z} {c.t[0]} {c.t[1]} {c.t[2]} {7 * i + 3} {name}.png", ""]
        video(tmp_path / "videos" / f"{name}.mp4") if videos else put(tmp_path / "images" / f"{name}.png")
    (model / "cameras.txt").write_text("\n".join(cameras))
    (model / "images.txt").write_text("\n".join(images))
    (model / "points3D.txt").write_text("1 0.1 0.2 0.3 9 8 7 0.5 1 2\n")
    capture = check(tmp_path)
    assert capture.points is not None and capture.points.colors.tolist() == [[9, 8, 7]]
    (model / "cameras.txt").write_text("1 STRANGE 4 4 1")
    with pytest.raises(Unsupported, match="STRANGE"):
        open_capture(tmp_path)
    for line in ("1 PINHOLE", "x PINHOLE 4 4 1 1 1 1", "1 PINHOLE wide 4 1 1 1 1", "1 PINHOLE 4 4 f 1 1 1"):
        (model / "cameras.txt").write_text(line)
        with pytest.raises(BadInput, match=r"not a camera's line .*cameras\.txt"):
            open_capture(tmp_path)
    (model / "cameras.txt").write_text("\n".join(cameras))
    for line in ("1 0.1 0.2", "1 0.1 0.2 far 9 8 7"):
        (model / "points3D.txt").write_text(line)
        with pytest.raises(BadInput, match=r"points3D\.txt"):
            open_capture(tmp_path)


def test_colmap_binary(tmp_path: Path) -> None:
    model = tmp_path / "sparse" / "0"
    colmap_binary(model)
    for name in NAMES:
        put(tmp_path / "images" / f"{name}.png")
    capture = check(tmp_path)
    assert capture.points is not None and capture.points.colors.tolist() == [[9, 8, 7]] * 2
    means = capture.normalisation.inverse.apply(capture.points.means)
    np.testing.assert_allclose(means, [[0, 0.2, 0.3], [0.1, 0.2, 0.3]], atol=1e-12)
    for file in ("cameras", "images", "points3D"):
        whole = (model / f"{file}.bin").read_bytes()
        for cut in (3, len(whole) // 2, len(whole) - 1):
            (model / f"{file}.bin").write_bytes(whole[:cut])
            with pytest.raises(Truncated, match=f"{file}.bin"):
                open_capture(tmp_path)
        (model / f"{file}.bin").write_bytes(whole)
    camera = struct.pack("<QiiQQ", 1, 1, 99, W, H)
    (model / "cameras.bin").write_bytes(camera)
    with pytest.raises(Unsupported, match="camera model 99"):
        open_capture(tmp_path)
