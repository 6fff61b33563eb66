"""Writing a .gsv: segments are appended to OUT.gsv.part; finishing lays out the final file and renames it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import msgspec

from gscodec.base.errors import Misuse
from gscodec.base.limits import MAX_CHUNK_BYTES
from gscodec.container.chunks import (
    CHUNK_HEAD,
    CHUNK_OVERHEAD,
    FOOT,
    FREE,
    HEAD,
    INDX,
    MAGIC,
    SEGMENT_HEAD,
    is_critical,
    write_chunk,
    write_segment_chunk,
)
from gscodec.container.crc32c import crc32c
from gscodec.container.header import Header, write_header
from gscodec.container.index import SegmentEntry, write_index

__all__ = ["GsvWriter", "part_path"]

MAX_SEGMENT_BYTES = MAX_CHUNK_BYTES - SEGMENT_HEAD.size


def part_path(path: str | Path) -> Path:
    """The growing file beside the final one; it can be served, and repaired after a crash."""
    return Path(f"{path}.part")


class GsvWriter:
    """Append segments, then `finish`; `abort` leaves nothing. A target that exists stays whole until the rename.

    The part file holds magic, HEAD (frames 0) and the chunks so far: a live file. The finished one has the index in
    front of the segments (and again behind them), so that a player needs one read before the first segment.
    """

    def __init__(self, path: str | Path, header: Header, *, part: Path | None = None) -> None:
        """`part`: where the growing file stands, if not at `part_path`."""
        self.path, self.part = Path(path), part or part_path(path)
        self.header = header
        self.entries: list[SegmentEntry] = []
        self.extras: list[bytes] = []
        self._last: dict[int, SegmentEntry] = {}  # of each rung
        self._file = open(self.part, "w+b")  # noqa: SIM115 (closed by finish or abort)
        self._at = 0
        try:
            self._write(MAGIC + write_chunk(HEAD, write_header(msgspec.structs.replace(header, frames=0))))
        except BaseException:
            self.abort()
            raise

    def _write(self, data: bytes) -> int:
        at = self._at
        self._file.write(data)
        self._file.flush()
        self._at += len(data)
        return at

    def add_segment(
        self, payload: bytes, *, first_frame: int, n_frames: int, rung: int = 0, base: int = 0
    ) -> SegmentEntry:
        """Append one segment; frames of a rung come in order. `base`: how many GOPs back its shared base is."""
        if not 0 < n_frames <= 0xFFFF or not 0 <= rung <= 0xFFFF or len(payload) > MAX_SEGMENT_BYTES:
            raise Misuse("segment out of range", rung=rung, n_frames=n_frames, length=len(payload))
        last = self._last.get(rung)
        if last and first_frame < last.first_frame + last.n_frames:
            raise Misuse(
                "segments of a rung must come in order of frames", rung=rung, first_frame=first_frame
            )
        gop = last.gop + 1 if last else 0
        if not 0 <= base <= min(gop, 0xFFFF):
            raise Misuse("a base lies among the earlier segments", rung=rung, gop=gop, base=base)
        at = self._write(write_segment_chunk(payload, rung, gop, first_frame, n_frames, base))
        offset = at + CHUNK_HEAD.size + SEGMENT_HEAD.size
        entry = SegmentEntry(rung, gop, first_frame, n_frames, offset, len(payload), crc32c(payload), base)
        self.entries.append(entry)
        self._last[rung] = entry
        return entry

    def add_chunk(self, kind: bytes, payload: bytes) -> None:
        """A further chunk (poster, audio ...) that other readers may skip; it goes in front of the segments."""
        if len(kind) != 4 or is_critical(kind):
            raise Misuse(
                "a further chunk has a type of four letters, the first in lower case", chunk=str(kind)
            )
        self._write(write_chunk(kind, payload))
        self.extras.append(write_chunk(kind, payload))

    def finish(self) -> None:
        """Write the final file beside the part and rename it; the part is gone afterwards."""
        final = Path(f"{self.path}.final")
        try:
            with open(final, "wb") as out:
                self._lay_out(out)
                out.flush()
                os.fsync(out.fileno())
            os.replace(final, self.path)
            _sync_folder(self.path.parent)
        except BaseException:
            final.unlink(missing_ok=True)
            raise
        finally:
            self._file.close()
        self.part.unlink(missing_ok=True)

    def _lay_out(self, out) -> None:  # type: ignore[no-untyped-def]
        frames = max((e.first_frame + e.n_frames for e in self.entries), default=0)
        front = MAGIC + write_chunk(HEAD, write_header(msgspec.structs.replace(self.header, frames=frames)))
        front += b"".join(self.extras)
        index_room = (
            len(write_index(self.entries)) + 16 * len(self.entries).bit_length() + 2 * len(self.entries) + 64
        )
        entries = self._moved(len(front) + index_room + 2 * CHUNK_OVERHEAD)
        index = write_index(entries)
        while len(index) > index_room:  # offsets grew by more than the room left for them
            index_room = len(index) + 64
            entries = self._moved(len(front) + index_room + 2 * CHUNK_OVERHEAD)
            index = write_index(entries)
        out.write(front + write_chunk(INDX, index) + write_chunk(FREE, bytes(index_room - len(index))))
        for old, new in zip(self._in_file_order(self.entries), self._in_file_order(entries), strict=True):
            self._file.seek(old.offset)
            payload = self._file.read(old.length)
            out.write(
                write_segment_chunk(payload, new.rung, new.gop, new.first_frame, new.n_frames, new.base)
            )
        index_offset = out.tell()
        out.write(write_chunk(INDX, index))
        length = out.tell() + CHUNK_OVERHEAD + 16 + len(MAGIC)
        out.write(
            write_chunk(FOOT, index_offset.to_bytes(8, "little") + length.to_bytes(8, "little")) + MAGIC
        )

    @staticmethod
    def _in_file_order(entries: list[SegmentEntry]) -> list[SegmentEntry]:
        """A finished file holds each rung's segments together."""
        return sorted(entries, key=lambda e: (e.rung, e.gop))

    def _moved(self, start: int) -> list[SegmentEntry]:
        out, at = [], start
        for e in self._in_file_order(self.entries):
            out.append(replace(e, offset=at + CHUNK_HEAD.size + SEGMENT_HEAD.size))
            at += CHUNK_OVERHEAD + SEGMENT_HEAD.size + e.length
        return out

    def abort(self) -> None:
        """Leave nothing behind."""
        self._file.close()
        self.part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make the rename last through a power cut, where the system opens folders."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
