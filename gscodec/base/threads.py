"""Work shared among the machine's processors, in threads: kernels and most of numpy let others run meanwhile."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

__all__ = ["ahead", "in_threads", "shares"]

T = TypeVar("T")
R = TypeVar("R")


def in_threads(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Results in the order of `items`, one item a thread: they don't depend on how many threads there are.

    Raises what `function` raised first, in that order.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(function, items))


def ahead(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """As `map`, but threads work on the next few items meanwhile. `items` is asked in the caller's thread."""
    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[R]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def shares(count: int) -> list[tuple[int, int]]:
    """0..count cut into ranges (from, to), one for each processor, for kernels whose items don't depend on each other."""
    threads = os.cpu_count() or 1
    cuts = [count * i // threads for i in range(threads + 1)]
    return list(pairwise(cuts))
