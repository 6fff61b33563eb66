"""Pose2Sim: a calibration (`Calib*.toml`, or Qualisys' `*.qca.txt`) and a video a camera.

Both lie in the folder, or in its `calibration` and `videos`. Videos belong to the cameras whose names they carry, else
to the cameras in order. The world is z up, in metres. Calibrations put the first pixel's centre at (0, 0).

Qualisys counts lengths in 64ths of a pixel; distortion has no unit, it acts on x/z and y/z. (Pose2Sim divides it by 64
too, which all but removes it: checkerboards filmed by the same cameras give the undivided coefficients.)

Qualisys' sensors lie; a camera that stands on its side keeps a lying window and says so in `viewrotation`. Pose2Sim's
converter can't say so: poses are turned by a quarter and U and V exchanged by hand. But a quarter turn takes (u, v) to
(W - v, u), an exchange alone to (v, u): principal points end up mirrored across the width, and are put right here. That
nothing but this happened is inferred, not documented. Two things say so: checkerboards (29 px from the centres as
written, 12 px from the mirrored ones, root mean square over four cameras) and epipolar lines (tests).
"""

from __future__ import annotations

import re
import tomllib
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gscodec.base.errors import BadInput, Unsupported
from gscodec.train.captures.files import matrix, number_of, read_text, videos_in
from gscodec.train.captures.geometry import Pose, from_opencv_vector
from gscodec.train.captures.lens import Lens
from gscodec.train.captures.rig import Rig, RigView
from gscodec.train.captures.video import Decoders, Video

__all__ = ["detect", "pair_videos", "read"]

NOT_CAMERAS = ("metadata", "capture_volume", "charuco", "checkerboard")
QCA_UNITS = 64.0  # Qualisys counts in 64ths of a pixel
CONVERTED = "sometimes ago"  # the date of creation that Pose2Sim's converter to Qualisys' format writes
DISTORTION = ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2")
UP = (0.0, 0.0, 1.0)

Calibration = list[tuple[str, Lens, Pose]]


def detect(folder: Path) -> bool:
    return bool(_calibrations(folder)) and bool(videos_in(folder) or videos_in(folder / "videos"))


def read(folder: Path) -> Rig:
    """Raises BadInput with file and field."""
    found = _calibrations(folder)
    if not found:
        raise BadInput("no Calib*.toml and no *.qca.txt", file=str(folder))
    path = found[0]
    warnings = [f"of {len(found)} calibrations {path.name} is used"] if len(found) > 1 else []
    cameras = _read_qca(path, warnings) if path.name.endswith(".qca.txt") else _read_toml(path)
    files = videos_in(folder / "videos") or videos_in(folder)
    decoders = Decoders()
    paired = pair_videos([name for name, _, _ in cameras], files, path, warnings)
    views = [
        RigView(name, (lens,), (pose,), Video(file, decoders))
        for (name, lens, pose), file in zip(cameras, paired, strict=True)
    ]
    return Rig(
        views=views, fps=getattr(views[0].source, "fps", None), up=UP, has_alpha=False, warnings=warnings
    )


def pair_videos(names: list[str], files: list[Path], calibration: Path, warnings: list[str]) -> list[Path]:
    """The video of each camera: by name, else in order, said in a warning.

    Raises BadInput where numbers differ, and where the order says otherwise than a name that stands by itself.
    """
    named = [_videos_of(name, files) for name in names]
    if all(len(match) == 1 for match, _ in named) and len({match[0] for match, _ in named}) == len(names):
        return [match[0] for match, _ in named]
    if len(files) != len(names):
        raise BadInput(f"{len(names)} cameras, but {len(files)} videos", file=str(calibration))
    for name, (match, sure), file in zip(names, named, files, strict=True):
        if sure and len(match) == 1 and match[0] != file:
            raise BadInput(
                f"not every camera has a video of its name, and in order {name} would get {file.name}",
                file=str(calibration), field=name,
            )  # fmt: skip
    warnings.append("videos don't carry the name of each camera: paired in order of names")
    return files


def _videos_of(name: str, files: list[Path]) -> tuple[list[Path], bool]:
    """Videos with the camera's name, and whether it stands by itself there: cam1 isn't cam10."""
    exact = [file for file in files if file.stem.casefold() == name.casefold()]
    if exact:
        return exact, True
    before = r"(?<!\d)" if name[:1].isdecimal() else r"(?<![^\W\d_])"
    after = r"(?!\d)" if name[-1:].isdecimal() else r"(?![^\W\d_])"
    alone = re.compile(before + re.escape(name) + after, re.IGNORECASE)
    delimited = [file for file in files if alone.search(file.stem)]
    if delimited:
        return delimited, True
    return [file for file in files if name.casefold() in file.stem.casefold()], False


