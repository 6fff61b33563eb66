from __future__ import annotations

import numpy as np
import pytest

from gscodec.base.errors import Misuse
from gscodec.grid import selforganise
from gscodec.grid.layout import grid_layout
from gscodec.grid.morton import morton_order
from gscodec.grid.selforganise import grid_features, neighbour_cost, self_organise
from tests.reference.grid_reference import best_order, box_blur


def surface(slots: int = 1500, seed: int = 0) -> np.ndarray:
    """Features of splats on a bent sheet whose colour changes over it, with some noise."""
    rng = np.random.default_rng(seed)
    u, v = rng.random((2, slots))
    means = np.stack([u, v, 0.3 * np.sin(6 * u)], axis=1)
    colors = np.stack([np.sin(9 * v), np.cos(7 * u), u * v], axis=1) + 0.05 * rng.normal(size=(slots, 3))
    log_scales = rng.normal(size=(slots, 3))
    return grid_features(means.astype("f4"), colors.astype("f4"), log_scales.astype("f4"))


def morton_places(features: np.ndarray) -> np.ndarray:
    places = np.empty(len(features), np.int64)
    places[morton_order(features[:, :3])] = np.arange(len(features))
    return places


@pytest.mark.parametrize("slots", [0, 1, 3, 257, 1500])
def test_every_slot_gets_a_place_of_its_own(slots: int) -> None:
    assert sorted(self_organise(surface(1500)[:slots], rounds=1)) == list(range(slots))


def test_sort_nearly_halves_the_cost_of_morton_order() -> None:
    features = surface()
    morton = neighbour_cost(features, morton_places(features))
    assert neighbour_cost(features, self_organise(features)) < 0.6 * morton


def test_same_seed_gives_the_same_places_and_another_seed_others() -> None:
    features = surface()
    first = self_organise(features, seed=7)
    assert np.array_equal(first, self_organise(features, seed=7))
    assert not np.array_equal(first, self_organise(features, seed=8))


def test_warm_start_keeps_slots_near_where_they_were() -> None:
    features = surface()
    cold = self_organise(features)
    moved = features + 0.02 * np.random.default_rng(3).normal(size=features.shape).astype("f4")
    warm = self_organise(moved, seed=5, warm=cold)
    layout = grid_layout(len(features))

    def distance(other: np.ndarray) -> float:
        ya, xa = np.divmod(layout.cells[cold], layout.width)
        yb, xb = np.divmod(layout.cells[other], layout.width)
        return float(np.median(np.hypot(ya - yb, xa - xb)))

    assert distance(warm) < 0.3 * distance(self_organise(moved, seed=5))
    assert neighbour_cost(moved, warm) < 1.1 * neighbour_cost(moved, cold)


def test_warm_start_of_another_size_is_refused() -> None:
    with pytest.raises(Misuse, match="permutation"):
        self_organise(surface(100), warm=np.arange(99))


def test_features_that_are_not_finite_are_refused() -> None:
    with pytest.raises(Misuse, match="finite"):
        self_organise(np.full((4, 3), np.nan))


def test_random_places_cost_about_one() -> None:
    features = surface()
    assert neighbour_cost(features, np.random.default_rng(0).permutation(1500)) == pytest.approx(1, abs=0.05)


def test_equal_attributes_do_not_divide_by_zero() -> None:
    flat = np.ones((20, 3), np.float32)
    assert np.array_equal(grid_features(flat, flat, flat), np.zeros((20, 9)))
    assert neighbour_cost(np.ones((20, 3)), np.arange(20)) == 0


@pytest.mark.parametrize("seed", range(20))
def test_arrange_takes_the_best_of_the_24_orders(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = rng.integers(-50, 50, (9, 3)).astype(np.float32)
    target = rng.integers(-50, 50, (9, 3)).astype(np.float32)
    cells = rng.permutation(9)[:4]
    order = best_order(grid[cells], target[cells])
    want, slots = grid.copy(), np.arange(9)
    want[cells], slots[cells] = grid[cells[list(order)]], cells[list(order)]
    slot = np.arange(9)
    assert selforganise._arrange(cells, grid, target, slot, selforganise.ORDERS) == (order != (0, 1, 2, 3))
    assert np.array_equal(grid, want)
    assert np.array_equal(slot, slots)


@pytest.mark.parametrize("radius", [1, 3, 40])
def test_blur_is_the_mean_of_the_window_without_padding(radius: int) -> None:
    rng = np.random.default_rng(4)
    mask = rng.random((18, 13)) < 0.8
    values = (rng.normal(size=(18, 13, 2)) * mask[:, :, None]).astype(np.float32)
    got = selforganise._blur(values, mask[:, :, None].astype(np.float32), radius)
    np.testing.assert_allclose(got, box_blur(values, mask, radius), atol=1e-5)
