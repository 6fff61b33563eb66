"""The coder and what is coded with it: what is written is what is read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gscodec.base.errors import Truncated
from gscodec.codec.entropy.coder import HALF_OCTAVES, SQUASH, STRETCH, Coder, sets
from gscodec.codec.entropy.neighbours import MAX_NEIGHBOURS, find_neighbours
from gscodec.codec.entropy.planes import code_numbers
from gscodec.codec.entropy.positions import code_positions, partition_keys, position_coder


def test_stretch_inverts_squash() -> None:
    for v in range(1, 4095):
        x = int(STRETCH[v])
        assert SQUASH[x + 2048] >= v
        assert x == -2047 or SQUASH[x + 2047] < v


def test_half_octaves_match_the_formula() -> None:
    assert [int(HALF_OCTAVES[x]) for x in (0, 1, 2, 3, 4, 6, 8, 127, 128)] == [0, 1, 3, 4, 5, 6, 7, 14, 15]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(-(2**20), 2**20), max_size=200))
def test_numbers_come_back(values: list[int]) -> None:
    given_values = np.array(values, np.int64)
    writer = Coder(*sets(1), capacity=64 + 16 * len(values))
    code_numbers(*writer.args, 0, True, given_values.copy())
    reader = Coder(*sets(1), data=writer.finish())
    got = np.zeros(len(values), np.int64)
    code_numbers(*reader.args, 0, True, got)
    reader.check("numbers")
    assert np.array_equal(got, given_values)


def test_a_short_section_is_truncated() -> None:
    values = np.arange(-500, 500)
    writer = Coder(*sets(1), capacity=10000)
    code_numbers(*writer.args, 0, True, values.copy())
    data = writer.finish()
    reader = Coder(*sets(1), data=data[: len(data) // 2])
    code_numbers(*reader.args, 0, True, np.zeros(1000, np.int64))
    with pytest.raises(Truncated):
        reader.check("numbers")


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 300), st.integers(0, 7), st.integers(0, 2**31))
def test_positions_come_back_within_their_class(n: int, spread: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2 ** (spread + 1), (n, 3))
    bits = np.array([int(v).bit_length() for v in x.max(axis=0)], np.int64)
    keys = partition_keys(x, bits)
    order = np.argsort(keys, kind="stable")
    sent, classes, shift = x[order].copy(), rng.integers(0, 4, n), int(rng.integers(0, spread + 2))
    writer = position_coder(None, n)
    code_positions(*writer.args, bits, shift, 0, keys[order], sent, classes)
    reader = position_coder(writer.finish(), n)
    got, got_classes = np.zeros((n, 3), np.int64), np.zeros(n, np.int64)
    assert code_positions(*reader.args, bits, shift, 0, np.zeros(1, np.int64), got, got_classes)
    assert np.array_equal(got, sent) and np.array_equal(got_classes, classes)
    assert (np.abs(got - x[order]) <= (1 << classes)[:, None] // 2).all()


def test_neighbours_are_the_nearest_earlier_slots_when_cells_hold_all() -> None:
    x = np.random.default_rng(1).integers(0, 40, (120, 3))
    found = find_neighbours(x, 20)
    for i in range(120):
        near = [j for j in range(i) if j >= i - 16]  # one cell: its newest sixteen
        near.sort(key=lambda j: (((x[i] - x[j]) ** 2).sum(), -j))
        assert list(found.slots[i, : found.counts[i]]) == near[:MAX_NEIGHBOURS]
