"""A small .gsv for the commands, made of conformance vectors, and a way to run a command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gscodec.cli.main import main
from gscodec.codec.decoder import decode_segment
from gscodec.container.header import Header
from gscodec.container.writer import GsvWriter

SEGMENTS = Path(__file__).parents[2] / "spec" / "vectors" / "segment" / "ok"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def gscodec(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """`gscodec(*arguments) -> Outcome`, in this process."""

    def run(*arguments: object) -> Outcome:
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as stop:  # argparse ends so
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def gsv(tmp_path: Path) -> Path:
    """Two GOPs of one vector."""
    path = tmp_path / "two gops ✓.gsv"
    payload = (SEGMENTS / "moving.seg").read_bytes()
    frames = decode_segment(payload).n_frames
    writer = GsvWriter(path, Header())
    for gop in range(2):
        writer.add_segment(payload, first_frame=gop * frames, n_frames=frames)
    writer.finish()
    return path
