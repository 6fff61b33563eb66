from __future__ import annotations

import pytest

from gscodec.bench.speed import Timing, _shares, _table


def test_steady_rate_leaves_out_startup_and_what_is_done_once() -> None:
    timing = Timing("encode", frames=24, seconds=6.0, startup=1.0, once=2.0)
    assert timing.rate == pytest.approx(4)
    assert timing.steady_rate == pytest.approx(8)


def test_shares_add_up_and_fall() -> None:
    timing = Timing("encode", 24, 10.0, 1.0, stages={"video": 2.0, "sort": 3.0})
    assert _shares(timing) == "other 40 %, sort 30 %, video 20 %, start-up 10 %"


def test_table_has_a_row_for_each_command_and_shares_where_known() -> None:
    text = _table([Timing("a", 24, 2.0, 0.5, stages={"x": 1.0}), Timing("b", 24, 1.0, 0.5)])
    assert "| a | 24 | 2.00 | 12.0 | 16.0 |" in text
    assert "| b | 24 | 1.00 | 24.0 | 48.0 |" in text
    assert "- a: x 50 %" in text
    assert "- b:" not in text
