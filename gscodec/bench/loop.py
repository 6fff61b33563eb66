"""A sequence that runs forth and back: a clip of several GOPs from one that is too short for them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from gscodec.base.errors import BadInput

__all__ = ["LOOP_FRAMES", "forth_and_back", "loop_folder"]

LOOP_FRAMES = 60


def forth_and_back(source: int, frames: int) -> list[int]:
    """Numbers of source frames: 0 .. source-1, then source-2 .. 1, repeated to `frames`."""
    period = [*range(source), *range(source - 2, 0, -1)]
    return [period[i % len(period)] for i in range(frames)]


def loop_folder(source: Path, out: Path, frames: int = LOOP_FRAMES) -> Path:
    """The folder `out` with the frames of `source` forth and back, and its scene.json and views.json.

    Frames are hard links where the file system has them, else copies; what is there already is kept.
    """
    if out.is_dir():
        return out
    pictures = sorted(source.glob("frame_*.ply"))
    if not pictures:
        raise BadInput("no frames to repeat", folder=str(source))
    part = out.with_name(f"{out.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    for t, number in enumerate(forth_and_back(len(pictures), frames)):
        _link(pictures[number], part / f"frame_{t:04d}.ply")
    for name in ("scene.json", "views.json"):
        if (source / name).is_file():
            shutil.copyfile(source / name, part / name)
    try:
        part.replace(out)
    except OSError:  # another process was first
        shutil.rmtree(part)
    return out


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
