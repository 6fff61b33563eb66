"""Progress: lines to a log, a bar on a terminal, silence where asked."""

from __future__ import annotations

import io

from gscodec.base.progress import Progress


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_writes_a_line_every_five_seconds_with_rate_and_time_left() -> None:
    clock, stream = _Clock(), io.StringIO()
    with Progress("encode", 10, stream=stream, clock=clock) as progress:
        for _ in range(10):
            clock.now += 2.0
            progress.advance(note="40 dB")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "encode: 3/10 frames, 0.5 a second, 14 s left, 40 dB"
    assert lines[-1] == "encode: 10/10 frames, 0.5 a second, in 20.0 s, 40 dB"
    assert len(lines) == 4


def test_progress_without_a_total_counts_up() -> None:
    clock, stream = _Clock(), io.StringIO()
    with Progress("read", None, "bytes", stream=stream, clock=clock) as progress:
        clock.now = 6.0
        progress.advance(60)
    assert stream.getvalue().splitlines()[0] == "read: 60 bytes, 10.0 a second"


def test_progress_is_silent_where_quiet() -> None:
    stream = io.StringIO()
    with Progress("encode", 1, quiet=True, stream=stream) as progress:
        progress.advance()
    assert stream.getvalue() == ""


def test_progress_draws_a_bar_on_a_terminal() -> None:
    stream = _Terminal()
    with Progress("encode", 2, stream=stream) as progress:
        progress.advance()
        progress.advance(note="done")
    assert "encode" in stream.getvalue() and "2/2" in stream.getvalue()
