"""Actors-HQ: `calibration.csv`, `rgbs/CamNNN/CamNNN_rgb000000.jpg`, `masks/CamNNN/CamNNN_mask000000.png`.

The folder is one scale of a sequence (`4x`). Rotations are axis times angle, camera to world, right-down-forward;
focal lengths and principal points are parts of width and height. The header row carries spaces.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from gscodec.base.errors import BadInput
from gscodec.train.captures.files import aligned, child, images_in, number_of, read_text
from gscodec.train.captures.geometry import Pose, from_opencv_vector
from gscodec.train.captures.lens import Lens
from gscodec.train.captures.rig import Rig, RigView
from gscodec.train.captures.sources import ImageFiles

__all__ = ["detect", "read"]

FIELDS = ("w", "h", "rx", "ry", "rz", "tx", "ty", "tz", "fx", "fy", "px", "py")
FPS = 25.0


def detect(folder: Path) -> bool:
    return (folder / "calibration.csv").is_file() and (folder / "rgbs").is_dir()


def read(folder: Path) -> Rig:
    """Raises BadInput with file and field."""
    path = folder / "calibration.csv"
    rows = list(csv.reader(io.StringIO(read_text(path)), skipinitialspace=True))
    header = [name.strip() for name in rows[0]] if rows else []
    if "name" not in header or not set(FIELDS) <= set(header):
        raise BadInput(f"columns name, {', '.join(FIELDS)} are expected", file=str(path), field="header")
    warnings: list[str] = []
    cameras: dict[str, tuple[Lens, Pose]] = {}
    pictures: dict[str, list[Path]] = {}
    for cells in ([cell.strip() for cell in row] for row in rows[1:]):
        if not any(cells):
            continue
        row = dict(zip(header, cells, strict=False))
        name = row.get("name")
        if not name:
            raise BadInput(
                "a camera's name is expected", file=str(path), field=f"name of row {len(cameras) + 1}"
            )
        if name in cameras:
            raise BadInput("two cameras of one name", file=str(path), field=name)
        cameras[name] = _camera(name, row, path)
        pictures[name] = images_in(child(folder / "rgbs", name, path, "name"))
    warnings += [f"{name}: no pictures, left out" for name, files in pictures.items() if not files]
    placed = aligned({name: files for name, files in pictures.items() if files}, warnings)
    views = [_view(name, *cameras[name], files, folder / "masks" / name) for name, files in placed.items()]
    return Rig(views=views, fps=FPS, has_alpha=False, warnings=warnings)


def _camera(name: str, row: dict[str, str], path: Path) -> tuple[Lens, Pose]:
    values = {field: number_of(row.get(field), path, f"{name}.{field}") for field in FIELDS}
    width, height = int(values["w"]), int(values["h"])
    c2w = from_opencv_vector(np.array([values["rx"], values["ry"], values["rz"]]))
    centre = np.array([values["tx"], values["ty"], values["tz"]])
    lens = Lens(
        width,
        height,
        values["fx"] * width,
        values["fy"] * height,
        values["px"] * width,
        values["py"] * height,
    )
    return lens, (c2w.T, -c2w.T @ centre)


def _view(name: str, lens: Lens, pose: Pose, files: list[Path | None], masks: Path) -> RigView:
    paths = [file and masks / f"{file.stem.replace('_rgb', '_mask')}.png" for file in files]
    found = [path if path is not None and path.is_file() else None for path in paths]
    return RigView(name, (lens,), (pose,), ImageFiles(files), found if any(found) else None)
