"""A sequence of frame files: found, ordered, checked by their headers at once, read lazily."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gscodec.base.errors import BadInput, Misuse
from gscodec.base.threads import ahead
from gscodec.splats.formats import can_read, format_of, is_known
from gscodec.splats.model import Splats
from gscodec.splats.scene import Scene, check_up, load_scene

__all__ = ["FileSequence", "natural_key", "open_sequence"]

DEFAULT_FPS = 30.0


@dataclass(frozen=True, slots=True)
class FileSequence:
    """A SplatSequence over files. Reading a frame raises BadInput and its kin, naming file and field."""

    paths: tuple[Path, ...]
    counts: tuple[int, ...]  # Gaussians of each frame, by its header
    sh_degree: int
    fps: float
    up: tuple[float, float, float]
    scene: Scene

    @property
    def names(self) -> list[str]:
        return [str(path) for path in self.paths]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Splats:
        path = self.paths[index]
        return replace(format_of(path).read(path), up=self.up)

    def __iter__(self) -> Iterator[Splats]:
        """The frames; the next few are read meanwhile."""
        return ahead(self.__getitem__, range(len(self)))


def _ignore(_: str) -> None:
    pass


def open_sequence(
    paths: Sequence[str | Path],
    *,
    fps: float | None = None,
    up: tuple[float, float, float] | None = None,
    notes: Callable[[str], None] = _ignore,
) -> FileSequence:
    """Open folders, files or wildcards as one sequence in natural order (frame 2 before frame 10).

    All headers are checked here, the data when a frame is read. `fps` and `up` override scene.json, which stands
    beside the first frame; what is assumed where both are silent is said through `notes`, one line each.
    Raises BadInput and its kin, naming file and field; Misuse for a bad `fps`.
    """
    if fps is not None and not 0 < fps <= 1000:
        raise Misuse("fps must be above 0 and at most 1000", field="--fps", value=fps)
    if up is not None:
        check_up(up)
    if not paths:
        raise Misuse("no input given")
    files = sorted({file for path in paths for file in _expand(path)}, key=natural_key)
    counts, sh_degree = _check_headers(files)
    scene = load_scene(files[0].parent)
    if up is None and scene.up is None:
        default = format_of(files[0]).up
        notes(f"up is taken as {','.join(f'{x:g}' for x in default)}; another direction: --up X,Y,Z")
    if fps is None and scene.fps is None and len(files) > 1:
        notes(f"{DEFAULT_FPS:g} frames a second are assumed; another rate: --fps F")
    return FileSequence(
        paths=tuple(files),
        counts=counts,
        sh_degree=sh_degree,
        fps=fps or scene.fps or DEFAULT_FPS,
        up=up or scene.up or format_of(files[0]).up,
        scene=scene,
    )


def natural_key(path: Path) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    """Sorts numbers in names by value, all else without regard to case; the plain name breaks ties."""
    parts = [
        tuple(
            (1, int(s), "") if s.isdecimal() else (2, 0, s.casefold()) for s in re.split(r"(\d+)", part) if s
        )
        for part in path.parts
    ]
    return (*parts, ((0, 0, str(path)),))


def _expand(path: str | Path) -> list[Path]:
    """The frame files that a folder, file or wildcard stands for."""
    place = Path(path)
    if place.is_dir():
        return _choose(sorted(place.iterdir()), f"the folder {path}")
    if place.exists():
        format_of(place)
        return [place]
    if glob.has_magic(str(path)):
        return _choose(
            [Path(found) for found in glob.glob(str(path), recursive=True)], f"the wildcard {path}"
        )
    raise BadInput("no such file or folder", file=str(path))


def _choose(candidates: list[Path], what: str) -> list[Path]:
    """The readable frames among the candidates; hidden files and other kinds of file are left aside."""
    files = [path for path in candidates if path.is_file() and not path.name.startswith(".")]
    frames = [path for path in files if can_read(path)]
    for path in files if not frames else []:
        if is_known(path):
            format_of(path)  # raises: known by name, not read yet
    if not frames:
        raise BadInput(f"{what} holds no frames")
    return frames


def _check_headers(files: list[Path]) -> tuple[tuple[int, ...], int]:
    summaries = [format_of(file).summary(file) for file in files]
    for file, summary in zip(files, summaries, strict=True):
        if summary.sh_degree != summaries[0].sh_degree:
            raise BadInput(
                f"SH of degree {summary.sh_degree}, but {files[0].name} has degree {summaries[0].sh_degree}",
                file=str(file),
                field="f_rest",
            )
    return tuple(summary.count for summary in summaries), summaries[0].sh_degree
