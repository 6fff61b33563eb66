"""Work shared among the machine's processors, in threads: kernels and most of numpy let others run meanwhile."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

__all__ = ["ahead", "in_threads", "processors", "share_processors", "shares"]

AHEAD = 4  # items that `ahead` works on or holds at a time: frames, which are large

_processes = 1

T = TypeVar("T")
R = TypeVar("R")


def share_processors(processes: int) -> None:
    """Called in each of so many processes that work at once: each has its share of threads from here on."""
    global _processes
    _processes = processes


def processors() -> int:
    """Threads that this process should have: the processors that it may use, or its share of them."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, usable // _processes)


def in_threads(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Results in the order of `items`, one item a thread: they don't depend on how many threads there are.

    Raises what `function` raised first, in that order.
    """
    with ThreadPoolExecutor(processors()) as pool:
        return list(pool.map(function, items))


def ahead(function: Callable[[T], R], items: Iterable[T], most: int = AHEAD) -> Iterator[R]:
    """As `map`, but threads work on the next `most` items meanwhile. `items` is asked in the caller's thread."""
    pool = ThreadPoolExecutor(min(most, processors()))
    try:
        waiting: deque[Future[R]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)  # who stops half way does not wait for what is not begun


def shares(count: int) -> list[tuple[int, int]]:
    """0..count cut into ranges (from, to), one for each processor, for kernels whose items don't depend on each other."""
    threads = processors()
    cuts = [count * i // threads for i in range(threads + 1)]
    return list(pairwise(cuts))
