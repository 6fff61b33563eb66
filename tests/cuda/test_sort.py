"""The self-organising sort: the shared arithmetic, and the kernel where there is a GPU, bit for bit as numba's."""

from __future__ import annotations

import numpy as np
import pytest

from gscodec.grid.selforganise import self_organise


def features(slots: int, count: int = 5) -> np.ndarray:
    """A bent sheet with noise, so that no two orders are equally good."""
    rng = np.random.default_rng(slots)
    u, v = rng.random((2, slots))
    columns = [u, v, np.sin(6 * u), *rng.normal(size=(count - 3, slots))]
    return np.stack(columns, axis=1).astype(np.float32)


CASES = [(0, 5), (1, 5), (255, 3), (257, 9), (1300, 5)]


def assert_same(slots: int, count: int) -> None:
    data = features(slots, count)
    cold = self_organise(data, seed=2**63 + slots, rounds=3)
    assert np.array_equal(self_organise(data, seed=2**63 + slots, rounds=3, device="cuda"), cold)
    moved = data + np.float32(0.01) * features(slots, count)[::-1]
    warm = self_organise(moved, seed=3, warm=cold, rounds=2)
    assert np.array_equal(self_organise(moved, seed=3, warm=cold, rounds=2, device="cuda"), warm)


@pytest.mark.usefixtures("on_host")
@pytest.mark.parametrize("slots, count", CASES)
def test_shared_arithmetic_sorts_as_the_cpu_does(slots: int, count: int) -> None:
    assert_same(slots, count)


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("slots, count", [*CASES, (70_000, 9)])
def test_gpu_sorts_as_the_cpu_does(slots: int, count: int) -> None:
    assert_same(slots, count)
