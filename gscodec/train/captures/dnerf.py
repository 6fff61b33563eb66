"""D-NeRF: `transforms_train.json` and its like; every picture from another place and time: one camera that moves.

Train pictures make one view, sorted by time. Pictures of the test (and val) split make a held-out view where their
times are frames of the first one. Cameras are OpenGL, with camera_angle_x; RGBA PNG without an extension in the name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gscodec.base.errors import BadInput
from gscodec.train.captures.files import child, number, read_json
from gscodec.train.captures.nerfstudio import lens_of, pose_of
from gscodec.train.captures.rig import Rig, RigView
from gscodec.train.captures.sources import ImageFiles, read_image

__all__ = ["detect", "read"]

SPLITS = ("train", "test", "val")


def detect(folder: Path) -> bool:
    return (folder / "transforms_train.json").is_file()


def read(folder: Path) -> Rig:
    """Raises BadInput with file and field."""
    train = _entries(folder, "train")
    times = np.unique([time for time, _ in train])
    warnings = [
        "one camera a moment (monocular): depth rests on motion alone, Gaussians can't be tracked well"
    ]
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    views = []
    for split in SPLITS:
        if not (folder / f"transforms_{split}.json").is_file():
            continue
        placed: dict[int, dict[str, Any]] = {}
        entries = _entries(folder, split)
        for time, entry in entries:
            frame = int(np.abs(times - time).argmin())
            if abs(times[frame] - time) <= 0.05 * step:
                placed.setdefault(frame, entry)
        if len(placed) < len(entries):
            warnings.append(
                f"{split}: {len(entries) - len(placed)} of {len(entries)} pictures are at no frame's time or double"
            )
        if placed:
            views.append(_view(split, placed, len(times), folder))
    return Rig(views=views, warnings=warnings)


def _view(split: str, placed: dict[int, dict[str, Any]], n: int, folder: Path) -> RigView:
    path = folder / f"transforms_{split}.json"
    files = {f: child(folder, entry["file_path"] + ".png", path, "file_path") for f, entry in placed.items()}
    for frame, file in list(files.items()):
        if not file.is_file():
            files[frame] = child(folder, placed[frame]["file_path"], path, "file_path")
    height, width = read_image(files[min(files)])[0].shape[:2]
    nearest = [min(placed, key=lambda f, frame=frame: abs(f - frame)) for frame in range(n)]  # type: ignore[misc]
    return RigView(
        split,
        tuple(lens_of(placed[f], path, (width, height)) for f in nearest),
        tuple(pose_of(placed[f], path) for f in nearest),
        ImageFiles([files.get(f) for f in range(n)]),
        held_out=split != "train",
    )


def _entries(folder: Path, split: str) -> list[tuple[float, dict[str, Any]]]:
    """(time, entry), sorted by time."""
    path = folder / f"transforms_{split}.json"
    top = read_json(path)
    frames = top.get("frames")
    if not isinstance(frames, list) or not frames:
        raise BadInput("a list of entries is expected", file=str(path), field="frames")
    out = []
    for i, entry in enumerate(frames):
        if not isinstance(entry, dict) or not isinstance(entry.get("file_path"), str):
            raise BadInput("a file name is expected", file=str(path), field=f"frames[{i}].file_path")
        time = number(entry.get("time", i), path, f"frames[{i}].time")
        out.append((time, {"camera_angle_x": top.get("camera_angle_x"), **entry, "#": i}))
    return sorted(out, key=lambda item: item[0])
