"""Clips made of a test sequence, for what those are too short or too well kept to show."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from gscodec.base.errors import BadInput
from gscodec.splats.model import Splats

__all__ = [
    "CHANGED", "DERIVED", "Derived", "LOOP_FRAMES", "SHOWN", "derived_folder", "forth_and_back", "respelled",
    "rows_of_groups",
]  # fmt: skip

LOOP_FRAMES = 60
LOOP_GOP = 12
SHOWN = 0.85  # of the Gaussians, in each group of a clip in which some change
CHANGED = 0.03  # of those shown, from a group to the next

Make = Callable[[list[Path], Path], None]


@dataclass(frozen=True, slots=True)
class Derived:
    """A clip made of the test sequence `source`, and the settings that it is encoded with."""

    source: str
    gop: int | None
    make: Make


def derived_folder(name: str, source: Path, out: Path) -> Path:
    """The folder `out` with the frames of a clip of DERIVED, and the source's scene.json and views.json.

    What is there already is kept. Raises BadInput where the source has no frames.
    """
    if out.is_dir():
        return out
    pictures = sorted(source.glob("frame_*.ply"))
    if not pictures:
        raise BadInput("no frames to make a clip of", folder=str(source))
    part = out.with_name(f"{out.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    DERIVED[name].make(pictures, part)
    for kept in ("scene.json", "views.json"):
        if (source / kept).is_file():
            shutil.copyfile(source / kept, part / kept)
    try:
        part.replace(out)
    except OSError:  # another process was first
        shutil.rmtree(part)
    return out


def forth_and_back(source: int, frames: int) -> list[int]:
    """Numbers of source frames: 0 .. source-1, then source-2 .. 1, repeated to `frames`."""
    period = [*range(source), *range(source - 2, 0, -1)]
    return [period[i % len(period)] for i in range(frames)]


def _loop(pictures: list[Path], out: Path, frames: int) -> None:
    """Forth and back; hard links where the file system has them, else copies."""
    for t, number in enumerate(forth_and_back(len(pictures), frames)):
        _link(pictures[number], out / f"frame_{t:04d}.ply")


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def rows_of_groups(rows: int, groups: int, seed: int = 1) -> list[np.ndarray]:
    """Rows shown in each group: a share of all, of which some give their places to others from one to the next."""
    rng = np.random.default_rng(seed)
    shown = [np.sort(rng.permutation(rows)[: int(SHOWN * rows)])]
    count = int(CHANGED * len(shown[0]))
    for _ in range(groups - 1):
        mine, hidden = shown[-1].copy(), np.setdiff1d(np.arange(rows), shown[-1])
        mine[rng.choice(len(mine), count, replace=False)] = rng.choice(hidden, count, replace=False)
        shown.append(mine)
    return shown


def _changing(pictures: list[Path], out: Path, frames: int) -> None:
    """Forth and back, and at every GOP's border some Gaussians are gone and others there, as training leaves it."""
    from gscodec.splats.formats.ply import read_ply, write_ply

    shown = rows_of_groups(len(read_ply(pictures[0])), -(-frames // LOOP_GOP))
    for t, number in enumerate(forth_and_back(len(pictures), frames)):
        write_ply(out / f"frame_{t:04d}.ply", read_ply(pictures[number]).take(shown[t // LOOP_GOP]))


def respelled(splats: Splats, rng: np.random.Generator) -> Splats:
    """The same covariances as eigenvectors spell them: axes by falling scale, signs by chance."""
    from gscodec.codec.model import rotation
    from gscodec.codec.model.gauge import SPELLING_ORDER, SPELLINGS

    order = np.argsort(-splats.scales, axis=1, kind="stable")
    fits = (SPELLING_ORDER[None] == order[:, None]).all(axis=2)  # (N, 24), four of each row
    chosen = np.argmax(fits * rng.uniform(0.5, 1, fits.shape), axis=1)
    quats = rotation.multiply(splats.quats.astype(np.float64), SPELLINGS[chosen])
    return replace(
        splats,
        quats=quats.astype(np.float32),
        scales=np.take_along_axis(splats.scales, order, axis=1),
    )


def _respelled(pictures: list[Path], out: Path) -> None:
    from gscodec.splats.formats.ply import read_ply, write_ply

    rng = np.random.default_rng(1)
    for picture in pictures:
        write_ply(out / picture.name, respelled(read_ply(picture), rng))


DERIVED = {
    "seq-fox-loop": Derived("seq-fox", LOOP_GOP, partial(_loop, frames=LOOP_FRAMES)),
    "seq-fox-changing": Derived("seq-fox", LOOP_GOP, partial(_changing, frames=LOOP_FRAMES)),
    "seq-fox-respelled": Derived("seq-fox", None, _respelled),
}
