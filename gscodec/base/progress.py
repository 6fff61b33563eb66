"""Progress of long work on stderr: a bar on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

__all__ = ["Progress"]

LINE_SECONDS = 5.0  # between plain lines: often enough to see life, rare enough for a log


class Progress:
    """Counts work that is done and says how much, how fast and how long yet.

    with Progress("encode", total=120) as progress:
        progress.advance()

    `total` None where it is not known beforehand. Nothing is printed where `quiet`.
    """

    def __init__(
        self,
        label: str,
        total: int | None,
        unit: str = "frames",
        quiet: bool = False,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label, self._total, self._unit, self._quiet = label, total, unit, quiet
        self._stream = stream if stream is not None else sys.stderr
        self._clock = clock
        self._done = 0
        self._note = ""
        self._started = self._last_line = clock()
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._started = self._last_line = self._clock()
        if not self._quiet and self._stream.isatty():
            self._open_bar()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif not self._quiet and kind is None and self._done:
            self._line(f"in {self._clock() - self._started:.1f} s")

    def advance(self, n: int = 1, note: str = "") -> None:
        """`n` more are done; `note` stands at the end of the bar or line."""
        self._done += n
        self._note = note or self._note
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=n, note=self._note)
        elif not self._quiet and self._clock() - self._last_line >= LINE_SECONDS:
            self._last_line = self._clock()
            self._line(self._left())

    def _rate(self) -> float:
        return self._done / max(self._clock() - self._started, 1e-9)

    def _left(self) -> str:
        if self._total is None or not self._done:
            return ""
        return f"{max(self._total - self._done, 0) / self._rate():.0f} s left"

    def _line(self, tail: str) -> None:
        of = f"/{self._total}" if self._total is not None else ""
        parts = [
            f"{self._label}: {self._done}{of} {self._unit}",
            f"{self._rate():.1f} a second",
            tail,
            self._note,
        ]
        print(", ".join(part for part in parts if part), file=self._stream, flush=True)

    def _open_bar(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            ProgressColumn,
            Task,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress
        from rich.text import Text

        class RateColumn(ProgressColumn):
            def render(self, task: Task) -> Text:
                rate = task.finished_speed or task.speed
                return Text(f"{rate:.1f}/s" if rate else "", style="dim")

        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(self._unit),
            RateColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
            console=Console(file=self._stream),
        )
        self._task = self._bar.add_task(self._label, total=self._total, note="")
        self._bar.start()
