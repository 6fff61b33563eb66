"""Chunks (SPEC.md chapter 2): type, length, payload, CRC-32C."""

from __future__ import annotations

import struct

from gscodec.base.errors import BadInput, LimitExceeded, Truncated, Unsupported
from gscodec.base.limits import MAX_CHUNK_BYTES
from gscodec.container.crc32c import crc32c

__all__ = [
    "CHUNK_HEAD",
    "CHUNK_OVERHEAD",
    "FOOT",
    "FREE",
    "HEAD",
    "INDX",
    "KNOWN",
    "MAGIC",
    "SEGM",
    "SEGMENT_HEAD",
    "check_magic",
    "is_critical",
    "read_chunk_head",
    "read_segment_head",
    "write_chunk",
    "write_segment_chunk",
]

# A byte above 127, the name, a line end that text modes would change, end-of-file, and the major version.
MAGIC = b"\x89GSV\r\n\x1a\x02"
CHUNK_HEAD = struct.Struct("<4sI")  # type, payload length
CHUNK_OVERHEAD = CHUNK_HEAD.size + 4
SEGMENT_HEAD = struct.Struct("<HHIQH")  # rung, GOPs back to the base, GOP number, first frame, frames

HEAD, SEGM, INDX, FOOT = b"HEAD", b"SEGM", b"INDX", b"FOOT"
FREE = b"free"  # padding
# Reserved, so that readers of this version skip what later writers may add.
INIT, AUDI, THMB, POST, META = b"init", b"audi", b"thmb", b"post", b"meta"
KNOWN = (HEAD, SEGM, INDX, FOOT)


def check_magic(data: bytes, offset: int = 0) -> None:
    """The eight bytes at the start (or end) of a file. Raises Unsupported for another major version."""
    if len(data) < len(MAGIC):
        raise Truncated("file is shorter than its magic bytes", length=len(data), offset=offset)
    if data[:7] == MAGIC[:7] and data[7] != MAGIC[7]:
        raise Unsupported(f"major version {data[7]} of the format; this program reads version {MAGIC[7]}")
    if data[:8] != MAGIC:
        raise BadInput("not a .gsv file: magic bytes differ", offset=offset)


def is_critical(kind: bytes) -> bool:
    """Upper case in the first letter: a reader that does not know the type must not go on."""
    return not kind[0] & 0x20


def read_chunk_head(data: bytes, offset: int) -> tuple[bytes, int]:
    """(type, payload length) of the eight bytes `data` that stand at `offset`."""
    kind, length = CHUNK_HEAD.unpack(data)
    if not all(65 <= (b & 0xDF) <= 90 for b in kind):
        raise BadInput("chunk type is not four letters", offset=offset)
    if length > MAX_CHUNK_BYTES:
        raise LimitExceeded("chunk too long", chunk=kind.decode(), offset=offset, length=length)
    return kind, length


def check_chunk(head: bytes, payload: bytes, crc: bytes, offset: int) -> None:
    """Raise BadInput where the checksum differs."""
    want, got = int.from_bytes(crc, "little"), crc32c(payload, crc32c(head))
    if want != got:
        raise BadInput("checksum differs", chunk=head[:4].decode(), offset=offset, want=want, got=got)


def write_chunk(kind: bytes, payload: bytes) -> bytes:
    head = CHUNK_HEAD.pack(kind, len(payload))
    return head + payload + crc32c(payload, crc32c(head)).to_bytes(4, "little")


def write_segment_chunk(
    payload: bytes, rung: int, gop: int, first_frame: int, n_frames: int, base: int = 0
) -> bytes:
    return write_chunk(SEGM, SEGMENT_HEAD.pack(rung, base, gop, first_frame, n_frames) + payload)


def read_segment_head(payload: bytes, offset: int) -> tuple[int, int, int, int, int]:
    """(rung, GOP number, first frame, frames, GOPs back to the base) of a SEGM payload."""
    if len(payload) < SEGMENT_HEAD.size:
        raise Truncated("segment head", chunk="SEGM", offset=offset)
    rung, base, gop, first, n_frames = SEGMENT_HEAD.unpack_from(payload)
    if base > gop:
        raise BadInput("base before the first segment", chunk="SEGM", offset=offset, base=base)
    if n_frames == 0 or first + n_frames > MAX_FRAME:
        raise BadInput("frames of a segment", chunk="SEGM", offset=offset, first=first, frames=n_frames)
    return rung, gop, first, n_frames, base


MAX_FRAME = 1 << 48  # exact in a double, so in JavaScript too
