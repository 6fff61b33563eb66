"""File formats of single frames, by file name extension: one file a format, one line in FORMATS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gscodec.base.errors import Unsupported
from gscodec.splats.formats import ply
from gscodec.splats.model import Splats

__all__ = ["FORMATS", "Format", "Summary", "can_read", "format_of", "is_known"]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a frame's header says, read without its data."""

    count: int
    sh_degree: int


@dataclass(frozen=True, slots=True)
class Format:
    """How frames of one format are read and written. All three raise BadInput and its kin, naming file and field."""

    name: str
    read: Callable[[Path], Splats]
    summary: Callable[[Path], Summary]
    write: Callable[[Path, Splats], None] | None
    up: tuple[float, float, float]  # where the format's scenes mostly point up


def _ply_summary(path: Path) -> Summary:
    header = ply.read_header(path)
    return Summary(header.count, header.sh_degree)


FORMATS = {
    ".ply": Format("PLY (INRIA layout)", ply.read_ply, _ply_summary, ply.write_ply, up=(0.0, -1.0, 0.0)),
}

NOT_READ_YET = {
    ".compressed.ply": "compressed PLY",
    ".spz": "SPZ",
    ".sog": "SOG",
    ".splat": "antimatter15 .splat",
    ".ksplat": "KSPLAT",
}


def _extension(path: Path) -> str | None:
    """The longest known extension that the name ends with."""
    name = path.name.lower()
    known = [extension for extension in (*FORMATS, *NOT_READ_YET) if name.endswith(extension)]
    return max(known, key=len, default=None)


def is_known(path: Path) -> bool:
    """Whether the name is that of a frame, readable or not."""
    return _extension(path) is not None


def can_read(path: Path) -> bool:
    return _extension(path) in FORMATS


def format_of(path: Path) -> Format:
    """The format of a file, by its name; raises Unsupported with the list of those that are read."""
    extension = _extension(path)
    if extension in FORMATS:
        return FORMATS[extension]
    what = f"{NOT_READ_YET[extension]} is not read yet" if extension else f"unknown file type {path.suffix!r}"
    readable = ", ".join(f"{e} ({f.name})" for e, f in FORMATS.items())
    raise Unsupported(f"{what}; read are: {readable}", file=str(path), field="name")
