"""Small reads that layouts share: JSON with named fields, arrays, folders of pictures, point clouds."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gscodec.base.errors import UNREADABLE, BadInput
from gscodec.splats.formats.ply import read_columns
from gscodec.splats.sequence import natural_key
from gscodec.train.captures.model import SeedPoints

__all__ = [
    "aligned",
    "child",
    "images_in",
    "matrix",
    "number",
    "number_of",
    "read_array",
    "read_json",
    "read_points",
    "read_text",
    "videos_in",
]

F64 = npt.NDArray[np.float64]
Tables = Mapping[str, Mapping[str, Path]]  # camera -> what names a moment -> its picture

IMAGES = (".png", ".jpg", ".jpeg", ".webp")
VIDEOS = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v")
MAX_TEXT_BYTES = 1 << 28  # 256 MiB: a million pictures in a transforms.json
COLORS = ("red", "green", "blue")


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


def number_of(text: Any, file: Path, field: str) -> float:
    """A finite number written as text. Raises BadInput with file and field."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        raise BadInput(f"a number is expected, not {text!r:.40}", file=str(file), field=field) from None
    return number(value, file, field)


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


def aligned(pictures: Mapping[str, Sequence[Path]], warnings: list[str]) -> dict[str, list[Path | None]]:
    """Each camera's pictures, one a moment, None where it has none.

    One moment is what pictures of one name show, or of one number (the last in a name): by what more pictures are
    shared from camera to camera, then by what makes fewer moments. Moments that fewer than half of the cameras show are
    left out, said in a warning; so is that pictures had to be paired in order, where too few cameras share theirs.
    Raises BadInput where a camera has two pictures of one name, or none that others share.
    """
    for camera, files in pictures.items():
        twice = [stem for stem, n in Counter(file.stem for file in files).items() if n > 1]
        if twice:
            raise BadInput(f"two pictures of one name: {twice[0]}", file=str(files[0].parent), field=camera)
    by_stem, by_number = (
        {camera: {key_of(file): file for file in files} for camera, files in pictures.items()}
        for key_of in (_stem, _last_number)
    )
    tables = by_stem
    if all(len(by_number[camera]) == len(by_stem[camera]) for camera in pictures):  # no number is there twice
        tables = max(by_stem, by_number, key=_likeness)
    shared = _shared(tables)
    shortest = min(map(len, pictures.values()), default=0)  # no camera can share more with it
    if sum(n >= shortest / 2 for n in shared.values()) < len(shared) / 2:
        warnings.append(
            "too few pictures share a name or a number from camera to camera: all are paired in order"
        )
        return {camera: list(files) for camera, files in pictures.items()}
    for camera, n in shared.items():
        if not n:
            file = pictures[camera][0]
            raise BadInput(
                f"no picture shares its name or number with other cameras, as {file.name}",
                file=str(file.parent), field=camera,
            )  # fmt: skip
    moments = _moments(tables)
    left_out = len(set().union(*tables.values())) - len(moments)
    if left_out:
        warnings.append(f"{left_out} moments that fewer than half of the cameras show are left out")
    return {camera: [table.get(key) for key in moments] for camera, table in tables.items()}


def _likeness(tables: Tables) -> tuple[int, int]:
    return sum(_shared(tables).values()), -len(_moments(tables))


def _shared(tables: Tables) -> dict[str, int]:
    """How many pictures of each camera show a moment that others show, at least half of all."""
    seen = _seen(tables)
    enough = min(len(tables), max(2, len(tables) / 2))
    return {camera: sum(seen[key] >= enough for key in table) for camera, table in tables.items()}


def _moments(tables: Tables) -> list[str]:
    """Those that at least half of the cameras show, in natural order."""
    return sorted((key for key, n in _seen(tables).items() if n >= len(tables) / 2), key=_natural)


def _seen(tables: Tables) -> Counter[str]:
    """By how many cameras."""
    return Counter(key for table in tables.values() for key in table)


def _stem(file: Path) -> str:
    return file.stem


def _last_number(file: Path) -> str:
    numbers = re.findall(r"[0-9]+", file.stem)
    return str(int(numbers[-1])) if numbers else ""


def _natural(key: str) -> Any:
    return natural_key(Path(key))


def read_array(path: Path, key: str | None = None) -> npt.NDArray[Any]:
    """Numbers of a .npy file, or of a .npz file by their key. Raises BadInput with file and field."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if key is not None:
            with loaded:
                loaded = loaded[key]
    except (*UNREADABLE, AttributeError, MemoryError) as error:  # a .npy has no keys; a header may lie
        raise BadInput(f"not a numpy file: {error}", file=str(path), field=key) from error
    if not isinstance(loaded, np.ndarray) or loaded.dtype.kind not in "fiu":
        raise BadInput("not a numpy file of numbers", file=str(path), field=key)
    return loaded


def read_points(path: Path) -> SeedPoints:
    """Points and colours of a PLY file; colours are 0..255, or 0..1 as floats. Raises BadInput with file and field."""
    header, columns = read_columns(path, ("x", "y", "z"))
    means = np.stack([columns[c].astype(np.float64) for c in "xyz"], axis=1)
    finite = np.isfinite(means).all(axis=1)
    if not all(c in columns for c in COLORS):
        return SeedPoints(means[finite], np.full((int(finite.sum()), 3), 128, np.uint8))
    colors = np.stack([columns[c].astype(np.float64) for c in COLORS], axis=1)[finite]
    floats = dict(header.properties)[COLORS[0]].startswith("f")
    if floats and colors.size and colors.max() <= 1:
        colors = colors * 255
    if not ((colors >= 0) & (colors <= 255)).all():
        raise BadInput(
            "colours of 0 to 255, or floats of 0 to 1, are expected", file=str(path), field=COLORS[0]
        )
    return SeedPoints(means[finite], np.floor(colors + 0.5).astype(np.uint8))
