"""Panoptic as prepared for Dynamic 3D Gaussians: `train_meta.json` (and `test_meta.json`, held out), `ims/`, `seg/`.

w, h; fn[t][c], k[t][c] 3 x 3, w2c[t][c] 4 x 4 (OpenCV axes; y points down). `init_pt_cld.npz` holds points. Principal
points are taken as counted from the picture's edge, as the code that trains on this layout does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gscodec.base.errors import BadInput
from gscodec.train.captures.files import child, matrix, number, read_array, read_json
from gscodec.train.captures.lens import Lens
from gscodec.train.captures.model import SeedPoints
from gscodec.train.captures.rig import Rig, RigView
from gscodec.train.captures.sources import ImageFiles

__all__ = ["detect", "read"]

UP = (0.0, -1.0, 0.0)
POINTS = "init_pt_cld.npz"


def detect(folder: Path) -> bool:
    return (folder / "train_meta.json").is_file()


def read(folder: Path) -> Rig:
    """Raises BadInput with file and field."""
    warnings: list[str] = []
    views = _views(folder, "train", warnings)
    if (folder / "test_meta.json").is_file():
        views += _views(folder, "test", warnings)
    return Rig(views=views, up=UP, points=_points(folder / POINTS), has_alpha=False, warnings=warnings)


def _views(folder: Path, split: str, warnings: list[str]) -> list[RigView]:
    path = folder / f"{split}_meta.json"
    top = read_json(path)
    width, height = int(number(top.get("w"), path, "w")), int(number(top.get("h"), path, "h"))
    names, ks, poses = top.get("fn") or [], top.get("k"), top.get("w2c")
    if not isinstance(names, list) or not names or not all(map(_is_row, names)):
        raise BadInput("a list of lists of names is expected", file=str(path), field="fn")
    n_cameras = len(names[0])
    if any(len(row) != n_cameras for row in names):
        raise BadInput("every moment needs the same cameras", file=str(path), field="fn")
    shape = (len(names), n_cameras)
    k = matrix(ks, [(*shape, 3, 3)], path, "k")
    w2c = matrix(poses, [(*shape, 4, 4), (*shape, 3, 4)], path, "w2c")
    return [
        _view(folder, path, c, names, k[:, c], w2c[:, c], (width, height), split, warnings)
        for c in range(n_cameras)
    ]


def _is_row(value: Any) -> bool:
    """Whether it holds names of files, one a camera."""
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(name, str) and Path(name).name not in ("", "..") for name in value)


def _view(
    folder: Path, path: Path, c: int, names: list[list[str]], k: Any, w2c: Any, size: tuple[int, int], split: str,
    warnings: list[str],
) -> RigView:  # fmt: skip
    lenses = tuple(Lens(*size, float(m[0, 0]), float(m[1, 1]), float(m[0, 2]), float(m[1, 2])) for m in k)
    poses = tuple((m[:3, :3], m[:3, 3]) for m in w2c)
    pictures = [child(folder, f"ims/{row[c]}", path, f"fn[{t}][{c}]") for t, row in enumerate(names)]
    masks = [(folder / "seg" / row[c]).with_suffix(".png") for row in names]
    missing = sum(not file.is_file() for file in pictures)
    if missing:
        warnings.append(
            f"{missing} pictures of camera {c} are missing, the first is {next(p for p in pictures if not p.is_file()).name}"
        )
    fixed = np.ptp(k, axis=0).max() == 0 and np.ptp(w2c, axis=0).max() == 0
    return RigView(
        str(Path(names[0][c]).parent if len(Path(names[0][c]).parts) > 1 else c),
        lenses[:1] if fixed else lenses,
        poses[:1] if fixed else poses,
        ImageFiles([file if file.is_file() else None for file in pictures]),
        [mask if mask.is_file() else None for mask in masks]
        if any(mask.is_file() for mask in masks)
        else None,
        held_out=split == "test",
    )


def _points(path: Path) -> SeedPoints | None:
    """N x 7: place, RGB 0..1, whether it belongs to what moves."""
    if not path.is_file():
        return None
    data = read_array(path, "data")
    if data.ndim != 2 or data.shape[1] < 6:
        raise BadInput("N x 7 numbers are expected", file=str(path), field="data")
    data = data[np.isfinite(data[:, :6]).all(axis=1)]
    colors = np.clip(data[:, 3:6] * 255 + 0.5, 0, 255).astype(np.uint8)
    return SeedPoints(data[:, :3].astype(np.float64), colors)
