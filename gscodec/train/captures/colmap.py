"""COLMAP: `sparse/0` (or `sparse`, `colmap/sparse/0`) with cameras, images and points3D, binary or text.

Pictures: a video a camera (`videos/<name>.mp4` or beside), a folder a camera (`images/<name>/`), a folder a frame
(`image_white_undistortion/<frame>/<cam>.png` and its like), else `images/<file>`, a static scene. Poses are world to
camera, OpenCV axes; the first pixel's centre is (0.5, 0.5). Unknown files of newer versions are left aside.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gscodec.base.errors import BadInput, Truncated, Unsupported
from gscodec.splats.sequence import natural_key
from gscodec.train.captures.files import aligned, child, images_in, read_text, videos_in
from gscodec.train.captures.geometry import Pose, from_quaternion
from gscodec.train.captures.lens import MAX_SIDE, Lens
from gscodec.train.captures.model import SeedPoints
from gscodec.train.captures.rig import Rig, RigView
from gscodec.train.captures.sources import ImageFiles, Source
from gscodec.train.captures.video import Decoders, Video

__all__ = ["detect", "read"]

PLACES = ("sparse/0", "sparse", "colmap/sparse/0", "colmap/sparse", "dense/sparse")
FRAME_FOLDERS = ("image_white_undistortion", "image_undistortion_white", "frames")
MAX_FILE_BYTES = 1 << 31

# Model id -> name, number of parameters
MODELS = {
    0: ("SIMPLE_PINHOLE", 3), 1: ("PINHOLE", 4), 2: ("SIMPLE_RADIAL", 4), 3: ("RADIAL", 5), 4: ("OPENCV", 8),
    5: ("OPENCV_FISHEYE", 8), 6: ("FULL_OPENCV", 12), 7: ("FOV", 5), 8: ("SIMPLE_RADIAL_FISHEYE", 4),
    9: ("RADIAL_FISHEYE", 5), 10: ("THIN_PRISM_FISHEYE", 12),
}  # fmt: skip
COUNTS = dict(MODELS.values())
ONE_FOCAL = ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE")
LENSES = {"OPENCV_FISHEYE": "fisheye", "SIMPLE_RADIAL_FISHEYE": "fisheye", "RADIAL_FISHEYE": "fisheye",
          "FOV": "fov", "THIN_PRISM_FISHEYE": "thin_prism"}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Image:
    name: str
    camera: int
    pose: Pose


def detect(folder: Path) -> bool:
    return _model(folder) is not None


def read(folder: Path) -> Rig:
    """Raises BadInput with file and field."""
    model = _model(folder)
    if model is None:
        raise BadInput("no COLMAP model", file=str(folder))
    binary = (model / "cameras.bin").is_file()
    lenses = (_cameras_bin if binary else _cameras_txt)(model / f"cameras.{'bin' if binary else 'txt'}")
    path = model / f"images.{'bin' if binary else 'txt'}"
    images = sorted(
        (_images_bin if binary else _images_txt)(path), key=lambda image: natural_key(Path(image.name))
    )
    for image in images:
        if image.camera not in lenses:
            raise BadInput(f"no camera {image.camera}", file=str(path), field=image.name)
    warnings: list[str] = []
    sources = _sources(folder, images, path, warnings)
    stems = Counter(Path(image.name).stem for image in images)
    views = [
        RigView(_name(image, stems), (lenses[image.camera],), (image.pose,), source)
        for image, source in zip(images, sources, strict=True)
    ]
    videos = [view.source for view in views if isinstance(view.source, Video)]
    return Rig(
        views=views,
        fps=videos[0].fps if videos else None,
        points=_points(model, binary),
        warnings=warnings,
    )


def _model(folder: Path) -> Path | None:
    return next(
        (
            folder / p
            for p in PLACES
            if any((folder / p / f"cameras.{end}").is_file() for end in ("bin", "txt"))
        ),
        None,
    )


def _name(image: _Image, stems: Counter[str]) -> str:
    stem = Path(image.name).stem
    return stem if stems[stem] == 1 else str(Path(image.name).with_suffix(""))


def _sources(folder: Path, images: list[_Image], path: Path, warnings: list[str]) -> list[Source]:
    decoders = Decoders()
    videos = {file.stem: file for file in (*videos_in(folder), *videos_in(folder / "videos"))}
    folders = {image.name: images_in(folder / "images" / Path(image.name).stem) for image in images}
    placed = aligned({name: files for name, files in folders.items() if files}, warnings)
    moments = _frame_folders(folder)
    out: list[Source] = []
    for image in images:
        stem = Path(image.name).stem
        if stem in videos:
            out.append(Video(videos[stem], decoders))
        elif image.name in placed:
            out.append(ImageFiles(placed[image.name]))
        elif moments:
            files = [moment / Path(image.name).name for moment in moments]
            out.append(ImageFiles([file if file.is_file() else None for file in files]))
        else:
            file = child(folder / "images", image.name, path, image.name)
            out.append(ImageFiles([file if file.is_file() else None]))
    return out


def _frame_folders(folder: Path) -> list[Path]:
    """A folder a moment, in natural order; none where the capture has none."""
    place = next((folder / name for name in FRAME_FOLDERS if (folder / name).is_dir()), None)
    return sorted((p for p in place.iterdir() if p.is_dir()), key=natural_key) if place else []


def _lens(name: str, width: int, height: int, params: list[float], path: Path) -> Lens:
    if not 1 <= width <= MAX_SIDE or not 1 <= height <= MAX_SIDE or not np.isfinite(params).all():
        raise BadInput("not a camera", file=str(path), field=name)
    if name in ONE_FOCAL:
        params = [params[0], *params]
    fx, fy, cx, cy, *bend = params
    return Lens(width, height, fx, fy, cx, cy, LENSES.get(name, "brown"), tuple(bend))


class _Reader:
    """Little-endian fields of a file, bounded."""

    def __init__(self, path: Path) -> None:
        self._path, self._at = path, 0
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise BadInput("larger than 2 GiB", file=str(path))
            self._data = path.read_bytes()
        except OSError as error:
            raise BadInput(f"cannot be read: {error.strerror or error}", file=str(path)) from error

    def take(self, form: str) -> tuple[float, ...]:
        size = struct.calcsize("<" + form)
        self.skip(size)
        return struct.unpack_from("<" + form, self._data, self._at - size)

    def skip(self, size: int) -> None:
        if self._at + size > len(self._data):
            raise Truncated("ends too early", file=str(self._path), offset=self._at)
        self._at += size

    def text(self) -> str:
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise Truncated("a name without end", file=str(self._path), offset=self._at)
        raw = self._data[self._at : end]
        self._at = end + 1
        return raw.decode("utf-8", "replace")


def _cameras_bin(path: Path) -> dict[int, Lens]:
    reader = _Reader(path)
    out = {}
    for _ in range(int(reader.take("Q")[0])):
        camera, model, width, height = (int(v) for v in reader.take("iiQQ"))
        if model not in MODELS:
            raise Unsupported(f"camera model {model} is not read", file=str(path), field=f"camera {camera}")
        name, count = MODELS[model]
        out[camera] = _lens(name, width, height, list(reader.take(f"{count}d")), path)
    return out


def _images_bin(path: Path) -> list[_Image]:
    reader = _Reader(path)
    out = []
    for _ in range(int(reader.take("Q")[0])):
        _, *values = reader.take("i7d")
        camera = int(reader.take("i")[0])
        name = reader.text()
        reader.skip(24 * int(reader.take("Q")[0]))
        out.append(_Image(name, camera, (from_quaternion(values[:4]), np.array(values[4:]))))
    return out


def _lines(path: Path) -> list[str]:
    """Without comments; empty lines are kept, they mean something in images.txt."""
    return [line.strip() for line in read_text(path).splitlines() if not line.startswith("#")]


def _cameras_txt(path: Path) -> dict[int, Lens]:
    out = {}
    for line in filter(None, _lines(path)):
        fields = line.split()
        if len(fields) < 4:
            raise BadInput("not a camera's line", file=str(path), field=line[:40])
        camera, name, width, height, *params = fields
        if name not in COUNTS:
            raise Unsupported(f"camera model {name} is not read", file=str(path), field=f"camera {camera}")
        if len(params) != COUNTS[name]:
            raise BadInput(
                f"{COUNTS[name]} parameters are expected", file=str(path), field=f"camera {camera}"
            )
        try:
            number, size, values = int(camera), (int(width), int(height)), [float(p) for p in params]
        except ValueError:
            raise BadInput("not a camera's line", file=str(path), field=f"camera {camera}") from None
        out[number] = _lens(name, *size, values, path)
    return out


def _images_txt(path: Path) -> list[_Image]:
    """Two lines an image; the second, its 2D points, may be empty."""
    lines = _lines(path)
    while lines and not lines[0]:
        lines.pop(0)
    out = []
    for line in lines[::2]:
        fields = line.split(maxsplit=9)
        if not fields:
            continue
        try:
            values = [float(v) for v in fields[1:8]]
            out.append(_Image(fields[9], int(fields[8]), (from_quaternion(values[:4]), np.array(values[4:]))))
        except (ValueError, IndexError):
            raise BadInput("not an image's line", file=str(path), field=line[:40]) from None
    return out


def _points(model: Path, binary: bool) -> SeedPoints | None:
    path = model / f"points3D.{'bin' if binary else 'txt'}"
    if not path.is_file():
        return None
    means: list[tuple[float, ...]] = []
    colors: list[tuple[float, ...]] = []
    if binary:
        reader = _Reader(path)
        for _ in range(int(reader.take("Q")[0])):
            _, x, y, z, r, g, b, _ = reader.take("Q3d3Bd")
            means.append((x, y, z))
            colors.append((r, g, b))
            reader.skip(8 * int(reader.take("Q")[0]))
    else:
        for line in filter(None, _lines(path)):
            fields = line.split()
            try:
                place, color = [float(v) for v in fields[1:4]], [int(v) for v in fields[4:7]]
                means.append((place[0], place[1], place[2]))
                colors.append((color[0], color[1], color[2]))
            except (ValueError, IndexError):
                raise BadInput("not a point's line", file=str(path), field=line[:40]) from None
    if not means:
        return None
    return SeedPoints(
        np.array(means, np.float64).reshape(-1, 3), np.array(colors).reshape(-1, 3).astype(np.uint8)
    )
