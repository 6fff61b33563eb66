"""The protocol core: shared vectors, and properties over random talk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gscodec.stream.messages import (
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
    ProtocolError,
    Seek,
    decode_control,
    encode_control,
    pack,
    unpack,
    unpack_table,
)
from gscodec.stream.protocol import ClientSide, Header, Segment, ServerSide, Table

VECTORS = Path(__file__).parents[2] / "spec" / "vectors" / "protocol"
KINDS = {"header": HEADER, "table": TABLE, "segment": SEGMENT}


def load(name: str) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in json.loads((VECTORS / name).read_text())]


@pytest.mark.parametrize("case", load("heads.json"))
def test_head_vector_reads_as_written(case: dict[str, Any]) -> None:
    message = bytes.fromhex(case["hex"])
    if "error" in case:
        with pytest.raises(ProtocolError):
            unpack(message)
        return
    fields = case["fields"] | {
        "kind": KINDS[case["fields"]["kind"]],
        "body": bytes.fromhex(case["fields"]["body"]),
    }
    assert unpack(message) == Data(**fields)
    assert pack(Data(**fields)) == message


@pytest.mark.parametrize("case", load("tables.json"))
def test_table_vector_reads_as_written(case: dict[str, Any]) -> None:
    data = unpack(bytes.fromhex(case["hex"]))
    if "error" in case:
        with pytest.raises(ProtocolError):
            unpack_table(data)
    else:
        assert unpack_table(data) == tuple(Gop(*row) for row in case["rows"])


@pytest.mark.parametrize("case", load("client.json"))
def test_client_vector_plays_as_written(case: dict[str, Any]) -> None:
    side = ClientSide(case["path"], generation=case["generation"])
    for step in case["steps"]:
        if "error" in step:
            with pytest.raises(ProtocolError):
                take(side, step)
        else:
            assert take(side, step) == step.get("sends", step.get("event"))


def take(side: ClientSide, step: dict[str, Any]) -> Any:
    if "call" in step:
        return json.loads(getattr(side, step["call"])(**step["args"]))
    event = side.receive(
        step["receive_text"] if "receive_text" in step else bytes.fromhex(step["receive_hex"])
    )
    match event:
        case Header(data):
            return {"type": "header", "data": data.hex()}
        case Table(rung, rows, complete):
            return {"type": "table", "rung": rung, "rows": len(rows), "complete": complete}
        case Segment(rung, row, data):
            return {"type": "segment", "rung": rung, "gop": row.gop, "data": data.hex()}
        case None:
            return None
        case _:
            return json.loads(encode_control(event))


def server(n_gops: int = 5, *, complete: bool = True) -> ServerSide:
    rows = [Gop(g, 10 * g, 10, g + 1, g) for g in range(n_gops)]
    return ServerSide("wave", b"GSV", [rows, rows], complete=complete)


def body(gop: int) -> bytes:
    return bytes([gop] * (gop + 1))


def test_no_segment_is_wanted_without_credit() -> None:
    side = server()
    side.receive(encode_control(Open("wave", 0, 0, 1, 1)))
    delivery = side.wanted()
    assert delivery is not None and side.deliver(delivery, body(0))
    assert side.wanted() is None
    side.receive(encode_control(Grant(1, 1)))
    assert side.wanted() is not None


def test_a_segment_read_for_a_left_generation_is_not_sent() -> None:
    side = server()
    side.receive(encode_control(Open("wave", 0, 0, 2, 1)))
    delivery = side.wanted()
    assert delivery is not None
    side.receive(encode_control(Seek(0, 40, 2, 2)))
    assert side.deliver(delivery, body(0)) == []
    wanted = side.wanted()
    assert wanted is not None and wanted.row.gop == 4


def test_growing_file_waits_for_a_frame_and_ends_when_complete() -> None:
    side = server(2, complete=False)
    side.receive(encode_control(Open("wave", 0, 25, 2, 1)))
    assert side.wanted() is None
    side.grow([[Gop(g, 10 * g, 10, g + 1, g) for g in range(3)]], complete=False)
    delivery = side.wanted()
    assert delivery is not None and delivery.row.gop == 2
    assert len(side.deliver(delivery, body(2))) == 1
    messages = side.grow(side.rungs, complete=True)
    assert messages[-1] == encode_control(End(1))


@pytest.mark.parametrize(("rung", "frame"), [(2, 0), (0, 50)])
def test_a_place_that_is_not_there_is_an_error_and_a_seek_goes_on(rung: int, frame: int) -> None:
    side = server()
    last = side.receive(encode_control(Open("wave", rung, frame, 1, 1)))[-1]
    assert isinstance(last, str)
    error = decode_control(last, sender="server")
    assert isinstance(error, Error) and error.code == "range"
    side.receive(encode_control(Seek(0, 0, 1, 2)))
    assert side.wanted() is not None


@pytest.mark.parametrize(
    "talk",
    [
        [Seek(0, 0, 1, 1)],
        [Grant(1, 1)],
        [Open("other", 0, 0, 1, 1)],
        [Open("wave", 0, 0, 1, 1), Open("wave", 0, 0, 1, 2)],
        [Open("wave", 0, 0, 1, 5), Seek(0, 0, 1, 5)],
        [Open("wave", 0, 0, 1, 5), Grant(1, 6)],
        [Open("wave", 0, 0, MAX_CREDITS, 1), Grant(1, 1)],
        [Open("wave", 0, 0, 0, 1)],
        [Open("wave", 0, 0, MAX_CREDITS + 1, 1)],
        [Open("wave", -1, 0, 1, 1)],
        [End(1)],
    ],
)
def test_a_broken_rule_is_refused(talk: list[Any]) -> None:
    side = server()
    with pytest.raises(ProtocolError):
        for message in talk:
            side.receive(encode_control(message))


actions = st.lists(
    st.one_of(
        st.just(("step", 0)),
        st.tuples(st.just("seek"), st.integers(0, 49)),
        st.tuples(st.just("lag"), st.integers(0, 6)),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(actions, st.integers(1, 4))
def test_any_talk_brings_each_generation_in_order_and_within_credits(talk: list[Any], credits: int) -> None:
    """Messages queue in both directions and arrive late; the client raises on any broken rule."""
    client, far = ClientSide("wave"), server()
    up: list[str] = [client.open(credits=credits)]
    down: list[str | bytes] = []
    expected = 0
    for action, value in talk:
        if action == "seek":
            up.append(client.seek(frame=value, credits=credits))
            expected = value // 10
        for _ in range(value if action == "lag" else 1):
            if up:
                down += far.receive(up.pop(0))
            delivery = far.wanted()
            if delivery is not None:
                down += far.deliver(delivery, body(delivery.row.gop))
        if action == "step" and down:
            event = client.receive(down.pop(0))
            if isinstance(event, Segment):
                assert event.row.gop == expected and event.data == body(expected)
                expected += 1
                up.append(client.grant())
        assert far.credits <= credits


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=200), st.binary(max_size=80)))
def test_any_message_is_an_event_or_the_documented_error(message: str | bytes) -> None:
    client, far = ClientSide("wave"), server()
    client.open()
    try:
        client.receive(message)
    except ProtocolError:
        pass
    if isinstance(message, str):
        with pytest.raises(ProtocolError):
            far.receive(message)


def test_a_ping_is_answered_before_opening() -> None:
    assert server().receive(encode_control(Ping(9))) == ['{"type":"pong","id":9}']
