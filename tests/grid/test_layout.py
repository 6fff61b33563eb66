from __future__ import annotations

import numpy as np
import pytest

from gscodec.base.errors import Misuse
from gscodec.grid.layout import BLOCK, check_places, from_plane, grid_layout, to_plane
from gscodec.grid.morton import morton_decode2, morton_order, spread3
from tests.reference.grid_reference import morton3, place_to_cell

SIZES = [1, 255, 256, 257, 4225, 5000]


@pytest.mark.parametrize("slots", SIZES)
def test_layout_is_the_one_of_the_specification(slots: int) -> None:
    assert grid_layout(slots).cells.tolist() == [place_to_cell(p, slots) for p in range(slots)]


@pytest.mark.parametrize("slots", [0, *SIZES, 31658])
def test_plane_is_whole_blocks_and_holds_every_slot_once(slots: int) -> None:
    layout = grid_layout(slots)
    assert layout.width % BLOCK == layout.height % BLOCK == 0
    assert layout.mask().sum() == slots


def test_consecutive_blocks_of_the_layout_touch() -> None:
    layout = grid_layout(5000)
    y, x = np.divmod(layout.cells[::256], layout.width)
    assert set(np.abs(np.diff(x // BLOCK)) + np.abs(np.diff(y // BLOCK))) == {1}


@pytest.mark.parametrize("explicit", [False, True])
def test_from_plane_inverts_to_plane_and_padding_holds_the_fill(explicit: bool) -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(1, 99, (300, 2))
    places = rng.permutation(300) if explicit else None
    plane = to_plane(values, places, fill=-5)
    assert np.array_equal(from_plane(plane, 300, places), values)
    assert (plane[~grid_layout(300).mask()] == -5).all()


def test_places_that_are_no_permutation_are_refused() -> None:
    for wrong in ([0, 0, 1], [0, 1], [1, 2, 3]):
        with pytest.raises(Misuse, match="permutation"):
            check_places(wrong, 3)


def test_plane_of_another_size_is_refused() -> None:
    with pytest.raises(Misuse, match="fit"):
        from_plane(np.zeros((16, 16)), 257)


def test_morton_codes_interleave_bit_by_bit() -> None:
    rng = np.random.default_rng(2)
    points = rng.integers(0, 1 << 21, (50, 3))
    codes = spread3(points[:, 0]) | spread3(points[:, 1]) << 1 | spread3(points[:, 2]) << 2
    assert codes.tolist() == [morton3(*map(int, p)) for p in points]
    x, y = morton_decode2(np.arange(256))
    assert len({*zip(x.tolist(), y.tolist(), strict=True)}) == 256
    assert (x[2], y[2]) == (0, 1)


def test_morton_order_visits_one_octant_after_the_other() -> None:
    corners = np.array([[1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0]])
    assert morton_order(corners).tolist() == [1, 2, 3, 0]


def test_morton_order_keeps_rows_in_place_when_all_points_are_equal() -> None:
    assert morton_order(np.ones((5, 3))).tolist() == [0, 1, 2, 3, 4]
    assert morton_order(np.zeros((0, 3))).shape == (0,)
