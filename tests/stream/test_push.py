"""The websocket push on loopback: delivery, credits, generations, and what ends a connection."""

from __future__ import annotations

import json

import pytest
from stream_fakes import FakeMedia, segment_bytes
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from gscodec.base.errors import BadInput
from gscodec.stream.client import fetch_segments
from gscodec.stream.messages import End
from gscodec.stream.protocol import ClientSide, Header, Segment, Table


def url(server, name="wave") -> str:  # type: ignore[no-untyped-def]
    return f"ws://127.0.0.1:{server.port}/ws/{name}"


def test_every_segment_from_the_asked_frame_on_arrives_in_order(serve):
    got = list(fetch_segments(url(serve()), range(25, 80)))
    assert got == [(10 * gop, segment_bytes(0, gop)) for gop in range(2, 8)]
