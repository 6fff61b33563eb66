from __future__ import annotations

import pytest

from gscodec.base.errors import Misuse
from gscodec.bench.curve import Point, Rate
from gscodec.bench.rd import PEER, RdOptions, Result, _reproduced, _tables, run_rd


def point(setting: float, kb: float) -> Point:
    return Point(setting, kb, 40.0, 36.0, 0.99, 2.0)


def test_peer_counts_as_reproduced_within_a_tenth_of_its_known_bytes() -> None:
    assert _reproduced("seq-fox", Result(peer=[point(16, 93.0), point(22, 61.0)]))
    assert not _reproduced("seq-fox", Result(peer=[point(16, 95.0)]))
    assert _reproduced("unknown", Result(peer=[point(16, 1.0)]))


def test_tables_leave_out_what_was_not_measured() -> None:
    rate = Rate(2.341, 7.0, (), False)
    text = "\n".join(
        _tables({"seq-wave": Result(rates={"video": rate}), "angel": Result(default=point(60, 9))})
    )
    assert "| video | 2.34 |" in text
    assert "| video: seconds | 7 |" in text
    assert "| angel | 9.00 | 40.00 | 36.00 | 0.9900 | 2 |" in text
    assert PEER not in text
    assert "compact" not in text


def test_unknown_variant_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Misuse, match="compact"):
        run_rd(RdOptions(variants=("vido",)))
