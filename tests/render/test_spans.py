"""Spans hold every pixel in which an ellipse is seen, and few others."""

from __future__ import annotations

import numpy as np
import pytest

from gscodec.render.projection import MIN_ALPHA, TILE
from gscodec.render.spans import SLACK, reach_of, rows_of, span_of


@pytest.mark.parametrize("seed", range(40))
def test_spans_hold_the_pixels_of_an_ellipse(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spread = 10 ** rng.uniform(-0.25, 2, 2)
    turn = rng.uniform(0, np.pi)
    axes = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * spread
    (xx, xy), (_, yy) = np.linalg.inv(axes @ axes.T)
    mx, my = rng.uniform(-40, 60, 2)
    opacity = rng.uniform(MIN_ALPHA, 1)
    x, y = np.meshgrid(np.arange(TILE), np.arange(TILE))
    dx, dy = mx - (x + 0.5), my - (y + 0.5)
    exponent = 0.5 * (xx * dx * dx + yy * dy * dy) + xy * dx * dy
    held = np.zeros((TILE, TILE), bool)
    first, last = rows_of(my, xx, xy, yy, reach_of(opacity), 0, TILE)
    for row in range(first, last):
        start, end = span_of(mx, my, xx, xy, yy, reach_of(opacity), row, 0, TILE)
        held[row, start:end] = True
    assert held[opacity * np.exp(-exponent) >= MIN_ALPHA].all()
    assert not held[exponent > np.log(opacity / MIN_ALPHA) + 2 * SLACK].any()
