"""A plain reader of .gsv files, in the order of SPEC.md chapters 2 to 4: whole files in memory, no speed.

It exists to be read beside the specification and to check the fast readers; it shares no code with them.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import zstandard

MAX_CHUNK = 1 << 28
MAX_METADATA = 1 << 24
MAX_FRAME = 1 << 48
MAX_ENTRIES = 1 << 19


class BadFile(Exception):
    """`kind` is truncated, bad, unsupported or limit (chapter 6)."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(f"{kind}: {what}")
        self.kind = kind


def check(condition: bool, what: str, kind: str = "bad") -> None:
    if not condition:
        raise BadFile(kind, what)


# 2 The file

MAGIC = bytes([0x89, 0x47, 0x53, 0x56, 0x0D, 0x0A, 0x1A, 0x02])
KNOWN = ("HEAD", "SEGM", "INDX", "FOOT")
FOOTER = 8 + 16 + 4 + len(MAGIC)  # the FOOT chunk and the closing magic


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def check_magic(data: bytes) -> None:
    check(len(data) >= len(MAGIC), "magic", "truncated")
    check(data[:7] == MAGIC[:7], "not a .gsv file")
    check(data[7] == MAGIC[7], f"major version {data[7]}", "unsupported")


def read_chunk(data: bytes, at: int) -> tuple[str, bytes, int]:
    """(type, payload, where the next chunk starts) of the chunk at `at`."""
    check(at + 8 <= len(data), "chunk head", "truncated")
    kind, (length,) = data[at : at + 4], struct.unpack_from("<I", data, at + 4)
    check(all(chr(b) in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" for b in kind), "chunk type")
    check(length <= MAX_CHUNK, "chunk length", "limit")
    end = at + 8 + length
    check(end + 4 <= len(data), "chunk", "truncated")
    check(struct.unpack_from("<I", data, end)[0] == crc32c(data[at:end]), "checksum")
    return kind.decode(), data[at + 8 : end], end + 4


# 3.1 HEAD


def unzip(data: bytes) -> bytes:
    """One zstd frame that states its content size, and nothing behind it."""
    try:
        size = zstandard.frame_content_size(data)
        check(0 <= size <= MAX_METADATA, "size of metadata", "limit")
        check(zstandard.get_frame_parameters(data).window_size <= MAX_METADATA, "window", "limit")
        return bytes(zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False))
    except zstandard.ZstdError as error:
        raise BadFile("bad", f"zstd: {error}") from None


def whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda v: type(v) is int and low <= v <= high


def number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) < 1e30


def vector(value: Any) -> bool:
    return type(value) is list and len(value) == 3 and all(map(number, value))


def text(value: Any) -> bool:
    return type(value) is str


def positive(value: Any) -> bool:
    return number(value) and value > 0


def pair(low: int) -> Callable[[Any], bool]:
    return lambda v: type(v) is list and len(v) == 2 and all(map(whole(low, 2**31 - 1), v))


count = whole(0, 2**31 - 1)
BOUNDS = {"center": ([0, 0, 0], vector), "radius": (1, positive)}
RUNG = {
    "id": (0, whole(0, 65535)),
    "payload": ("video", text),
    "codecs": ([], lambda v: type(v) is list and all(map(text, v))),
    "width": (0, count),
    "height": (0, count),
    "slots": (0, count),
    "quality": (0, number),
}
HEADER = {
    "version": ([1, 0], pair(0)),
    "generator": ("", text),
    "title": ("", text),
    "fps": ([30, 1], pair(1)),
    "frames": (0, whole(0, MAX_FRAME)),
    "sh_degree": (0, whole(0, 3)),
    "kernel": ("classic", text),
    "up": ([0, -1, 0], vector),
    "unit_m": (1, positive),
    "bounds": ({}, lambda v: type(v) is dict),
    "rungs": ([{}], lambda v: type(v) is list and len(v) > 0 and all(type(r) is dict for r in v)),
}


def fields(table: dict[str, tuple[Any, Callable[[Any], bool]]], told: dict[str, Any]) -> dict[str, Any]:
    """The known fields of `told`; those that are missing take their default."""
    out = {name: told.get(name, default) for name, (default, _) in table.items()}
    for name, (_, good) in table.items():
        check(good(out[name]), f"field {name}")
    return out


def read_header(payload: bytes) -> dict[str, Any]:
    try:
        told = json.loads(unzip(payload).decode())
    except ValueError:
        raise BadFile("bad", "HEAD is not JSON in UTF-8") from None
    check(type(told) is dict, "HEAD is not an object")
    header = fields(HEADER, told)
    header["bounds"] = fields(BOUNDS, header["bounds"])
    header["rungs"] = [fields(RUNG, rung) for rung in header["rungs"]]
    check(len({rung["id"] for rung in header["rungs"]}) == len(header["rungs"]), "a rung twice")
    check(header["fps"][0] < 10000 * header["fps"][1], "fps")
    check(any(header["up"]), "up")
    check(header["kernel"] in ("classic", "compensated"), "kernel", "unsupported")
    return header


# 3.2 SEGM


@dataclass(frozen=True)
class Entry:
    rung: int
    gop: int
    first_frame: int
    n_frames: int
    offset: int
    length: int
    crc: int
    base: int


