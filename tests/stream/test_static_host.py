"""A `.gsv` on hosts that are not ours: one with ranges serves it, one without is reported."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from gscodec.base.errors import BadInput
from gscodec.stream.client import fetch_config, fetch_range, fetch_segments
from gscodec.stream.listen import BackgroundServer

TABLE = {0: (0, 100), 10: (100, 300), 20: (400, 624)}


class _Quiet(SimpleHTTPRequestHandler):
    """`python -m http.server`, which knows no ranges."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def plain_host(video: Path) -> Iterator[str]:
    host = HTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(video.parent)))
    thread = threading.Thread(target=host.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{host.server_port}/wave.gsv"
    host.shutdown()
    thread.join()
    host.server_close()


def test_host_without_ranges_is_reported(plain_host: str) -> None:
    with pytest.raises(BadInput, match="does not answer ranges"):
        fetch_range(plain_host, 10, 20)


def test_segments_are_read_by_range(serve: Callable[..., BackgroundServer], video: Path) -> None:
    url = f"http://127.0.0.1:{serve().port}/v/wave.gsv"
    data = video.read_bytes()
    assert list(fetch_segments(url, range(5, 15), table=TABLE)) == [(0, data[:100]), (10, data[100:400])]


def test_replaced_file_is_not_spliced(serve: Callable[..., BackgroundServer], video: Path) -> None:
    url = f"http://127.0.0.1:{serve().port}/v/wave.gsv"
    segments = fetch_segments(url, range(30), table=TABLE)
    next(segments)
    video.unlink()
    video.write_bytes(bytes(2048))
    with pytest.raises(BadInput, match="has changed"):
        next(segments)


def test_host_that_is_away_is_named(video: Path) -> None:
    with pytest.raises(BadInput, match="cannot be fetched"):
        fetch_range("http://127.0.0.1:9/wave.gsv", 0, 1)


def test_server_lists_what_it_offers(serve: Callable[..., BackgroundServer]) -> None:
    assert [file["name"] for file in fetch_config(f"http://127.0.0.1:{serve().port}")] == ["wave"]
