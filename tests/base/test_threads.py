"""Work in threads: results in order, the same for any number of processors."""

from __future__ import annotations

import os
import threading

import pytest

from gscodec.base.threads import ahead, in_threads, shares


@pytest.mark.parametrize("processors", [None, 1, 2, 5])
def test_results_keep_their_order(processors: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
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


def test_ahead_does_not_run_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    asked: list[int] = []
    caller = threading.get_ident()

    def items() -> object:
        for i in range(100):
            assert threading.get_ident() == caller
            asked.append(i)
            yield i

    assert next(ahead(lambda x: x, items())) == 0  # type: ignore[arg-type]
    assert len(asked) == 5


@pytest.mark.parametrize("processors", [None, 1, 3])
def test_shares_cover_everything_once(processors: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    for count in (0, 1, 2, 10):
        cut = shares(count)
        assert [i for start, end in cut for i in range(start, end)] == list(range(count))
        assert len(cut) == (processors or 1)
