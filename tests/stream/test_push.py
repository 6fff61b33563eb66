"""The websocket push on loopback: delivery, credits, generations, and what ends a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from gscodec.base.errors import BadInput
from gscodec.stream.client import fetch_segments
from gscodec.stream.listen import BackgroundServer
from gscodec.stream.messages import End, Ping, encode_control
from gscodec.stream.protocol import ClientSide, Segment, Table

Serve = Callable[..., BackgroundServer]
Body = Callable[[int, int], bytes]


def url(server: BackgroundServer, name: str = "wave") -> str:
    return f"ws://127.0.0.1:{server.port}/ws/{name}"


def join(server: BackgroundServer, **options: Any) -> ClientConnection:
    return connect(url(server), subprotocols=["gsv.2"], **options)  # type: ignore[list-item]


def next_segment(socket: ClientConnection, side: ClientSide) -> Segment:
    while True:
        event = side.receive(socket.recv(timeout=10))
        if isinstance(event, Segment):
            return event


def closing_code(socket: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            socket.recv(timeout=10)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code


def test_every_segment_from_the_asked_frame_on_arrives_in_order(serve: Serve, body: Body) -> None:
    got = list(fetch_segments(url(serve()), range(25, 80)))
    assert got == [(10 * gop, body(0, gop)) for gop in range(2, 8)]


def test_another_rung_is_another_quality(serve: Serve, body: Body) -> None:
    got = list(fetch_segments(url(serve()), range(120), rung=1, credits=5))
    assert got == [(10 * gop, body(1, gop)) for gop in range(12)]


def test_no_more_segments_come_than_were_granted(serve: Serve) -> None:
    side = ClientSide("wave")
    with join(serve()) as socket:
        socket.send(side.open(credits=2))
        assert [next_segment(socket, side).row.gop for _ in range(2)] == [0, 1]
        socket.send(encode_control(Ping(1)))  # its answer would come after a third segment
        answer = socket.recv(timeout=10)
        assert answer == '{"type":"pong","id":1}'


def test_a_seek_leaves_the_old_generation_behind(serve: Serve, body: Body) -> None:
    side = ClientSide("wave")
    with join(serve()) as socket:
        socket.send(side.open(credits=8))
        next_segment(socket, side)
        socket.send(side.seek(frame=111, credits=8))
        assert next_segment(socket, side).data == body(0, 11)
        assert side.receive(socket.recv(timeout=10)) == End(side.generation)


def test_an_unreadable_segment_is_told_and_a_seek_goes_past_it(
    serve: Serve, fake_media: Callable[..., Any], body: Body
) -> None:
    server = serve(lambda _: fake_media(broken=3))
    with pytest.raises(BadInput, match="damaged"):
        list(fetch_segments(url(server), range(20, 120)))
    assert next(fetch_segments(url(server), range(40, 50)))[1] == body(0, 4)


def test_a_growing_file_is_followed_to_its_end(serve: Serve, fake_media: Callable[..., Any]) -> None:
    class Growing(fake_media):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__()
            self.all = self.rungs
            self.rungs = tuple(rows[:1] for rows in self.all)
            self.complete = False

        def refresh(self) -> bool:
            n = min(len(self.rungs[0]) + 4, len(self.all[0]))
            self.rungs = tuple(rows[:n] for rows in self.all)
            self.complete = n == len(self.all[0])
            return True

    got = list(fetch_segments(url(serve(lambda _: Growing())), range(10**6)))
    assert [first for first, _ in got] == list(range(0, 120, 10))


def test_a_file_without_a_segment_yet_asks_to_try_later(serve: Serve, fake_media: Callable[..., Any]) -> None:
    def empty(_: object) -> Any:
        media = fake_media()
        media.rungs, media.complete = (), False
        return media

    with join(serve(empty)) as socket:
        assert closing_code(socket) == 1013


def test_table_comes_before_segments(serve: Serve) -> None:
    side = ClientSide("wave")
    with join(serve()) as socket:
        socket.send(side.open())
        side.receive(socket.recv(timeout=10))
        table = side.receive(socket.recv(timeout=10))
        assert isinstance(table, Table) and table.complete and len(table.rows) == 12


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([b"\x00binary"], 1003),
        (["not json"], 1008),
        (['{"type":"seek","rung":0,"frame":0,"credits":1,"generation":1}'], 1008),
        (["x" * 70_000], 1009),
        (['{"type":"pong","id":1}'] * 10_000, 1008),
    ],
    ids=["binary", "not json", "wrong order", "oversize", "flood"],
)
def test_abuse_is_closed_with_its_code(serve: Serve, messages: list[str | bytes], code: int) -> None:
    with join(serve(), close_timeout=1) as socket:
        try:
            for message in messages:
                socket.send(message)
        except ConnectionClosed:
            pass
        assert closing_code(socket) == code


def test_a_foreign_page_is_refused_and_a_named_one_let_in(serve: Serve) -> None:
    server = serve(allow_origin=("https://friend.example",))
    with pytest.raises(InvalidStatus, match="403"), join(server, origin="https://foe.example"):
        pass
    for origin in (f"http://127.0.0.1:{server.port}", "https://friend.example"):
        with join(server, origin=origin) as socket:
            assert socket.subprotocol == "gsv.2"


def test_an_unknown_name_is_refused(serve: Serve) -> None:
    server = serve()
    for name in ("other", "..%2fwave", "wave.gsv", "%00"):
        with pytest.raises(InvalidStatus, match="40"), connect(url(server, name)):
            pass


def test_an_address_has_a_limited_number_of_connections(serve: Serve) -> None:
    server = serve(websockets_per_address=2)
    with join(server), join(server), pytest.raises(InvalidStatus), join(server):
        pass


def test_deflate_is_not_negotiated(serve: Serve) -> None:
    with join(serve(), compression="deflate") as socket:
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
