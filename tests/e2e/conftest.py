"""Chromium under remote control, a server to look at, and small files to play."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gscodec.codec.pipeline import encode_sequence
from gscodec.codec.settings import EncodeSettings
from gscodec.container import GsvFile, GsvWriter
from gscodec.splats.sample import make_sample
from gscodec.stream.listen import BackgroundServer, bind, configure
from gscodec.stream.server import make_app

WEB = Path(__file__).parents[2] / "player_web"
WAIT = """
const until = async (test, ms = 60000) => {
  const end = Date.now() + ms;
  while (!test()) {
    if (Date.now() > end) throw new Error("waited too long for " + test);
    await new Promise((go) => setTimeout(go, 20));
  }
};
const said = (type, ms = 90000) => new Promise((go, no) => {
  player.addEventListener(type, (e) => go(e), { once: true });
  setTimeout(() => no(new Error("no " + type)), ms);
});
"""


class Browser:
    """One page; `run` evaluates JavaScript with `player`, `until(test)` and `said(event)` at hand."""

    def __init__(self, url: str, **setup: Any) -> None:
        self._node = subprocess.Popen(
            ["node", "e2e/drive.mjs"], cwd=WEB, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.load_ms = self._ask({"url": url, "chromium": shutil.which("chromium"), **setup})

    def _ask(self, order: dict[str, Any]) -> Any:
        assert self._node.stdin and self._node.stdout
        self._node.stdin.write(json.dumps(order) + "\n")
        self._node.stdin.flush()
        answer = json.loads(self._node.stdout.readline() or '{"error": "the browser is gone"}')
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def run(self, code: str) -> Any:
        return self._ask({"code": WAIT + code})

    def ready(self) -> Browser:
        self.run(
            "await until(() => player.frame >= 0 || player.error !== null); if (player.error) throw new Error(player.error.message);"
        )
        return self

    def screenshot(self, path: Path) -> None:
        self._ask({"screenshot": str(path)})

    def errors(self) -> list[str]:
        return list(self._ask({}))

    def close(self) -> None:
        assert self._node.stdin
        self._node.stdin.close()
        self._node.wait(30)


@pytest.fixture(autouse=True)
def needs_browser() -> None:
    if not shutil.which("chromium") or not shutil.which("node"):
        pytest.skip("Chromium or Node is not installed")
    if not (WEB.parent / "gscodec" / "web" / "gs-player.js").is_file():
        pytest.skip("the player is not built: make player")


@pytest.fixture
def browse() -> Iterator[Callable[..., Browser]]:
    opened: list[Browser] = []

    def go(url: str, **setup: Any) -> Browser:
        opened.append(Browser(url, **setup))
        return opened[-1]

    yield go
    for browser in opened:
        browser.close()


class Serving:
    """A server of one file that can be stopped and started again at the same port."""

    def __init__(self, path: Path) -> None:
        self.path, self.port = path, 0
        self.server: BackgroundServer | None = None

    def start(self) -> str:
        self.server = BackgroundServer(configure(make_app([self.path])), bind("127.0.0.1", self.port))
        self.server.__enter__()
        self.port = self.server.port
        return f"http://127.0.0.1:{self.port}/"

    def stop(self) -> None:
        if self.server:
            self.server.__exit__(None, None, None)
        self.server = None


@pytest.fixture
def serving() -> Iterator[Callable[[Path], Serving]]:
    servers: list[Serving] = []

    def make(path: Path) -> Serving:
        servers.append(Serving(path))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


def _encode(path: Path, payload: str) -> Path:
    encode_sequence(
        make_sample(frames=20, gaussians=2500),
        path,
        EncodeSettings(preset="fast", payload=payload, gop=10, quality=70),
    )
    return path


@pytest.fixture(scope="session")
def video_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _encode(tmp_path_factory.mktemp("video") / "sample.gsv", "video")


@pytest.fixture(scope="session")
def compact_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _encode(tmp_path_factory.mktemp("compact") / "sample.gsv", "compact")


@pytest.fixture(scope="session")
def two_rungs(tmp_path_factory: pytest.TempPathFactory, video_file: Path, compact_file: Path) -> Path:
    """Both payloads in one file: rung 0 is `video`, rung 1 `compact`."""
    sources = [GsvFile.open(video_file), GsvFile.open(compact_file)]
    rungs = [msgspec.structs.replace(s.header.rungs[0], id=i) for i, s in enumerate(sources)]
    path = tmp_path_factory.mktemp("rungs") / "both.gsv"
    writer = GsvWriter(path, msgspec.structs.replace(sources[0].header, rungs=rungs))
    for rung, source in enumerate(sources):
        for e in source.index:
            writer.add_segment(
                source.read_segment(e), rung=rung, first_frame=e.first_frame, n_frames=e.n_frames, base=e.base
            )
    writer.finish()
    return path


@pytest.fixture(scope="session")
def long_file(tmp_path_factory: pytest.TempPathFactory, video_file: Path) -> Path:
    """Over a minute in 200 GOPs: the small file again and again."""
    source = GsvFile.open(video_file)
    path = tmp_path_factory.mktemp("long") / "long.gsv"
    writer = GsvWriter(path, source.header)
    first = 0
    for _ in range(100):
        for entry in source.index:
            writer.add_segment(
                source.read_segment(entry), first_frame=first, n_frames=entry.n_frames, base=entry.base
            )
            first += entry.n_frames
    writer.finish()
    return path
