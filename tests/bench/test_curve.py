from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from gscodec.bench.curve import MAX_GAP_DB, Knob, Point, bracket, rate_at

QUALITY = Knob(db_per_step=0.25, low=0, high=100, start=52)
QP = Knob(db_per_step=-0.85, low=1, high=51, start=22, whole=True)


def point(psnr: float, kb: float = 10.0, setting: float = 0.0) -> Point:
    return Point(setting, kb, psnr, psnr - 4, 0.98, 1.0)


def codec(curve: Callable[[float], float]) -> tuple[Callable[[float], Point], list[float]]:
    """A pretended codec whose PSNR at a setting is given, and the list of settings asked of it."""
    asked: list[float] = []

    def measure(setting: float) -> Point:
        asked.append(setting)
        return point(curve(setting), kb=math.exp(curve(setting) / 8), setting=setting)

    return measure, asked


@pytest.mark.parametrize("offset", [-7.0, -0.2, 0.0, 0.3, 7.0])
@pytest.mark.parametrize("slope", [0.15, 0.25, 0.4])
def test_bracket_ends_with_points_on_both_sides_at_most_the_gap_apart(offset: float, slope: float) -> None:
    measure, asked = codec(lambda q: 40 + offset + slope * (q - 52))
    rate = rate_at(bracket(measure, QUALITY))
    below, above = rate.points
    assert below.psnr < 40 <= above.psnr
    assert above.psnr - below.psnr <= MAX_GAP_DB
    assert not rate.extrapolated
    assert rate.kb == pytest.approx(math.exp(40 / 8))
    assert len(asked) == len(set(asked)) <= 8


def test_bracket_of_a_qp_asks_for_whole_numbers() -> None:
    measure, asked = codec(lambda qp: 55 - 0.9 * qp)
    points = bracket(measure, QP, [measure(22.0), measure(30.0)])
    assert all(qp == int(qp) for qp in asked)
    assert not rate_at(points).extrapolated


def test_bracket_stops_at_the_end_of_the_knob_and_says_extrapolated() -> None:
    measure, asked = codec(lambda q: 30 + 0.05 * q)
    rate = rate_at(bracket(measure, QUALITY))
    assert max(asked) == 100
    assert rate.extrapolated
    assert str(rate).endswith(" e")


def test_rate_is_interpolated_in_log_rate_between_the_nearest_points() -> None:
    rate = rate_at([point(30, 1), point(39, 10), point(41, 40), point(50, 99)])
    assert rate.kb == pytest.approx(20)


def test_rate_of_a_point_on_the_target_is_its_own() -> None:
    assert str(rate_at([point(39, 10), point(40, 16)])) == "16.0"
    assert not rate_at([point(40, 16), point(41, 20)]).extrapolated


def test_bracket_about_another_target() -> None:
    measure, _ = codec(lambda q: 30.5 + 0.25 * q)
    rate = rate_at(bracket(measure, QUALITY, target=49.3), 49.3)
    below, above = rate.points
    assert below.psnr < 49.3 <= above.psnr
    assert rate.kb == pytest.approx(math.exp(49.3 / 8))
