from __future__ import annotations

from xml.etree import ElementTree

import pytest

from gscodec.bench.plot import log_ticks, rate_plot, ticks
from tests.bench.builders import point

SVG = "{http://www.w3.org/2000/svg}"


def test_plot_is_an_svg_with_a_line_and_dots_for_each_curve() -> None:
    curves = {"a & b": [point(1, 10, 36), point(2, 20, 40)], "c": [point(1, 50, 38)]}
    root = ElementTree.fromstring(rate_plot("seq <x>", "KB", curves))
    assert root.tag == f"{SVG}svg"
    texts = [node.text for node in root.iter(f"{SVG}text")]
    assert "seq <x>" in texts and "a & b" in texts and "c" in texts
    dots = [node for node in root.iter(f"{SVG}circle") if node.get("r") == "3"]
    assert len(dots) == 3


def test_more_rate_lies_to_the_right_and_more_psnr_above() -> None:
    root = ElementTree.fromstring(rate_plot("t", "KB", {"a": [point(1, 10, 36), point(2, 20, 40)]}))
    low, high = [node for node in root.iter(f"{SVG}circle") if node.get("r") == "3"]
    assert float(high.get("cx", "")) > float(low.get("cx", ""))
    assert float(high.get("cy", "")) < float(low.get("cy", ""))


def test_single_point_is_drawn() -> None:
    assert "<svg" in rate_plot("t", "KB", {"a": [point(1, 10, 40)]})


@pytest.mark.parametrize("low, high", [(35.2, 51.7), (0.0, 0.4), (24.0, 61.5), (40.0, 40.0)])
def test_ticks_are_few_and_within(low: float, high: float) -> None:
    found = ticks(low, high)
    assert len(found) <= 8
    assert all(low - 1e-9 <= t <= high + 1e-9 for t in found)
    assert high == low or len(found) >= 2


def test_log_ticks_are_ones_twos_and_fives() -> None:
    assert log_ticks([0.0, 2.0]) == pytest.approx([1, 2, 5, 10, 20, 50, 100])
