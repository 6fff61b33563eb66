"""GOPs in processes of their own. A checkpoint appears by rename, so the folder itself tells how far they are."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import cast

from gscodec.base.errors import GscodecError
from gscodec.base.threads import processors, share_processors
from gscodec.train.captures.model import Capture
from gscodec.train.checkpoints import frame_path
from gscodec.train.following import OnFrame, train_gop
from gscodec.train.plan import Plan
from gscodec.train.settings import TrainSettings

__all__ = ["train_gops"]

LOOK_SECONDS = 0.5  # between looks at what is done


def train_gops(
    reopen: Callable[[], Capture],
    work: Path,
    settings: TrainSettings,
    plan: Plan,
    workers: int,
    on_frame: OnFrame,
    on_new: Callable[[int], None],
) -> None:
    """All frames of all GOPs, whose first are there. `on_frame(frame, True)` hears of those that were, `on_new` of others.

    Raises what a worker raised.
    """
    frames = [frame for start in plan.starts for frame in plan.gop(start)[1:]]
    missing = [frame for frame in frames if not frame_path(work, frame).exists()]
    for frame in sorted(set(frames) - set(missing)):
        on_frame(frame, True)
    starts = [start for start in plan.starts if set(plan.gop(start)) & set(missing)]
    context = get_context("spawn")  # numba's threads do not survive a fork
    ends: dict[Connection, list[int]] = {}  # and the first frames of the worker's GOPs
    processes = []
    try:
        for number in range(min(workers, len(starts))):
            here, there = context.Pipe(duplex=False)
            mine = starts[number::workers]
            process = context.Process(
                target=_work, args=(there, reopen, work, settings, plan, mine, workers), daemon=True
            )
            process.start()
            there.close()
            ends[here] = mine
            processes.append(process)
        while missing:
            running = bool(ends)
            for ready in wait(list(ends), timeout=LOOK_SECONDS):
                end = cast("Connection", ready)
                mine = ends.pop(end)
                _settle(
                    end, [f for start in mine for f in plan.gop(start) if not frame_path(work, f).exists()]
                )
            for frame in [f for f in missing if frame_path(work, f).exists()]:
                missing.remove(frame)
                on_new(frame)
            if missing and not running:
                raise GscodecError("a frame of the work folder is gone again", frame=missing[0])
        for process in processes:
            process.join()
    finally:
        for process in processes:
            process.kill()
            process.join()


def _settle(end: Connection, left: list[int]) -> None:
    """Raise what the worker sent, or that it is gone with the frames that it has `left`."""
    try:
        error = end.recv()
    except EOFError as gone:
        raise GscodecError(
            "a training process ended early; run again to go on", frame=next(iter(left), None)
        ) from gone
    if error is not None:
        raise error


def _work(
    end: Connection,
    reopen: Callable[[], Capture],
    work: Path,
    settings: TrainSettings,
    plan: Plan,
    starts: list[int],
    workers: int,
) -> None:
    """In a process of its own, which ends with its parent: else two runs would write one folder after a kill."""
    import numba
    import torch

    share_processors(workers)
    numba.set_num_threads(min(numba.get_num_threads(), processors()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    try:
        capture = reopen()
        for start in starts:
            train_gop(capture, work, settings, plan, start)
    except GscodecError as error:
        end.send(error)
    else:
        end.send(None)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
