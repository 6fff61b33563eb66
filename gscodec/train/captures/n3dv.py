"""Neural 3D Video (N3DV, DyNeRF): `camXX.mp4` and `poses_bounds.npy`, a row for each video in order of names.

A row is 3 x 5, [R | t | (H, W, f)], then near and far; R's columns are down, right, back, camera to world. cam00 is
held out. Intrinsics are for the size in the row; they are scaled to the video's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gscodec.base.errors import BadInput
from gscodec.train.captures.files import read_array, videos_in
from gscodec.train.captures.geometry import is_rotation
from gscodec.train.captures.lens import Lens
from gscodec.train.captures.rig import Rig, RigView
from gscodec.train.captures.video import Decoders, Video

__all__ = ["detect", "read"]

FILE = "poses_bounds.npy"


def detect(folder: Path) -> bool:
    return (folder / FILE).is_file()


def read(folder: Path) -> Rig:
    """Raises BadInput with file and field."""
    path = folder / FILE
    rows = read_array(path)
    files = videos_in(folder)
    if rows.ndim != 2 or rows.shape[1] != 17 or not np.isfinite(rows).all():
        raise BadInput("N x 17 finite numbers are expected", file=str(path))
    if len(rows) != len(files):
        raise BadInput(f"{len(rows)} rows, but {len(files)} videos", file=str(path))
    decoders = Decoders()
    views = [
        _view(row, file, decoders, path) for row, file in zip(rows.astype(np.float64), files, strict=True)
    ]
    return Rig(views=views, fps=getattr(views[0].source, "fps", None), has_alpha=False)


def _view(row: np.ndarray, file: Path, decoders: Decoders, path: Path) -> RigView:  # type: ignore[type-arg]
    pose = row[:15].reshape(3, 5)
    down, right, back, centre = pose[:, 0], pose[:, 1], pose[:, 2], pose[:, 3]
    rotation = np.stack([right, down, -back])
    height, width, focal = pose[:, 4]
    if min(height, width, focal) <= 0 or not is_rotation(rotation):
        raise BadInput("not a pose with size and focal length", file=str(path), field=file.name)
    video = Video(file, decoders)
    shown = video.size
    fx, fy = focal * shown[0] / width, focal * shown[1] / height
    lens = Lens(shown[0], shown[1], fx, fy, shown[0] / 2, shown[1] / 2)
    return RigView(
        file.stem, (lens,), ((rotation, -rotation @ centre),), video, held_out=file.stem == "cam00"
    )
