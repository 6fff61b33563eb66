"""What the websocket push needs of a file: the bytes before its first segment, its table, and its segments."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gscodec.base.errors import BadInput, Truncated
from gscodec.stream.messages import Gop

if TYPE_CHECKING:
    from typing import Any

    from gscodec.stream.shelf import ServedFile

__all__ = ["GsvMedia", "Media", "open_media"]

MAX_HEADER_BYTES = 1 << 24  # 16 MiB: header, poster and a front index of many hours


class Media(Protocol):
    """One file, seen by the push. All methods may block; they are called off the event loop."""

    header: bytes
    rungs: tuple[tuple[Gop, ...], ...]
    complete: bool

    def read(self, rung: int, gop: int) -> bytes:
        """The segment's bytes as they stand in the file; BadInput where they cannot be read."""

    def refresh(self) -> bool:
        """Look whether a growing file has grown; True where `rungs` or `complete` changed."""

    def close(self) -> None:
        """Let go of the file."""


@dataclass(frozen=True)
class _Place:
    offset: int
    length: int


class GsvMedia:
    """`Media` of a finished or growing `.gsv`, through the container's reader."""

    def __init__(self, served: ServedFile) -> None:
        self._served = served
        self._file = served.open()
        self._lock = threading.Lock()  # reading and refreshing run in different threads
        self._places: dict[tuple[int, int], _Place] = {}
        self.header = b""
        self.rungs: tuple[tuple[Gop, ...], ...] = ()
        self.complete = not self._file.growing
        self._load()

    def read(self, rung: int, gop: int) -> bytes:
        with self._lock:
            place = self._places[rung, gop]
            self._file.handle.seek(place.offset)
            data = self._file.handle.read(place.length)
        if len(data) != place.length:
            raise Truncated("segment is cut", file=self._served.name, gop=gop)
        return data

    def refresh(self) -> bool:
        if self.complete:
            return False
        with self._lock:
            before = self.rungs, self.complete
            old, self._file = self._file, self._served.open()
            old.handle.close()
            self.complete = not self._file.growing
            self._load()
            return before != (self.rungs, self.complete)

    def close(self) -> None:
        self._file.handle.close()

    def _load(self) -> None:
        entries = sorted(
            _entries(self._file.handle.name, growing=self._file.growing), key=lambda e: (e.rung, e.gop)
        )
        if not entries:
            if self.complete:
                raise BadInput("file holds no segments", file=self._served.name)
            return
        self._places = {(e.rung, e.gop): _Place(e.offset, e.length) for e in entries}
        n_rungs = entries[-1].rung + 1
        self.rungs = tuple(
            tuple(
                Gop(e.gop, e.first_frame, e.n_frames, e.length, e.crc, e.base) for e in entries if e.rung == r
            )
            for r in range(n_rungs)
        )
        if not self.header:
            n_bytes = min(e.offset for e in entries)
            if n_bytes > MAX_HEADER_BYTES:
                raise BadInput("too much before the first segment", file=self._served.name, bytes=n_bytes)
            self._file.handle.seek(0)
            self.header = self._file.handle.read(n_bytes)


def _entries(path: str, *, growing: bool) -> list[Any]:
    """The file's index entries; of a file still being written those that can be found so far."""
    from gscodec.container import GsvFile

    try:
        return list(GsvFile.open(path).index)
    except (BadInput, FileNotFoundError):
        if growing:
            return []  # its first chunks are not complete yet, or it was renamed just now
        raise


def open_media(served: ServedFile) -> Media:
    """The media of a served file; BadInput where it is none."""
    return GsvMedia(served)
