"""EasyMocap: `intri.yml`, `extri.yml` (OpenCV's YAML; those in `optimized/` take precedence), `images/<cam>/` or `videos/<cam>.mp4`.

K_<cam>, dist_<cam> or D_<cam>, H_, W_; Rot_<cam> (3 x 3) or R_<cam> (Rodrigues), T_<cam>: world to camera. OpenCV puts
the first pixel's centre at (0, 0). `masks/<cam>/` are the foreground.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gscodec.base.errors import BadInput
from gscodec.train.captures.files import aligned, child, images_in, number_of, read_text, videos_in
from gscodec.train.captures.geometry import Pose, from_opencv_vector
from gscodec.train.captures.lens import Lens
from gscodec.train.captures.rig import Rig, RigView
from gscodec.train.captures.sources import ImageFiles, Source, read_image
from gscodec.train.captures.video import Decoders, Video

__all__ = ["detect", "read", "read_opencv_yaml"]

F64 = npt.NDArray[np.float64]
MATRIX = re.compile(r"rows:\s*(\d+)\s+cols:\s*(\d+)\s+dt:\s*\"?\w+\"?\s+data:\s*\[([^\]]*)\]")


def detect(folder: Path) -> bool:
    return _find(folder, "intri.yml") is not None and _find(folder, "extri.yml") is not None


def read(folder: Path) -> Rig:
    """Raises BadInput with file and field."""
    inside, outside = _find(folder, "intri.yml"), _find(folder, "extri.yml")
    if inside is None or outside is None:
        raise BadInput("intri.yml and extri.yml are expected", file=str(folder))
    intri, extri = read_opencv_yaml(inside), read_opencv_yaml(outside)
    names = intri.get("names")
    if not isinstance(names, list) or not names:
        raise BadInput("a list of cameras is expected", file=str(inside), field="names")
    decoders = Decoders()
    warnings: list[str] = []
    pictures = {name: images_in(child(folder / "images", name, inside, "names")) for name in names}
    placed = aligned({name: files for name, files in pictures.items() if files}, warnings)
    views = []
    for name in names:
        lens, pose = _camera(name, intri, extri, inside, outside)
        source, size = _pictures(folder, name, placed.get(name), decoders)
        if not lens.width or not lens.height:
            lens = replace(lens, width=size[0], height=size[1])
        views.append(
            RigView(name, (lens,), (pose,), source, _masks(folder, name, placed.get(name), warnings))
        )
    return Rig(views=views, fps=getattr(views[0].source, "fps", None), warnings=warnings)


def _find(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / "optimized" / name, folder / name) if p.is_file()), None)


def _camera(
    name: str, intri: dict[str, Any], extri: dict[str, Any], inside: Path, outside: Path
) -> tuple[Lens, Pose]:
    """Width and height are 0 where the file doesn't say them."""
    k = _get(intri, [f"K_{name}"], (9,), inside).reshape(3, 3)
    bend = _get(intri, [f"dist_{name}", f"D_{name}"], None, inside)
    key = f"Rot_{name}" if f"Rot_{name}" in extri else f"R_{name}"
    turn = _get(extri, [key], None, outside)
    if turn.size not in (3, 9):
        raise BadInput("3 or 9 numbers are expected", file=str(outside), field=key)
    rotation = turn.reshape(3, 3) if turn.size == 9 else from_opencv_vector(turn)
    t = _get(extri, [f"T_{name}"], (3,), outside)
    width, height = (
        int(number_of(intri.get(field, "0"), inside, field)) for field in (f"W_{name}", f"H_{name}")
    )
    lens = Lens(
        width, height, float(k[0, 0]), float(k[1, 1]), float(k[0, 2]) + 0.5, float(k[1, 2]) + 0.5, "brown",
        tuple(map(float, bend[:8])),
    )  # fmt: skip
    return lens, (rotation, t)


def _pictures(
    folder: Path, name: str, files: list[Path | None] | None, decoders: Decoders
) -> tuple[Source, tuple[int, int]]:
    if files is not None:
        height, width = read_image(next(file for file in files if file is not None))[0].shape[:2]
        return ImageFiles(files), (width, height)
    video = next((file for file in videos_in(folder / "videos") if file.stem == name), None)
    if video is None:
        raise BadInput("no pictures and no video", file=str(folder), field=name)
    source = Video(video, decoders)
    return source, source.size


def _masks(
    folder: Path, name: str, files: list[Path | None] | None, warnings: list[str]
) -> list[Path | None] | None:
    masks = {mask.stem: mask for mask in images_in(folder / "masks" / name)}
    if files is None:
        if masks:
            warnings.append(f"{name}: masks of videos are not read")
        return None
    placed = [masks.get(file.stem) if file is not None else None for file in files]
    if masks and not any(placed):
        warnings.append(f"{name}: masks are not used, none carries a picture's name")
    return placed if any(placed) else None


def _get(table: dict[str, Any], keys: list[str], shape: tuple[int, ...] | None, file: Path) -> F64:
    value = next((table[key] for key in keys if key in table), None)
    if not isinstance(value, np.ndarray):
        if keys[0].startswith("dist_"):
            return np.zeros(0)
        raise BadInput("a matrix is expected", file=str(file), field=" or ".join(keys))
    if shape is not None and value.size != np.prod(shape):
        raise BadInput(f"{np.prod(shape)} numbers are expected", file=str(file), field=keys[0])
    return value


def read_opencv_yaml(path: Path) -> dict[str, Any]:
    """Matrices (flat float64), lists of strings and scalars (strings) of OpenCV's FileStorage. Raises BadInput."""
    out: dict[str, Any] = {}
    # Entries start in the first column; the rest is indented, or a list item.
    for block in re.split(r"\n(?=[\w\"])", read_text(path)):
        key, mark, rest = block.partition(":")
        key, rest = key.strip().strip('"'), rest.strip()
        if not mark or key.startswith("%"):
            continue
        if "opencv-matrix" in rest or "opencv_matrix" in rest:
            out[key] = _matrix(rest, path, key)
        elif rest.startswith(("-", "[")):
            out[key] = re.findall(r'"([^"]*)"|(?<=- )([^\s"]+)', rest)
            out[key] = [a or b for a, b in out[key]]
        else:
            out[key] = rest.strip('"')
    return out


def _matrix(text: str, path: Path, key: str) -> F64:
    match = MATRIX.search(text)
    try:
        values = np.array(
            [float(x) for x in match[3].replace("\n", " ").split(",") if x.strip()] if match else []
        )
    except ValueError:
        values = np.empty(0)
    if match is None or values.size != int(match[1]) * int(match[2]) or not np.isfinite(values).all():
        raise BadInput("not an OpenCV matrix", file=str(path), field=key)
    return values
