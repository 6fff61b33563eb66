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
from gscodec.train.captures.files import images_in, number, read_text
from gscodec.train.captures.geometry import from_opencv_vector
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
    views = []
    for row in rows[1:]:
        if row:
            view = _view(
                folder, path, dict(zip(header, (cell.strip() for cell in row), strict=False)), warnings
            )
            views += [view] if view is not None else []
    return Rig(views=views, fps=FPS, has_alpha=False, warnings=warnings)


def _view(folder: Path, path: Path, row: dict[str, str], warnings: list[str]) -> RigView | None:
    name = row["name"]
    values = {}
    for field in FIELDS:
        try:
            values[field] = number(float(row.get(field, "")), path, f"{name}.{field}")
        except ValueError:
            raise BadInput("a number is expected", file=str(path), field=f"{name}.{field}") from None
    width, height = int(values["w"]), int(values["h"])
    c2w = from_opencv_vector(np.array([values["rx"], values["ry"], values["rz"]]))
    centre = np.array([values["tx"], values["ty"], values["tz"]])
    pictures = images_in(folder / "rgbs" / name)
    if not pictures:
        warnings.append(f"{name}: no pictures, left out")
        return None
    masks = [folder / "masks" / name / f"{p.stem.replace('_rgb', '_mask')}.png" for p in pictures]
    lens = Lens(
        width,
        height,
        values["fx"] * width,
        values["fy"] * height,
        values["px"] * width,
        values["py"] * height,
    )
    return RigView(
        name, (lens,), ((c2w.T, -c2w.T @ centre),), ImageFiles(pictures),
        [mask if mask.is_file() else None for mask in masks] if any(mask.is_file() for mask in masks) else None,
    )  # fmt: skip
