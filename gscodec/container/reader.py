"""Incremental reader: bytes in any pieces in, events out (SPEC.md chapter 2). Holds one chunk at most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gscodec.base.errors import BadInput, Truncated, Unsupported
from gscodec.container.chunks import (
    CHUNK_HEAD,
    CHUNK_OVERHEAD,
    FOOT,
    HEAD,
    INDX,
    MAGIC,
    SEGM,
    SEGMENT_HEAD,
    check_chunk,
    check_magic,
    is_critical,
    read_chunk_head,
    read_segment_head,
)
from gscodec.container.crc32c import crc32c
from gscodec.container.header import Header, read_header
from gscodec.container.index import SegmentEntry, read_index

__all__ = ["ChunkEvent", "DamageEvent", "EndEvent", "HeaderEvent", "IndexEvent", "Reader", "SegmentEvent"]


@dataclass(frozen=True, slots=True)
class HeaderEvent:
    header: Header
    offset: int


@dataclass(frozen=True, slots=True)
class SegmentEvent:
    entry: SegmentEntry
    payload: bytes


@dataclass(frozen=True, slots=True)
class IndexEvent:
    entries: list[SegmentEntry]
    offset: int


@dataclass(frozen=True, slots=True)
class ChunkEvent:
    """A chunk of a type that is not known here and may be skipped."""

    kind: bytes
    payload: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class DamageEvent:
    """A chunk whose checksum differs; only a tolerant reader goes on behind it."""

    error: BadInput
    offset: int


@dataclass(frozen=True, slots=True)
class EndEvent:
    """The footer and the closing magic: the file is whole."""

    index_offset: int
    length: int


Event = HeaderEvent | SegmentEvent | IndexEvent | ChunkEvent | DamageEvent | EndEvent


class Reader:
    """Feed bytes, drain events. After an error the reader is dead; the events before it stay valid.

    `tolerant`: a chunk whose checksum differs becomes a DamageEvent, and reading goes on behind it.
    """

    def __init__(self, *, tolerant: bool = False) -> None:
        self._tolerant = tolerant
        self._buffer = bytearray()
        self._index_offset: int | None = None
        self.offset = 0  # of the buffer's first byte in the file
        self._state = "magic"
        self._end: EndEvent | None = None
        self._seen_header = False

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def close(self) -> None:
        """No more bytes come. Raises Truncated where the file is not whole."""
        if self._state != "done" or self._buffer:
            raise Truncated("file ends before its footer", offset=self.offset + len(self._buffer))

    def events(self) -> Iterator[Event]:
        """What the bytes so far hold; whatever is whole in front of damage comes before the error."""
        while (event := self._next()) is not None:
            if not isinstance(event, bool):
                yield event

    def _take(self, n: int) -> bytes:
        data = bytes(self._buffer[:n])
        del self._buffer[:n]
        self.offset += n
        return data

    def _next(self) -> Event | bool | None:
        """An event, True for progress without one, None for more bytes wanted."""
        if self._state == "done":
            if self._buffer:
                raise BadInput("bytes behind the end of the file", offset=self.offset)
            return None
        if self._state in ("magic", "tail"):
            if len(self._buffer) < len(MAGIC):
                return None
            check_magic(bytes(self._buffer[:8]), self.offset)
            self._take(8)
            self._state, before = ("chunks" if self._state == "magic" else "done"), self._state
            return True if before == "magic" else self._end
        if len(self._buffer) < CHUNK_HEAD.size:
            return None
        kind, length = read_chunk_head(bytes(self._buffer[: CHUNK_HEAD.size]), self.offset)
        if len(self._buffer) < length + CHUNK_OVERHEAD:
            return None
        at = self.offset
        head, payload, crc = self._take(CHUNK_HEAD.size), self._take(length), self._take(4)
        try:
            check_chunk(head, payload, crc, at)
        except BadInput as error:
            if not self._tolerant:
                raise
            return DamageEvent(error, at)
        return self._event(kind, payload, at)

    def _event(self, kind: bytes, payload: bytes, at: int) -> Event | bool:
        if not self._seen_header and kind != HEAD:
            raise BadInput("the header does not come first", chunk=kind.decode(), offset=at)
        if kind == HEAD:
            self._seen_header = True
            return HeaderEvent(read_header(payload), at)
        if kind == SEGM:
            rung, gop, first, n_frames, base = read_segment_head(payload, at)
            body = payload[SEGMENT_HEAD.size :]
            offset = at + CHUNK_HEAD.size + SEGMENT_HEAD.size
            return SegmentEvent(
                SegmentEntry(rung, gop, first, n_frames, offset, len(body), crc32c(body), base), body
            )
        if kind == INDX:
            self._index_offset = at
            return IndexEvent(read_index(payload), at)
        if kind == FOOT:
            self._end = read_footer(payload, at)
            if self._end != EndEvent(self._index_offset or 0, self.offset + len(MAGIC)):
                raise BadInput("footer differs from the file", chunk="FOOT", offset=at)
            self._state = "tail"
            return True
        if is_critical(kind):
            raise Unsupported("chunk type that must be known is not", chunk=kind.decode(), offset=at)
        return ChunkEvent(kind, payload, at)


FOOTER_BYTES = 16


def read_footer(payload: bytes, offset: int) -> EndEvent:
    if len(payload) != FOOTER_BYTES:
        raise BadInput("footer of another length", chunk="FOOT", offset=offset, length=len(payload))
    return EndEvent(int.from_bytes(payload[:8], "little"), int.from_bytes(payload[8:], "little"))
