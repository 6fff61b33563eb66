"""A .gsv on disk: header and index at once, segments when asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gscodec.base.errors import BadInput, GscodecError, Truncated
from gscodec.container.chunks import (
    CHUNK_HEAD,
    CHUNK_OVERHEAD,
    FOOT,
    HEAD,
    INDX,
    MAGIC,
    check_chunk,
    check_magic,
    is_critical,
    read_chunk_head,
)
from gscodec.container.crc32c import crc32c
from gscodec.container.header import Header, read_header
from gscodec.container.index import SegmentEntry, read_index
from gscodec.container.reader import FOOTER_BYTES, EndEvent, HeaderEvent, Reader, SegmentEvent, read_footer

__all__ = ["GsvFile", "read_chunk_at"]

FOOTER_ROOM = CHUNK_OVERHEAD + FOOTER_BYTES + len(MAGIC)
SCAN_BYTES = 1 << 20


def read_chunk_at(file: BinaryIO, offset: int, size: int) -> tuple[bytes, bytes]:
    """(type, payload) of the chunk at `offset` of a file of `size` bytes."""
    if offset + CHUNK_HEAD.size > size:  # also: seek takes no offset of 2^63 and more
        raise Truncated("chunk head", offset=offset)
    file.seek(offset)
    head = file.read(CHUNK_HEAD.size)
    kind, length = read_chunk_head(head, offset)
    if offset + length + CHUNK_OVERHEAD > size:
        raise Truncated("chunk reaches beyond the file", chunk=kind.decode(), offset=offset, length=length)
    payload, crc = file.read(length), file.read(4)
    check_chunk(head, payload, crc, offset)
    return kind, payload


@dataclass(frozen=True, slots=True)
class GsvFile:
    """An opened file; it holds no handle. `complete`: it has its footer."""

    path: Path
    header: Header
    index: list[SegmentEntry]
    size: int
    complete: bool

    @classmethod
    def open(cls, path: str | Path) -> GsvFile:
        """Open a finished file by its footer, a growing one (.part) by scanning.

        Raises BadInput and its kin, naming the file; a cut file names `gscodec repair`.
        """
        path = Path(path)
        try:
            size = os.stat(path).st_size
            with open(path, "rb") as file:
                check_magic(file.read(8))
                if path.suffix == ".part":
                    return cls._scan(path, file, size)
                return cls._by_footer(path, file, size)
        except FileNotFoundError:
            raise BadInput("no such file", file=str(path)) from None
        except IsADirectoryError:
            raise BadInput("is a folder, not a .gsv file", file=str(path)) from None
        except GscodecError as error:
            error.where.setdefault("file", str(path))
            raise

    @classmethod
    def _by_footer(cls, path: Path, file: BinaryIO, size: int) -> GsvFile:
        end = cls._footer(file, size)
        kind, payload = read_chunk_at(file, 8, size)
        if kind != HEAD:
            raise BadInput("the header does not come first", chunk=kind.decode(), offset=8)
        header = read_header(payload)
        try:
            index = _index_at(file, end.index_offset, size)
        except BadInput:
            front = _front_index(file, size)
            if front is None or front == end.index_offset:
                raise
            index = _index_at(file, front, size)
        return cls(path, header, index, size, True)

    @staticmethod
    def _footer(file: BinaryIO, size: int) -> EndEvent:
        hint = "file is cut or still being written; `gscodec repair` saves what is whole"
        if size < FOOTER_ROOM + 8:
            raise Truncated(hint, length=size)
        file.seek(size - 8)
        if file.read(8) != MAGIC:
            raise Truncated(hint, length=size)
        kind, payload = read_chunk_at(file, size - FOOTER_ROOM, size)
        if kind != FOOT:
            raise BadInput(
                "no footer in front of the closing magic", chunk=kind.decode(), offset=size - FOOTER_ROOM
            )
        end = read_footer(payload, size - FOOTER_ROOM)
        if end.length != size:
            raise BadInput("file length differs from the footer's", want=end.length, got=size)
        return end

    @classmethod
    def _scan(cls, path: Path, file: BinaryIO, size: int) -> GsvFile:
        """A growing file: the whole chunks so far; damaged ones, and a last one that is not whole yet, are left aside."""
        reader, header, entries = Reader(tolerant=True), None, []
        file.seek(0)
        while data := file.read(SCAN_BYTES):
            reader.feed(data)
            for event in reader.events():
                if isinstance(event, HeaderEvent):
                    header = event.header
                elif isinstance(event, SegmentEvent):
                    entries.append(event.entry)
        if header is None:
            raise Truncated("no header yet", length=size)
        return cls(path, header, entries, size, False)

    def read_segment(self, entry: SegmentEntry) -> bytes:
        """The codec's bytes of one segment. Raises BadInput where they are damaged."""
        with open(self.path, "rb") as file:
            file.seek(entry.offset)
            data = file.read(entry.length)
        if len(data) < entry.length:
            raise Truncated("segment reaches beyond the file", file=str(self.path), gop=entry.gop)
        if crc32c(data) != entry.crc:
            raise BadInput("segment is damaged", file=str(self.path), gop=entry.gop, offset=entry.offset)
        return data


def _index_at(file: BinaryIO, offset: int, size: int) -> list[SegmentEntry]:
    kind, payload = read_chunk_at(file, offset, size)
    if kind != INDX:
        raise BadInput("no index where one is said to be", chunk=kind.decode(), offset=offset)
    index = read_index(payload)
    for e in index:
        if e.offset + e.length > size:
            raise BadInput("index points beyond the file", chunk="INDX", gop=e.gop, offset=e.offset)
    return index


def _front_index(file: BinaryIO, size: int) -> int | None:
    """Where the copy of the index in front of the segments lies, None where there is none."""
    at = len(MAGIC)
    while at + CHUNK_OVERHEAD <= size:
        file.seek(at)
        kind, length = read_chunk_head(file.read(CHUNK_HEAD.size), at)
        if kind == INDX:
            return at
        if kind != HEAD and is_critical(kind):
            return None
        at += length + CHUNK_OVERHEAD
    return None
