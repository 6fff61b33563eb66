"""A stream of made-up segments: the server must carry bytes, not understand them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from gscodec.base.errors import BadInput
from gscodec.stream.listen import BackgroundServer, bind, configure
from gscodec.stream.messages import Gop
from gscodec.stream.options import ServeOptions
from gscodec.stream.server import make_app
from gscodec.stream.shelf import ServedFile


def segment_bytes(rung: int, gop: int) -> bytes:
    return bytes([rung, gop % 256]) * (500 + 37 * gop)


def rows(n_gops: int, rung: int = 0, frames: int = 10) -> tuple[Gop, ...]:
    bodies = [segment_bytes(rung, gop) for gop in range(n_gops)]
    return tuple(Gop(g, g * frames, frames, len(b), zlib.crc32(b)) for g, b in enumerate(bodies))


class FakeMedia:
    """Two rungs of `n_gops` GOPs; GOP `broken` cannot be read."""

    def __init__(self, n_gops: int = 12, broken: int | None = None) -> None:
        self.header = b"HEADER"
        self.rungs = (rows(n_gops), rows(n_gops, rung=1))
        self.complete = True
        self.broken = broken

    def read(self, rung: int, gop: int) -> bytes:
        if gop == self.broken:
            raise BadInput("segment is damaged", gop=gop)
        return segment_bytes(rung, gop)

    def refresh(self) -> bool:
        return False

    def close(self) -> None:
        pass


@pytest.fixture
def body() -> Callable[[int, int], bytes]:
    """The bytes of (rung, gop)."""
    return segment_bytes


@pytest.fixture
def fake_media() -> type[FakeMedia]:
    return FakeMedia


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "wave.gsv"
    path.write_bytes(bytes(range(256)) * 4)
    return path


@pytest.fixture
def web(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><title>player</title>")
    (folder / "gs-player.js").write_text("export {};")
    return folder


Serve = Callable[..., BackgroundServer]


@pytest.fixture
def serve(video: Path, web: Path) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(
            media: Callable[[ServedFile], FakeMedia] = lambda _: FakeMedia(), **changes: object
        ) -> BackgroundServer:
            options = replace(ServeOptions(web=web), **changes)  # type: ignore[arg-type]
            app = make_app([video], options, opener=media)
            config = configure(app, options.header_deadline, options.per_address)
            server: AbstractContextManager[BackgroundServer] = BackgroundServer(config, bind("127.0.0.1", 0))
            return stack.enter_context(server)

        yield start
