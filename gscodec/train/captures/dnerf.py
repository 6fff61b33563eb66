"""D-NeRF: `transforms_train.json` and its like; every picture from another place and time: one camera that moves.

Train pictures make one view, sorted by time. Pictures of the test (and val) split make a held-out view where their
times are frames of the first one. Without times (NeRF's synthetic scenes) the scene is static: a view a picture.
Cameras are OpenGL, with camera_angle_x; RGBA PNG without an extension in the name.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gscodec.base.errors import BadInput
from gscodec.train.captures.files import child, number, read_json
from gscodec.train.captures.nerfstudio import MONOCULAR, Entry, lens_of, pose_of
from gscodec.train.captures.rig import Rig, RigView
from gscodec.train.captures.sources import ImageFiles, read_image

__all__ = ["detect", "read"]

SPLITS = ("train", "test", "val")


def detect(folder: Path) -> bool:
    return (folder / "transforms_train.json").is_file()


def read(folder: Path) -> Rig:
    """Raises BadInput with file and field."""
    splits = {
        split: _entries(folder, split)
        for split in SPLITS
        if split == "train" or (folder / f"transforms_{split}.json").is_file()
    }
    if "time" not in splits["train"][0]:
        return Rig(
            views=[view for split, entries in splits.items() for view in _still(split, entries, folder)]
        )
    timed = {split: _by_time(split, entries, folder) for split, entries in splits.items()}
    times = np.unique([time for time, _ in timed["train"]])
    warnings = [MONOCULAR]
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    views = []
    for split, entries in timed.items():
        placed: dict[int, Entry] = {}
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


def _still(split: str, entries: list[Entry], folder: Path) -> list[RigView]:
    """Pictures of a scene that holds still; all have the size of the first."""
    path = folder / f"transforms_{split}.json"
    timed = next((entry for entry in entries if "time" in entry), None)
    if timed is not None:
        raise BadInput(
            "either every picture has a time or none has", file=str(path), field=f"frames[{timed['#']}].time"
        )
    files = [_file(entry, path) for entry in entries]
    size = _size(files[0])
    return [
        RigView(
            f"{split}/{file.stem}", (lens_of(entry, path, size),), (pose_of(entry, path),), ImageFiles([file]),
            held_out=split != "train",
        )
        for entry, file in zip(entries, files, strict=True)
    ]  # fmt: skip


def _view(split: str, placed: dict[int, Entry], n: int, folder: Path) -> RigView:
    path = folder / f"transforms_{split}.json"
    files = {frame: _file(entry, path) for frame, entry in placed.items()}
    size = _size(files[min(files)])
    nearest = [min(placed, key=lambda f, frame=frame: abs(f - frame)) for frame in range(n)]  # type: ignore[misc]
    return RigView(
        split,
        tuple(lens_of(placed[f], path, size) for f in nearest),
        tuple(pose_of(placed[f], path) for f in nearest),
        ImageFiles([files.get(f) for f in range(n)]),
        held_out=split != "train",
    )


def _file(entry: Entry, path: Path) -> Path:
    """The picture of an entry, named without its ending or with it."""
    field = f"frames[{entry['#']}].file_path"
    file = child(path.parent, entry["file_path"] + ".png", path, field)
    return file if file.is_file() else child(path.parent, entry["file_path"], path, field)


def _size(file: Path) -> tuple[int, int]:
    height, width = read_image(file)[0].shape[:2]
    return width, height


def _entries(folder: Path, split: str) -> list[Entry]:
    path = folder / f"transforms_{split}.json"
    top = read_json(path)
    frames = top.get("frames")
    if not isinstance(frames, list) or not frames:
        raise BadInput("a list of entries is expected", file=str(path), field="frames")
    for i, entry in enumerate(frames):
        if not isinstance(entry, dict) or not isinstance(entry.get("file_path"), str):
            raise BadInput("a file name is expected", file=str(path), field=f"frames[{i}].file_path")
    return [{"camera_angle_x": top.get("camera_angle_x"), **entry, "#": i} for i, entry in enumerate(frames)]


def _by_time(split: str, entries: list[Entry], folder: Path) -> list[tuple[float, Entry]]:
    """(time, entry), sorted by time."""
    path = folder / f"transforms_{split}.json"
    timed = [(number(entry.get("time"), path, f"frames[{entry['#']}].time"), entry) for entry in entries]
    return sorted(timed, key=lambda item: item[0])
