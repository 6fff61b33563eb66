"""The websocket protocol of spec/PROTOCOL.md as state machines without any I/O: messages in, messages out.

`ServerSide` and `ClientSide` are what the server, the Python client and the tests run; nothing here opens a
socket, reads a clock or a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gscodec.stream.messages import (
    COMPLETE,
    HEADER,
    MAX_CREDITS,
    SEGMENT,
    TABLE,
    Data,
    End,
    Error,
    Gop,
    Grant,
    Open,
    Ping,
    Pong,
    ProtocolError,
    Seek,
    decode_control,
    encode_control,
    pack,
    pack_table,
    unpack,
    unpack_table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ClientSide", "Delivery", "Event", "Header", "Segment", "ServerSide", "Table"]

# ---------------------------------------------------------------- the server's side


@dataclass(frozen=True)
class Delivery:
    """What the server should read next: the segment of `row` in `rung`, for `generation`."""

    generation: int
    rung: int
    row: Gop


class ServerSide:
    """One connection, seen from the server.

    `receive` takes a text message and returns the messages to send; `wanted` names the next segment to read,
    or None; `deliver` turns its bytes into a message, or into None where a seek has made it stale meanwhile.
    """

    def __init__(self, path: str, header: bytes, rungs: Sequence[Sequence[Gop]], *, complete: bool) -> None:
        self.path = path
        self.header = header
        self.rungs: list[tuple[Gop, ...]] = [tuple(rows) for rows in rungs]
        self.complete = complete
        self.generation: int | None = None  # None until the client has opened
        self.rung = 0
        self.next_gop = 0
        self.credits = 0
        self.ended = False
        self.tables_sent: dict[int, tuple[int, bool]] = {}  # rung -> rows sent, completeness sent

    def receive(self, text: str) -> list[str | bytes]:
        """Handle one text message; ProtocolError where it breaks the rules."""
        message = decode_control(text, sender="client")
        match message:
            case Open():
                if self.generation is not None:
                    raise ProtocolError("opened twice")
                if message.path != self.path:
                    raise ProtocolError("path is not this connection's", field="path")
                return [self._data(HEADER, self.header, message.generation), *self._begin(message)]
            case Ping(id):
                return [encode_control(Pong(id))]
            case Pong():
                return []
            case _ if self.generation is None:
                raise ProtocolError("not opened yet")
            case Seek():
                if message.generation <= self.generation:
                    raise ProtocolError("generation does not rise", field="generation")
                return self._begin(message)
            case Grant():
                return self._grant(message)
        raise ProtocolError("not a client's message")

    def wanted(self) -> Delivery | None:
        """The segment to send next, if credits, table and generation allow one."""
        if self.generation is None or self.ended or self.credits == 0:
            return None
        rows = self.rungs[self.rung]
        return (
            Delivery(self.generation, self.rung, rows[self.next_gop]) if self.next_gop < len(rows) else None
        )

    def deliver(self, delivery: Delivery, payload: bytes) -> list[str | bytes]:
        """The messages that carry `payload`: none where `delivery` is no longer wanted."""
        if delivery != self.wanted():
            return []
        row = delivery.row
        data = Data(
            SEGMENT, 0, delivery.rung, delivery.generation, row.gop, row.first_frame, row.n_frames, payload
        )
        self.credits -= 1
        self.next_gop += 1
        return [pack(data), *self._end_if_done()]

    def fail(self, code: str, message: str) -> list[str | bytes]:
        """The current generation cannot go on: say so; a seek may begin another."""
        self.ended = True
        return [encode_control(Error(self.generation or 0, code, message))]

    def grow(self, rungs: Sequence[Sequence[Gop]], *, complete: bool) -> list[str | bytes]:
        """The file has grown to `rungs` (old rows unchanged): the messages that tell the client."""
        self.rungs = [tuple(rows) for rows in rungs]
        self.complete = complete
        if self.generation is None:
            return []
        return [*self._table(), *self._end_if_done()]

    def _begin(self, message: Open | Seek) -> list[str | bytes]:
        self.generation = message.generation
        self.credits = message.credits
        self.ended = False
        if message.rung >= len(self.rungs):
            return self.fail("range", f"no rung {message.rung}: there are {len(self.rungs)}")
        self.rung = message.rung
        rows = self.rungs[self.rung]
        gop = next((row.gop for row in rows if message.frame < row.first_frame + row.n_frames), len(rows))
        table = self._table()
        if gop == len(rows) and self.complete:
            return [*table, *self.fail("range", f"no frame {message.frame}")]
        self.next_gop = gop
        return [*table, *self._end_if_done()]

    def _grant(self, message: Grant) -> list[str | bytes]:
        if self.generation is not None and message.generation > self.generation:
            raise ProtocolError("grant for a generation that was never begun", field="generation")
        if message.generation == self.generation:
            if self.credits + message.credits > MAX_CREDITS:
                raise ProtocolError("more credits than allowed", field="credits")
            self.credits += message.credits
        return []

    def _table(self) -> list[str | bytes]:
        rows = self.rungs[self.rung]
        sent = self.tables_sent.get(self.rung)
        if sent == (len(rows), self.complete):
            return []
        first = sent[0] if sent else 0
        self.tables_sent[self.rung] = (len(rows), self.complete)
        return [
            pack_table(self.generation or 0, self.rung, rows[first:], first=first, complete=self.complete)
        ]

    def _end_if_done(self) -> list[str | bytes]:
        if self.ended or not self.complete or self.next_gop < len(self.rungs[self.rung]):
            return []
        self.ended = True
        return [encode_control(End(self.generation or 0))]

    def _data(self, kind: int, body: bytes, generation: int) -> bytes:
        return pack(Data(kind, 0, 0, generation, 0, 0, 0, body))


# ---------------------------------------------------------------- the client's side


@dataclass(frozen=True)
class Header:
    """event: the file's bytes before its first segment."""

    data: bytes


