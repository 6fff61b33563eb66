"""What a server serves: a list of files scanned at start. Names from the network are only looked up in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gscodec.base.errors import BadInput, Misuse

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["OpenFile", "ServedFile", "scan"]

PART = ".part"


@dataclass(frozen=True)
class OpenFile:
    """One open handle with what was true of the file when it was opened: no later rename changes it."""

    handle: BinaryIO
    size: int
    etag: str | None  # strong; None for a file that is still being written
    modified: float

    @property
    def growing(self) -> bool:
        return self.etag is None


@dataclass(frozen=True)
class ServedFile:
    """One entry: `name` is its word in links, `path` the finished file (its `.part` is served until it is there)."""

    name: str
    path: Path

    @property
    def title(self) -> str:
        return self.path.stem.replace("_", " ")

    def open(self) -> OpenFile:
        """A handle on the finished file, else on the growing one; BadInput where neither can be read."""
        for path, growing in ((self.path, False), (self.path.with_name(self.path.name + PART), True)):
            try:
                handle = path.open("rb")
            except FileNotFoundError:
                continue
            except OSError as error:
                raise BadInput(f"cannot be read: {error.strerror}", file=self.path.name) from error
            stat = os.fstat(handle.fileno())
            etag = None if growing else f'"{stat.st_size:x}-{stat.st_mtime_ns:x}-{stat.st_ino:x}"'
            return OpenFile(handle, stat.st_size, etag, stat.st_mtime)
        raise BadInput("file is gone", file=self.path.name)


def scan(paths: Iterable[str | Path]) -> dict[str, ServedFile]:
    """Files, folders (their `.gsv` and `.gsv.part`, not deeper) as name -> file, in natural reading order.

    Raises Misuse where a path is neither, or nothing is found.
    """
    shelf: dict[str, ServedFile] = {}
    for given in map(Path, paths):
        if given.is_dir():
            found = sorted(p for p in given.iterdir() if p.is_file() and _is_gsv(p))
            root = given.resolve()
            found = [
                p for p in found if p.resolve().parent == root
            ]  # a link that leads outside is not served
        elif given.is_file() or given.with_name(given.name + PART).is_file():
            if not _is_gsv(given):
                raise Misuse("not a .gsv file", file=str(given))
            found = [given]
        else:
            raise Misuse("no such file or folder", file=str(given))
        for path in found:
            final = path.with_name(path.name.removesuffix(PART)).absolute()
            if all(entry.path != final for entry in shelf.values()):
                name = _free_name(final.stem, shelf)
                shelf[name] = ServedFile(name, final)
    if not shelf:
        raise Misuse("no .gsv file to serve", paths=", ".join(map(str, paths)))
    return shelf


def _is_gsv(path: Path) -> bool:
    return path.name.removesuffix(PART).endswith(".gsv")


def _free_name(stem: str, taken: dict[str, ServedFile]) -> str:
    name, i = stem, 2
    while name in taken:
        name, i = f"{stem}-{i}", i + 1
    return name
