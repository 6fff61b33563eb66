from __future__ import annotations

import math

import pytest

from gscodec.base.errors import Misuse
from gscodec.bench.bdrate import bd_rate
from gscodec.bench.curve import Point


def curve(factor: float, levels: list[float], bend: float = 0.0) -> list[Point]:
    """Log rate linear in dB with a bend, times a factor."""
    return [
        Point(0, factor * math.exp(0.1 * db + bend * math.sin(db / 3)), db, db - 3, 0.9, 1.0) for db in levels
    ]


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.7])
def test_curve_that_is_a_multiple_of_the_other_differs_by_that_factor(factor: float) -> None:
    anchor, test = curve(1, [30, 34, 38, 43]), curve(factor, [30, 34, 38, 43])
    result = bd_rate(anchor, test)
    assert result is not None
    assert result.percent == pytest.approx(100 * (factor - 1), abs=1e-9)
    assert (result.low, result.high) == (30, 43)


def test_straight_curves_measured_at_other_places_still_differ_by_their_factor() -> None:
    result = bd_rate(curve(1, [29, 33, 39, 45]), curve(0.8, [31, 35, 36, 40, 44]))
    assert result is not None
    assert result.percent == pytest.approx(-20, abs=1e-6)
    assert (result.low, result.high) == (31, 44)


def test_bent_curve_agrees_with_fine_numerical_integration() -> None:
    anchor, test = curve(1, [30, 32, 34, 36, 38, 40]), curve(1, [30, 32, 34, 36, 38, 40], bend=0.05)
    result = bd_rate(anchor, test)
    steps = [30 + 10 * (i + 0.5) / 1000 for i in range(1000)]
    true = sum(0.05 * math.sin(db / 3) for db in steps) / 1000
    assert result is not None
    assert result.percent == pytest.approx(100 * math.expm1(true), abs=0.1)


def test_swapped_curves_give_the_inverse() -> None:
    a, b = curve(1, [30, 35, 40]), curve(1.3, [31, 36, 42], bend=0.02)
    there, back = bd_rate(a, b), bd_rate(b, a)
    assert there is not None and back is not None
    assert (1 + there.percent / 100) * (1 + back.percent / 100) == pytest.approx(1)


def test_points_that_cost_more_for_less_are_left_out() -> None:
    a = curve(1, [30, 34, 38])
    bad = Point(0, 1000.0, 33.0, 30.0, 0.9, 1.0)
    assert bd_rate([*a, bad], curve(0.9, [30, 34, 38])) == bd_rate(a, curve(0.9, [30, 34, 38]))


def test_curves_without_common_psnr_have_no_difference() -> None:
    assert bd_rate(curve(1, [20, 22, 24]), curve(1, [30, 32, 34])) is None


def test_two_points_are_no_curve() -> None:
    with pytest.raises(Misuse, match="3 points"):
        bd_rate(curve(1, [30, 40]), curve(1, [30, 35, 40]))