def read_segment(payload: bytes, offset: int) -> tuple[Entry, bytes]:
    """`offset`: of the payload in the file."""
    check(len(payload) >= 18, "segment head", "truncated")
    rung, base, gop, first, n_frames = struct.unpack_from("<HHIQH", payload)
    check(base <= gop, "base before the first segment")
    check(n_frames > 0 and first + n_frames <= MAX_FRAME, "frames of a segment")
    body = payload[18:]
    return Entry(rung, gop, first, n_frames, offset + 18, len(body), crc32c(body), base), body


# 3.3 INDX


class Numbers:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, n: int) -> bytes:
        check(self.at + n <= len(self.data), "index", "truncated")
        self.at += n
        return self.data[self.at - n : self.at]

    def uv(self) -> int:
        value = 0
        for i in range(7):
            byte = self.take(1)[0]
            value |= (byte & 127) << (7 * i)
            if byte < 128:
                check(value <= MAX_FRAME, "number")
                return value
        raise BadFile("bad", "number of more than seven bytes")


def read_index(payload: bytes) -> list[Entry]:
    n = Numbers(unzip(payload))
    check(n.take(1)[0] == 2, "index version", "unsupported")
    entries: list[Entry] = []
    rungs: list[int] = []
    for _ in range(n.uv()):
        rung, of_rung = n.uv(), n.uv()
        check(rung <= 65535 and rung not in rungs, "rung")
        check(len(entries) + of_rung <= MAX_ENTRIES, "entries", "limit")
        rungs.append(rung)
        gop = frame = end = 0
        for _ in range(of_rung):
            gop += n.uv()
            first, n_frames = frame + n.uv(), n.uv()
            offset, length = end + n.uv(), n.uv()
            frame, end = first + n_frames, offset + length
            check(1 <= n_frames <= 65535 and gop < 2**32 and frame <= MAX_FRAME and end <= MAX_FRAME, "entry")
            check(length <= MAX_CHUNK, "segment length", "limit")
            crc, base = struct.unpack("<I", n.take(4))[0], n.uv()
            check(base <= gop, "base before the first segment")
            entries.append(Entry(rung, gop, first, n_frames, offset, length, crc, base))
            gop += 1
    check(n.at == len(n.data), "bytes left over in the index")
    return entries


# 3.4 FOOT


def read_footer(payload: bytes) -> tuple[int, int]:
    """(offset of the last INDX, length of the file)."""
    check(len(payload) == 16, "length of the footer")
    index_offset, length = struct.unpack("<QQ", payload)
    return index_offset, length


# 4 Reading


@dataclass
class File:
    header: dict[str, Any] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    segments: list[bytes] = field(default_factory=list)
    indexes: list[list[Entry]] = field(default_factory=list)
    index_offset: int = 0


def chunks(data: bytes) -> Iterator[tuple[int, str, bytes, int]]:
    """(offset, type, payload, offset of what follows) of each chunk up to FOOT."""
    check_magic(data)
    at, kind = len(MAGIC), ""
    while kind != "FOOT":
        start = at
        kind, payload, at = read_chunk(data, at)
        yield start, kind, payload, at


def add(out: File, kind: str, payload: bytes, start: int) -> None:
    check(bool(out.header) or kind == "HEAD", "HEAD does not come first")
    if kind == "HEAD":
        out.header = read_header(payload)
    elif kind == "SEGM":
        entry, body = read_segment(payload, start + 8)
        out.entries.append(entry)
        out.segments.append(body)
    elif kind == "INDX":
        out.indexes.append(read_index(payload))
        out.index_offset = start
    elif kind != "FOOT":
        check(kind[0].islower(), f"chunk {kind}", "unsupported")


def read_in_order(data: bytes) -> File:
    """A whole, finished file from its first byte to its last."""
    out = File()
    for start, kind, payload, following in chunks(data):
        add(out, kind, payload, start)
        if kind == "FOOT":
            check(read_footer(payload) == (out.index_offset, following + len(MAGIC)), "footer")
            check_magic(data[following:])
            check(len(data) == following + len(MAGIC), "bytes behind the end")
    return out


def read_growing(data: bytes) -> File:
    """What a file that is still being written holds so far; a last chunk that is not whole is left aside."""
    out = File()
    try:
        for start, kind, payload, _ in chunks(data):
            add(out, kind, payload, start)
    except BadFile as error:
        check(error.kind == "truncated" and bool(out.header), str(error), error.kind)
    return out


def read_by_footer(data: bytes) -> tuple[dict[str, Any], list[Entry]]:
    """Header and index of a finished file, by its last bytes; where that index is damaged, by the front copy."""
    check_magic(data)
    check(len(data) >= len(MAGIC) + FOOTER and data[-8:] == MAGIC, "no closing magic", "truncated")
    kind, payload, _ = read_chunk(data, len(data) - FOOTER)
    check(kind == "FOOT", "footer")
    index_offset, length = read_footer(payload)
    check(length == len(data), "length of the file")
    kind, payload, following = read_chunk(data, len(MAGIC))
    check(kind == "HEAD", "HEAD does not come first")
    header = read_header(payload)
    try:
        return header, index_at(data, index_offset)
    except BadFile as error:
        kind, _, after = read_chunk(data, following)
        while kind[0].islower():
            following = after
            kind, _, after = read_chunk(data, following)
        if kind != "INDX" or following == index_offset:
            raise error from None
        return header, index_at(data, following)


def index_at(data: bytes, offset: int) -> list[Entry]:
    kind, payload, _ = read_chunk(data, offset)
    check(kind == "INDX", "no index where one is said to be")
    entries = read_index(payload)
    check(all(e.offset + e.length <= len(data) for e in entries), "index points beyond the file")
    return entries
