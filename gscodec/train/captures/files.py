"""Small reads that layouts share: JSON with named fields, folders of pictures, point clouds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gscodec.base.errors import BadInput
from gscodec.splats.sequence import natural_key
from gscodec.train.captures.model import SeedPoints

__all__ = ["child", "images_in", "matrix", "number", "read_json", "read_points", "read_text", "videos_in"]

F64 = npt.NDArray[np.float64]

IMAGES = (".png", ".jpg", ".jpeg", ".webp")
VIDEOS = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v")
MAX_TEXT_BYTES = 1 << 28  # 256 MiB: a million pictures in a transforms.json
PLY_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip


def read_text(path: Path) -> str:
    """A UTF-8 file of bounded size. Raises BadInput."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror or error}", file=str(path)) from error
    if len(data) > MAX_TEXT_BYTES:
        raise BadInput("larger than 256 MiB", file=str(path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput("not UTF-8 text", file=str(path)) from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises BadInput."""
    try:
        value = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadInput(f"not JSON: {error}", file=str(path)) from error
    if not isinstance(value, dict):
        raise BadInput("a JSON object is expected", file=str(path))
    return value


def number(value: Any, file: Path, field: str) -> float:
    """A finite number. Raises BadInput with file and field."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise BadInput(f"a finite number is expected, not {value!r:.40}", file=str(file), field=field)
    return float(value)


def matrix(value: Any, shapes: Iterable[tuple[int, ...]], file: Path, field: str) -> F64:
    """An array of finite numbers of one of `shapes`. Raises BadInput with file and field."""
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    shapes = list(shapes)
    if array.shape not in shapes or not np.isfinite(array).all():
        wanted = " or ".join("x".join(map(str, shape)) for shape in shapes)
        raise BadInput(f"{wanted} finite numbers are expected", file=str(file), field=field)
    return array


def child(folder: Path, name: str, file: Path, field: str) -> Path:
    """A file inside the capture that a field names. Raises BadInput where it leads out of the folder."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BadInput("a path that leads out of the capture", file=str(file), field=field)
    return path


def images_in(folder: Path) -> list[Path]:
    """Pictures of a folder in natural order; hidden files are left aside."""
    return _of_kind(folder, IMAGES)


def videos_in(folder: Path) -> list[Path]:
    """Videos of a folder in natural order."""
    return _of_kind(folder, VIDEOS)


def _of_kind(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    if not folder.is_dir():
        return []
    found = [p for p in folder.iterdir() if p.suffix.lower() in endings and not p.name.startswith(".")]
    return sorted(found, key=natural_key)


def read_points(path: Path) -> SeedPoints:
    """Points and colours of a PLY file (ascii or little endian). Raises BadInput with file and field."""
    data = path.read_bytes()
    head, mark, body = data.partition(b"end_header")
    lines = [line.split() for line in head.decode("ascii", "replace").splitlines()]
    if not mark or not lines or lines[0] != ["ply"]:
        raise BadInput("not a PLY file", file=str(path))
    body = body[body.index(b"\n") + 1 :] if b"\n" in body else b""
    form = next((line[1] for line in lines if line[:1] == ["format"]), "")
    start = next((i for i, line in enumerate(lines) if line[:1] == ["element"]), len(lines))
    if start == len(lines) or lines[start][1:2] != ["vertex"] or not lines[start][2].isdecimal():
        raise BadInput("vertices are expected first", file=str(path), field="element")
    properties = []
    for line in lines[start + 1 :]:
        if line[:1] == ["element"]:
            break
        if line[:1] == ["property"]:
            if len(line) != 3 or line[1] not in PLY_TYPES:
                raise BadInput("a property that is not read", file=str(path), field=" ".join(line))
            properties.append((line[2], "<" + PLY_TYPES[line[1]]))
    return _points_of(body, form, int(lines[start][2]), properties, path)


def _points_of(body: bytes, form: str, n: int, properties: list[tuple[str, str]], path: Path) -> SeedPoints:
    dtype = np.dtype(properties)
    if form == "ascii":
        rows = body.decode("ascii", "replace").split()[: n * len(properties)]
        if len(rows) < n * len(properties):
            raise BadInput("ends too early", file=str(path))
        table = np.array(rows, np.float64).reshape(n, len(properties))
        columns = {name: table[:, i] for i, (name, _) in enumerate(properties)}
    elif form == "binary_little_endian":
        if len(body) < n * dtype.itemsize:
            raise BadInput("ends too early", file=str(path))
        records = np.frombuffer(body, dtype, n)
        columns = {name: records[name] for name, _ in properties}
    else:
        raise BadInput(f"format {form} is not read", file=str(path), field="format")
    missing = {"x", "y", "z"} - set(columns)
    if missing:
        raise BadInput("a vertex without place", file=str(path), field=", ".join(sorted(missing)))
    means = np.stack([columns[c].astype(np.float64) for c in "xyz"], axis=1)
    named = ("red", "green", "blue")
    has_color = all(c in columns for c in named)
    colors = np.stack([columns[c] for c in named], axis=1) if has_color else np.full((n, 3), 128)
    finite = np.isfinite(means).all(axis=1)
    return SeedPoints(means[finite], colors[finite].astype(np.uint8))
