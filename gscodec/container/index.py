"""INDX: where each segment's bytes lie (SPEC.md 3.3). An hour of one-second GOPs is about 25 KB."""

from __future__ import annotations

from dataclasses import dataclass

from gscodec.base.errors import BadInput, LimitExceeded, Truncated, Unsupported
from gscodec.base.limits import MAX_CHUNK_BYTES
from gscodec.container.chunks import MAX_FRAME
from gscodec.container.header import unzip, zip_bytes

__all__ = ["SegmentEntry", "read_index", "write_index"]

INDEX_VERSION = 2
MAX_ENTRIES = 1 << 19  # six rungs of a day of one-second GOPs; some 100 MB of Python objects


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """One segment: `length` bytes at `offset` (the codec's bytes, without chunk and segment heads), CRC-32C `crc`."""

    rung: int
    gop: int
    first_frame: int
    n_frames: int
    offset: int
    length: int
    crc: int
    base: int = 0  # how many GOPs back the segment lies whose base this one shares; 0: it has its own


def _uv(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


class _Numbers:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def uv(self) -> int:
        value = 0
        for i in range(7):
            if self.at >= len(self.data):
                raise Truncated("index ends too early", chunk="INDX")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << (7 * i)
            if byte < 128:
                if value > MAX_FRAME:
                    raise BadInput("number too large", chunk="INDX", value=value)
                return value
        raise BadInput("number longer than seven bytes", chunk="INDX")

    def u32(self) -> int:
        if self.at + 4 > len(self.data):
            raise Truncated("index ends too early", chunk="INDX")
        self.at += 4
        return int.from_bytes(self.data[self.at - 4 : self.at], "little")


def write_index(entries: list[SegmentEntry]) -> bytes:
    """Entries of each rung in order of frames."""
    rungs = sorted({e.rung for e in entries})
    out = bytearray([INDEX_VERSION])
    out += _uv(len(rungs))
    for rung in rungs:
        mine = [e for e in entries if e.rung == rung]
        out += _uv(rung) + _uv(len(mine))
        frame = end = gop = 0
        for e in mine:
            out += (
                _uv(e.gop - gop)
                + _uv(e.first_frame - frame)
                + _uv(e.n_frames)
                + _uv(e.offset - end)
                + _uv(e.length)
            )
            out += e.crc.to_bytes(4, "little") + _uv(e.base)
            frame, end, gop = e.first_frame + e.n_frames, e.offset + e.length, e.gop + 1
    return zip_bytes(bytes(out))


def _read_rung(n: _Numbers, rung: int, count: int) -> list[SegmentEntry]:
    out: list[SegmentEntry] = []
    frame = end = gop = 0
    for _ in range(count):
        gop, first, n_frames = gop + n.uv(), frame + n.uv(), n.uv()
        offset, length = end + n.uv(), n.uv()
        frame, end = first + n_frames, offset + length
        if not 0 < n_frames <= 0xFFFF or gop > 0xFFFFFFFF or max(frame, end) > MAX_FRAME:
            raise BadInput("entry out of range", chunk="INDX", rung=rung, gop=gop)
        if length > MAX_CHUNK_BYTES:
            raise LimitExceeded("segment too long", chunk="INDX", rung=rung, gop=gop, length=length)
        crc, base = n.u32(), n.uv()
        if base > gop:
            raise BadInput("base before the first segment", chunk="INDX", rung=rung, gop=gop)
        out.append(SegmentEntry(rung, gop, first, n_frames, offset, length, crc, base))
        gop += 1
    return out


def read_index(payload: bytes) -> list[SegmentEntry]:
    """Raises BadInput and its kin. Entries' offsets rise within a rung; the caller checks them against the file."""
    data = unzip(payload, "INDX")
    if not data:
        raise Truncated("index is empty", chunk="INDX")
    if data[0] != INDEX_VERSION:
        raise Unsupported("index version not read here", chunk="INDX", version=data[0])
    n = _Numbers(data[1:])
    out: list[SegmentEntry] = []
    rungs: set[int] = set()
    for _ in range(n.uv()):
        rung, count = n.uv(), n.uv()
        if rung in rungs or rung > 0xFFFF:
            raise BadInput("rung out of range or twice the same", chunk="INDX", rung=rung)
        if len(out) + count > MAX_ENTRIES:
            raise LimitExceeded("too many segments", chunk="INDX", asked=len(out) + count)
        rungs.add(rung)
        out += _read_rung(n, rung, count)
    if n.at != len(n.data):
        raise BadInput("bytes left over in the index", chunk="INDX")
    return out