def _calibrations(folder: Path) -> list[Path]:
    places = (folder, folder / "calibration")
    return [
        path
        for pattern in ("Calib*.toml", "*.qca.txt")
        for place in places
        for path in sorted(place.glob(pattern))
    ]


def _read_toml(path: Path) -> Calibration:
    try:
        top = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"not TOML: {error}", file=str(path)) from error
    tables = {k: v for k, v in top.items() if isinstance(v, dict) and k not in NOT_CAMERAS}
    if not tables:
        raise BadInput("holds no cameras", file=str(path))
    return [_from_toml(key, table, path) for key, table in tables.items()]


def _from_toml(key: str, table: dict[str, Any], path: Path) -> tuple[str, Lens, Pose]:
    size = matrix(table.get("size"), [(2,)], path, f"{key}.size")
    k = matrix(table.get("matrix"), [(3, 3)], path, f"{key}.matrix")
    fisheye = bool(table.get("fisheye"))
    counts = [(4,)] if fisheye else [(4,), (5,), (8,)]
    bend = matrix(table.get("distortions", [0.0] * 4), counts, path, f"{key}.distortions")
    rotation = from_opencv_vector(matrix(table.get("rotation"), [(3,)], path, f"{key}.rotation"))
    t = matrix(table.get("translation"), [(3,)], path, f"{key}.translation")
    lens = Lens(
        round(float(size[0])), round(float(size[1])), float(k[0, 0]), float(k[1, 1]), float(k[0, 2]) + 0.5,
        float(k[1, 2]) + 0.5, "fisheye" if fisheye else "brown", tuple(map(float, bend)),
    )  # fmt: skip
    return str(table.get("name", key)), lens, (rotation, t)


def _read_qca(path: Path, warnings: list[str]) -> Calibration:
    """Qualisys' XML. Its rotation is camera to world by rows, x right, y up, z back; millimetres."""
    text = read_text(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise BadInput("document types are not read", file=str(path))
    try:
        root = ET.fromstring(text.encode())
    except ET.ParseError as error:
        raise BadInput(f"not XML: {error}", file=str(path)) from error
    cameras = [camera for camera in root.iter("camera") if camera.get("active", "1") == "1"]
    if not cameras:
        raise BadInput("holds no cameras", file=str(path), field="cameras")
    out = [_from_qca(camera, path) for camera in cameras]
    if root.get("created") != CONVERTED or not any(lens.height > lens.width for _, lens, _ in out):
        return out
    warnings.append(f"{path.name}: turned to portrait by hand; its principal points are mirrored back")
    return [
        (name, replace(lens, cx=lens.width - lens.cx) if lens.height > lens.width else lens, pose)
        for name, lens, pose in out
    ]


def _from_qca(camera: ET.Element, path: Path) -> tuple[str, Lens, Pose]:
    name = camera.get("serial", "?")
    if camera.get("viewrotation", "0") != "0":
        raise Unsupported("turned cameras are not read", file=str(path), field=f"{name}.viewrotation")

    def get(tag: str, key: str) -> float:
        element = camera.find(tag)
        return number_of(None if element is None else element.get(key), path, f"{name}.{tag}.{key}")

    def intrinsic(key: str) -> float:
        return get("intrinsic", key) / QCA_UNITS

    window = "fov_video" if camera.find("fov_video") is not None else "fov_marker"
    left, top = get(window, "left"), get(window, "top")
    rows = np.array([[get("transform", f"r{i}{j}") for j in (1, 2, 3)] for i in (1, 2, 3)])
    rotation = rows * np.array([[1.0], [-1.0], [-1.0]])
    centre = np.array([get("transform", axis) for axis in "xyz"]) / 1000
    lens = Lens(
        int(get(window, "right") - left) + 1, int(get(window, "bottom") - top) + 1,
        intrinsic("focalLengthU"), intrinsic("focalLengthV"),
        intrinsic("centerPointU") - left + 0.5, intrinsic("centerPointV") - top + 0.5, "brown",
        tuple(get("intrinsic", k) for k in DISTORTION),
    )  # fmt: skip
    return name, lens, (rotation, -rotation @ centre)