@dataclass(frozen=True)
class Table:
    """event: all rows known of `rung`; `complete` where no more will come."""

    rung: int
    rows: tuple[Gop, ...]
    complete: bool


@dataclass(frozen=True)
class Segment:
    """event: the bytes of one GOP of one rung, of the current generation."""

    rung: int
    row: Gop
    data: bytes


Event = Header | Table | Segment | End | Error | Ping | Pong


class ClientSide:
    """One connection, seen from the client: `open`, `seek`, `grant` give messages to send, `receive` gives events."""

    def __init__(self, path: str, *, generation: int = 0) -> None:
        self.path = path
        self.generation = generation  # a reconnecting client goes on from its old one
        self.credits = 0  # granted and not yet used by the server
        self.opened = False
        self.next_gop: int | None = None  # GOPs of one generation come in order
        self.rung = 0
        self.tables: dict[int, Table] = {}
        self.stale = 0  # segments dropped because a seek had left them behind

    def open(self, *, rung: int = 0, frame: int = 0, credits: int = 2) -> str:
        """The first message."""
        self.opened = True
        self._begin(rung, credits)
        return encode_control(Open(self.path, rung, frame, credits, self.generation))

    def seek(self, *, frame: int, rung: int | None = None, credits: int = 2) -> str:
        """Leave the current generation: the message that begins the next one at `frame`."""
        if not self.opened:
            raise ProtocolError("not opened yet")
        self._begin(self.rung if rung is None else rung, credits)
        return encode_control(Seek(self.rung, frame, credits, self.generation))

    def grant(self, credits: int = 1) -> str:
        """Allow `credits` more segments."""
        if not self.opened or self.credits + credits > MAX_CREDITS:
            raise ProtocolError("more credits than allowed", field="credits")
        self.credits += credits
        return encode_control(Grant(credits, self.generation))

    def receive(self, message: str | bytes) -> Event | None:
        """What a message means, or None where it belongs to a generation left behind."""
        if isinstance(message, str):
            control = decode_control(message, sender="server")
            if isinstance(control, End | Error) and control.generation != self.generation:
                self._check_generation(control.generation)
                return None
            return control  # type: ignore[return-value]
        data = unpack(message)
        self._check_generation(data.generation)
        if data.kind == HEADER:
            return Header(data.body)
        return self._table(data) if data.kind == TABLE else self._segment(data)

    def _begin(self, rung: int, credits: int) -> None:
        if not 1 <= credits <= MAX_CREDITS:
            raise ProtocolError("credits out of range", field="credits", value=credits)
        self.generation += 1
        self.rung, self.credits, self.next_gop = rung, credits, None

    def _check_generation(self, generation: int) -> None:
        if generation > self.generation:
            raise ProtocolError("a generation that was never begun", generation=generation)

    def _table(self, data: Data) -> Table:
        rows = unpack_table(data)
        known = self.tables.get(data.rung, Table(data.rung, (), False)).rows
        if data.gop != len(known):
            raise ProtocolError("table does not continue the one before", gop=data.gop)
        end = known[-1].first_frame + known[-1].n_frames if known else 0
        if rows and data.first_frame != end:
            raise ProtocolError("table's frames do not continue", first_frame=data.first_frame)
        table = Table(data.rung, known + rows, bool(data.flags & COMPLETE))
        self.tables[data.rung] = table
        return table

    def _segment(self, data: Data) -> Segment | None:
        if data.generation != self.generation:
            self.stale += 1
            return None
        rows = self.tables[data.rung].rows if data.rung in self.tables else ()
        if data.rung != self.rung or data.gop >= len(rows):
            raise ProtocolError("a segment that is not in the table", rung=data.rung, gop=data.gop)
        row = rows[data.gop]
        if (data.first_frame, data.n_frames, len(data.body)) != (row.first_frame, row.n_frames, row.length):
            raise ProtocolError("a segment that contradicts the table", gop=data.gop)
        if self.credits == 0:
            raise ProtocolError("a segment without credit", gop=data.gop)
        if self.next_gop is not None and data.gop != self.next_gop:
            raise ProtocolError("a segment out of order", gop=data.gop, expected=self.next_gop)
        self.credits -= 1
        self.next_gop = data.gop + 1
        return Segment(data.rung, row, data.body)
