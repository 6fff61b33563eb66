"""The messages of spec/PROTOCOL.md: control messages as JSON text, data messages as binary with a 20-byte head."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gscodec.base.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "COMPLETE",
    "HEADER",
    "HEAD_BYTES",
    "MAX_CREDITS",
    "MAX_INCOMING_BYTES",
    "SEGMENT",
    "SUBPROTOCOL",
    "TABLE",
    "Data",
    "End",
    "Error",
    "Gop",
    "Grant",
    "Open",
    "Ping",
    "Pong",
    "ProtocolError",
    "Seek",
    "decode_control",
    "encode_control",
    "pack",
    "pack_table",
    "unpack",
    "unpack_table",
]

SUBPROTOCOL = "gsv.2"
HEAD = struct.Struct("<BBHIIII")
HEAD_BYTES = HEAD.size  # 20
TABLE_ROW = struct.Struct("<IIII")
HEADER, TABLE, SEGMENT = 1, 2, 3
COMPLETE = 1  # flag of a TABLE: no further GOPs will come
MAX_CREDITS = 16  # segments a client may have outstanding: at 1 s a GOP, twice the look-ahead a player keeps
MAX_INCOMING_BYTES = 1 << 16  # of one message to the server; the largest legal one is far below 1 KiB
U32 = (1 << 32) - 1

CLOSE_UNSUPPORTED = 1003  # a kind of message that is not read here (binary from the client)
CLOSE_POLICY = 1008  # a message that breaks the rules: order, schema, credits, rate, origin
CLOSE_TOO_BIG = 1009


class ProtocolError(BadInput):
    """The other side broke the protocol; `close_code` is what the connection is closed with."""

    def __init__(self, message: str, close_code: int = CLOSE_POLICY, **where: object) -> None:
        super().__init__(message, **where)
        self.close_code = close_code


# ---------------------------------------------------------------- control messages (JSON text)


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag=str.lower):
    """Base of the control messages: strict, flat, small."""


class Open(Control, frozen=True):
    """client: first message; begins generation `generation` of the named file at `frame` of `rung`."""

    path: str
    rung: int
    frame: int
    credits: int
    generation: int


class Seek(Control, frozen=True):
    """client: leaves the current generation for a higher one; its credits replace the old ones."""

    rung: int
    frame: int
    credits: int
    generation: int


class Grant(Control, frozen=True):
    """client: `credits` more segments may be sent in `generation` (ignored where that is no longer current)."""

    credits: int
    generation: int


class Ping(Control, frozen=True):
    """either side: asks for a Pong with the same id."""

    id: int


class Pong(Control, frozen=True):
    """either side: answers a Ping."""

    id: int


class End(Control, frozen=True):
    """server: all segments of `generation` have been sent."""

    generation: int


class Error(Control, frozen=True):
    """server: `generation` cannot go on; `code` is one of not_found, range, unreadable, internal."""

    generation: int
    code: str
    message: str


AnyControl = Open | Seek | Grant | Ping | Pong | End | Error
_from_client = msgspec.json.Decoder(Open | Seek | Grant | Ping | Pong)
_from_server = msgspec.json.Decoder(End | Error | Ping | Pong)


def encode_control(message: AnyControl) -> str:
    """One control message as JSON text, fields in declaration order."""
    return msgspec.json.encode(message).decode()


def decode_control(text: str, *, sender: str) -> AnyControl:
    """JSON text from `sender` ("client" or "server") as a message; ProtocolError where it is not a legal one."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_INCOMING_BYTES:
        raise ProtocolError("control message too long", CLOSE_TOO_BIG)
    try:
        message: AnyControl = (_from_client if sender == "client" else _from_server).decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError(f"not a control message: {error}") from error
    for field in message.__struct_fields__:
        value = getattr(message, field)
        if isinstance(value, int) and not 0 <= value <= U32:
            raise ProtocolError("number out of range", field=field, value=value)
    granted = getattr(message, "credits", 1)
    if not 1 <= granted <= MAX_CREDITS:
        raise ProtocolError("credits out of range", field="credits", value=granted)
    return message


# ---------------------------------------------------------------- data messages (binary)


@dataclass(frozen=True)
class Gop:
    """One row of the table: where a GOP of a rung stands in time, and what its bytes must be."""

    gop: int
    first_frame: int
    n_frames: int
    length: int  # bytes of the segment
    crc: int  # crc32c of these bytes
    base: int = 0  # how many GOPs back the segment lies whose base this one shares; 0: it has its own


@dataclass(frozen=True)
class Data:
    """A binary message: the head's fields and what follows it."""

    kind: int
    flags: int
    rung: int
    generation: int
    gop: int
    first_frame: int
    n_frames: int
    body: bytes


def pack(data: Data) -> bytes:
    """Head (20 bytes, little endian) and body."""
    head = HEAD.pack(
        data.kind, data.flags, data.rung, data.generation, data.gop, data.first_frame, data.n_frames
    )
    return head + data.body


def unpack(message: bytes) -> Data:
    """A binary message's fields; ProtocolError where head, kind or flags are not of this version."""
    if len(message) < HEAD_BYTES:
        raise ProtocolError("data message shorter than its head", length=len(message))
    kind, flags, rung, generation, gop, first_frame, n_frames = HEAD.unpack_from(message)
    if kind not in (HEADER, TABLE, SEGMENT):
        raise ProtocolError("unknown kind of data message", CLOSE_UNSUPPORTED, kind=kind)
    if flags & ~(COMPLETE if kind == TABLE else 0):
        raise ProtocolError("unknown flags", CLOSE_UNSUPPORTED, flags=flags)
    return Data(kind, flags, rung, generation, gop, first_frame, n_frames, message[HEAD_BYTES:])


def pack_table(generation: int, rung: int, rows: Sequence[Gop], *, first: int, complete: bool) -> bytes:
    """The TABLE message for `rows`, which continue a table of `first` rows already sent."""
    body = b"".join(TABLE_ROW.pack(row.n_frames, row.length, row.crc, row.base) for row in rows)
    start = rows[0].first_frame if rows else 0
    n_frames = sum(row.n_frames for row in rows)
    return pack(Data(TABLE, COMPLETE if complete else 0, rung, generation, first, start, n_frames, body))


def unpack_table(data: Data) -> tuple[Gop, ...]:
    """The rows of a TABLE message; ProtocolError where they do not add up."""
    if len(data.body) % TABLE_ROW.size:
        raise ProtocolError("table is cut", length=len(data.body))
    rows: list[Gop] = []
    frame = data.first_frame
    for i, (n_frames, length, crc, base) in enumerate(TABLE_ROW.iter_unpack(data.body)):
        if n_frames == 0:
            raise ProtocolError("a GOP without frames", gop=data.gop + i)
        if base > data.gop + i:
            raise ProtocolError("a base before the first GOP", gop=data.gop + i, base=base)
        rows.append(Gop(data.gop + i, frame, n_frames, length, crc, base))
        frame += n_frames
    if frame - data.first_frame != data.n_frames:
        raise ProtocolError("table's frames do not add up", field="n_frames")
    return tuple(rows)
