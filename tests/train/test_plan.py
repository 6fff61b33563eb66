"""Where GOPs of training begin, and how many steps a clip has."""

from __future__ import annotations

import pytest

from gscodec.train.plan import chain_settings, make_plan, refine_iterations
from gscodec.train.settings import TrainSettings


@pytest.mark.parametrize(
    ("fps", "gop", "length", "spread"),
    [
        (24, 0, 192, 24),  # as long as a base is kept: eight GOPs of the encoder
        (60, 0, 240, 30),
        (30, 8, 8, 8),
        (30, 60, 60, 30),
        (30, 50, 50, 25),
        (30, 31, 32, 16),  # rounded up: two GOPs of the encoder, alike
    ],
)
def test_a_gop_is_whole_gops_of_the_encoder(fps: float, gop: int, length: int, spread: int) -> None:
    plan = make_plan(fps, gop, range(100))
    assert (plan.length, plan.spread) == (length, spread)
    assert plan.length % plan.spread == 0


def test_gops_cover_the_clip_and_steps_add_up() -> None:
    settings = TrainSettings(key_iterations=100, motion_iterations=9, detail_iterations=4)
    plan = make_plan(30, 4, range(10, 20))
    assert plan.starts == [10, 14, 18]
    assert [list(plan.gop(start)) for start in plan.starts] == [
        [10, 11, 12, 13], [14, 15, 16, 17], [18, 19],
    ]  # fmt: skip
    assert chain_settings(settings).steps(following=True) == 3 + 1
    assert plan.steps(settings) == 100 + 2 * (4 * 4 + refine_iterations(settings)) + 7 * 13
    assert make_plan(30, 0, range(10)).steps(settings) == 100 + 9 * 13  # one GOP: no chain pass
    assert make_plan(30, 0, range(10)).base_frames == 10
