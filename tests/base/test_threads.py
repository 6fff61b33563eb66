"""Work in threads: results in order, the same for any number of processors."""

from __future__ import annotations

import threading
import time

import pytest

from gscodec.base import threads
from gscodec.base.threads import AHEAD, ahead, in_threads, processors, share_processors, shares


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_keep_their_order(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "processors", lambda: count)
    assert in_threads(lambda x: x * x, range(7)) == [x * x for x in range(7)]
    assert list(ahead(lambda x: x * x, range(7))) == [x * x for x in range(7)]
    assert list(ahead(lambda x: x, [])) == in_threads(lambda x: x, []) == []


def test_the_first_error_in_order_is_raised() -> None:
    def fail_late(x: int) -> int:
        if x >= 3:
            raise ValueError(x)
        return x

    with pytest.raises(ValueError, match=r"^3$"):
        in_threads(fail_late, range(9))
    got = []
    with pytest.raises(ValueError, match=r"^3$"):
        for one in ahead(fail_late, range(9)):
            got.append(one)
    assert got == [0, 1, 2]


@pytest.mark.parametrize("count", [1, 2, 64])
def test_ahead_does_not_run_away(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are large: no more of them at a time on a large machine."""
    monkeypatch.setattr(threads, "processors", lambda: count)
    asked: list[int] = []
    caller = threading.get_ident()

    def items() -> object:
        for i in range(100):
            assert threading.get_ident() == caller
            asked.append(i)
            yield i

    assert next(ahead(lambda x: x, items())) == 0  # type: ignore[arg-type]
    assert len(asked) == AHEAD + 1


def test_who_stops_half_way_does_not_wait_for_what_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "processors", lambda: 1)
    begun: list[int] = []

    def slow(x: int) -> int:
        begun.append(x)
        time.sleep(0.01)
        return x

    for one in ahead(slow, range(100)):
        assert one == 0
        break
    assert len(begun) < AHEAD + 1


def test_processes_share_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_processes", 1)
    alone = processors()
    share_processors(2)
    assert processors() == max(1, alone // 2)
    share_processors(10_000)
    assert processors() == 1


@pytest.mark.parametrize("processes", [1, 3])
def test_shares_cover_everything_once(processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "processors", lambda: processes)
    for count in (0, 1, 2, 10):
        cut = shares(count)
        assert [i for start, end in cut for i in range(start, end)] == list(range(count))
        assert len(cut) == processes
