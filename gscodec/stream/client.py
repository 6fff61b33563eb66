"""A small client for tests and scripts: whole files and segments by HTTP Range or by websocket push."""

from __future__ import annotations

import json
import re
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from gscodec.base.errors import BadInput, Misuse, Truncated
from gscodec.stream.messages import SUBPROTOCOL, End, Error, Ping, Pong, encode_control
from gscodec.stream.protocol import ClientSide, Segment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gscodec.stream.messages import Gop

__all__ = ["fetch_config", "fetch_range", "fetch_segments"]

TIMEOUT = 10.0


def fetch_range(url: str, start: int, stop: int, *, etag: str | None = None) -> tuple[bytes, str | None]:
    """Bytes `start` to `stop` (exclusive) of `url` and its ETag; with `etag`, only of that version.

    Raises BadInput where the host cannot be reached, ignores ranges, or the file has changed since `etag`.
    """
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-{stop - 1}"})
    if etag is not None:
        request.add_header("If-Range", etag)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            if response.status != 206:
                reason = "file has changed" if etag else "host does not answer ranges"
                raise BadInput(reason, url=url, status=response.status)
            match = re.fullmatch(r"bytes (\d+)-(\d+)/\d+", response.headers.get("Content-Range", ""))
            if match is None or int(match[1]) != start:
                raise BadInput("host answered another range", url=url)
            data: bytes = response.read()
    except urllib.error.URLError as error:
        raise BadInput(f"cannot be fetched: {error}", url=url) from error
    if len(data) != int(match[2]) + 1 - start:
        raise Truncated("answer is cut", url=url)
    return data, response.headers.get("ETag")


def fetch_segments(
    url: str,
    frames: range,
    *,
    rung: int = 0,
    credits: int = 2,
    table: dict[int, tuple[int, int]] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[tuple[int, bytes]]:
    """The segments that hold `frames`, as (first frame, bytes).

    `ws://` and `wss://` are pushed; `http(s)://` is read by Range with `table`: first frame -> (offset, length).
    """
    if urlsplit(url).scheme in ("ws", "wss"):
        for segment in _pushed(url, frames, rung, credits, tls):
            yield segment.row.first_frame, segment.data
        return
    if table is None:
        raise Misuse("a table is needed to read by range", url=url)
    firsts = sorted(table)
    ends = [*firsts[1:], frames.stop]
    etag: str | None = None
    for first, end in zip(firsts, ends, strict=True):
        if first < frames.stop and end > frames.start:
            offset, length = table[first]
            data, etag = fetch_range(url, offset, offset + length, etag=etag)
            yield first, data


def _pushed(
    url: str, frames: range, rung: int, credits: int, tls: ssl.SSLContext | None
) -> Iterator[Segment]:
    from websockets.sync.client import connect

    side = ClientSide(unquote(urlsplit(url).path.rsplit("/", 1)[-1]))
    with connect(url, subprotocols=[SUBPROTOCOL], compression=None, max_size=None, ssl=tls) as socket:  # type: ignore[list-item]
        socket.send(side.open(rung=rung, frame=frames.start, credits=credits))
        while True:
            match side.receive(socket.recv(timeout=TIMEOUT)):
                case Segment() as segment:
                    yield segment
                    if _last_frame(segment.row) >= frames.stop - 1:
                        return
                    socket.send(side.grant())
                case Ping(id):
                    socket.send(encode_control(Pong(id)))
                case End():
                    return
                case Error(code=code, message=message):
                    raise BadInput(message, url=url, code=code)
                case _:
                    pass


def _last_frame(row: Gop) -> int:
    return row.first_frame + row.n_frames - 1


def fetch_config(base: str) -> list[dict[str, str]]:
    """The files that a server at `base` offers."""
    with urllib.request.urlopen(f"{base.rstrip('/')}/config.json", timeout=TIMEOUT) as response:
        files: list[dict[str, str]] = json.load(response)["files"]
    return files
