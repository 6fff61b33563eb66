"""Matching: tracked, shuffled and changed rows are told apart, and shuffled ones put back exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gscodec.splats import matching
from gscodec.splats.assignment import assign
from gscodec.splats.lives import fill_slots
from gscodec.splats.matching import Relation, match_rows, relate, track
from gscodec.splats.model import Splats
from gscodec.splats.sample import make_sample
from gscodec.splats.sequence import open_sequence
from tests.splats.helpers import random_splats


def _turned(splats: Splats, degrees: float) -> Splats:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return replace(
        splats, means=(splats.means @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])).astype(np.float32)
    )


def _permutation(n: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).permutation(n)


@pytest.mark.parametrize("degrees", [0.0, 5.0, 60.0, 180.0])
def test_rows_are_tracked_however_fast_the_model_turns(degrees: float) -> None:
    splats = random_splats(500)
    assert relate(splats, _turned(splats, degrees)) is Relation.TRACKED


def test_rows_are_shuffled_where_the_same_gaussians_come_in_another_order() -> None:
    splats = random_splats(500)
    assert relate(splats, _turned(splats, 1.0).take(_permutation(500))) is Relation.SHUFFLED


def test_rows_are_changed_where_counts_or_gaussians_differ() -> None:
    assert relate(random_splats(500), random_splats(501)) is Relation.CHANGED
    assert relate(random_splats(500, seed=1), random_splats(500, seed=2)) is Relation.CHANGED


@pytest.mark.parametrize("n", [1, 5, 300])
def test_match_rows_undoes_a_permutation(n: int) -> None:
    splats = random_splats(n)
    rows = _permutation(n)
    assert np.array_equal(match_rows(splats, _turned(splats, 0.3).take(rows)), np.argsort(rows))


def test_match_rows_follows_a_fast_motion_with_the_help_of_velocity() -> None:
    splats = random_splats(300)
    moved = _turned(splats, 40.0)
    rows = _permutation(300)
    found = match_rows(splats, moved.take(rows), 0.97 * (moved.means - splats.means))
    assert np.array_equal(found, np.argsort(rows))


def test_match_rows_names_no_row_twice_whatever_it_is_given() -> None:
    a, b = random_splats(100, seed=1), random_splats(100, seed=2)
    same = replace(b, means=np.zeros_like(b.means))
    for other in (b, same, b.take(np.arange(40)), random_splats(1), random_splats(0)):
        found = match_rows(a, other)
        named = found[found >= 0]
        assert (
            len(found) == 100 and len(np.unique(named)) == len(named) and named.max(initial=-1) < len(other)
        )
    assert len(match_rows(random_splats(0), a)) == 0


def _lattice(side: int, shift: float) -> Splats:
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3), axis=-1).reshape(-1, 3)
    one = random_splats(1).take(np.zeros(side**3, dtype=np.int64))
    return replace(one, means=(grid + [shift, 0, 0]).astype(np.float32))


def test_a_lattice_of_equal_gaussians_is_followed_beyond_its_spacing() -> None:
    rows = _permutation(512)
    for shift in (0.4, 2.3):
        assert np.array_equal(match_rows(_lattice(8, 0), _lattice(8, shift).take(rows)), np.argsort(rows))


def test_births_and_deaths_keep_the_others_numbers() -> None:
    a = random_splats(300)
    b = _turned(a, 0.5).take(_permutation(300)[:280])
    born = replace(random_splats(9, seed=4), means=random_splats(9, seed=4).means + np.float32(8))
    b = replace(b, **{n: np.concatenate([getattr(b, n), getattr(born, n)])
                      for n in ("means", "quats", "scales", "opacities", "sh")})  # fmt: skip
    first, second = track([a, b])
    assert not second.new_run and (second.ids >= 300).sum() == 9
    old = second.ids[second.ids < 300]
    assert np.array_equal(second.splats.opacities[: len(old)], a.opacities[old]) and len(old) == 280
    filled = fill_slots([first.splats, second.splats], [first.ids, second.ids])
    assert [len(f) for f in filled] == [309, 309]
    assert (filled[0].opacities[300:] == 0).all() and (filled[1].opacities == 0).sum() == 20
    assert np.array_equal(filled[0].means[300:], filled[1].means[300:])


def test_empty_and_replaced_frames_begin_a_run() -> None:
    frames = [
        random_splats(0),
        random_splats(50),
        random_splats(50, seed=9),
        random_splats(0),
        random_splats(0),
    ]
    assert [f.new_run for f in track(frames)] == [True, True, True, True, False]


def test_track_begins_a_new_run_where_gaussians_are_born_or_die() -> None:
    a, b = random_splats(200), random_splats(150, seed=3)
    frames = [a, _turned(a, 1.0).take(_permutation(200)), b, _turned(b, 1.0)]
    found = list(track(iter(frames)))
    assert [frame.new_run for frame in found] == [True, False, True, False]
    assert np.array_equal(found[1].splats.means, _turned(a, 1.0).means)


def test_track_is_lazy() -> None:
    def frames() -> Iterator[Splats]:
        yield random_splats(50)
        raise AssertionError("read too far")

    assert next(track(frames())).new_run


def test_track_follows_articulated_motion_in_shuffled_frames() -> None:
    sample = make_sample(frames=60, gaussians=1500)
    shuffled = (sample[i].take(_permutation(1500, i)) for i in range(4))
    for i, found in enumerate(track(shuffled)):
        truth = sample[i].take(_permutation(1500, 0)).means
        assert (found.splats.means == truth).all(axis=1).mean() > 0.99, f"frame {i}"


def test_match_rows_needs_no_velocity_for_a_model_that_turns_and_swells(
    test_data: Callable[[str], Path],
) -> None:
    twin = open_sequence([test_data("seq-monkey")])
    rows = _permutation(31658)
    assert np.array_equal(match_rows(twin[28], twin[29].take(rows)), np.argsort(rows))


@pytest.mark.parametrize("name", ["seq-wave", "seq-monkey"])
def test_track_recovers_every_row_of_the_shuffled_sequences(
    test_data: Callable[[str], Path], name: str
) -> None:
    twin = open_sequence([test_data(name)])
    for i, found in enumerate(track(open_sequence([test_data(f"{name}-shuffled")]))):
        assert found.new_run == (i == 0)
        assert np.array_equal(found.splats.means, twin[i].means), f"frame {i}"


@pytest.mark.parametrize("name", ["seq-wave", "seq-monkey", "seq-fox", "seq-trio"])
def test_tracked_sequences_are_known_as_such(test_data: Callable[[str], Path], name: str) -> None:
    found = list(islice(track(open_sequence([test_data(name)])), 24))
    assert all(frame.relation is Relation.TRACKED for frame in found[1:])


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 30), k=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_assign_gives_a_permutation(n: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    others = rng.integers(0, n, (n, k))
    candidates = np.concatenate([np.arange(n)[:, None], others], axis=1).astype(np.int64)
    table = rng.uniform(0, 1, (n, n))
    cost = table[np.arange(n)[:, None], candidates]
    found = assign(candidates, cost, len(candidates))
    assert np.array_equal(np.sort(found), np.arange(n))


def test_assign_solves_a_conflict_at_least_cost() -> None:
    candidates = np.array([[0, 1], [0, 1], [2, 0]])
    cost = np.array([[0.1, 0.2], [0.0, 0.9], [0.3, 0.1]])
    assert assign(candidates, cost, len(candidates)).tolist() == [1, 0, 2]


def test_a_changed_order_is_kept_for_the_frames_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where some rows are other Gaussians, rows are put into another order; the source's later frames are in its own."""
    asked: list[int] = []
    monkeypatch.setattr(matching, "match_rows", lambda *given: asked.append(1) or match_rows(*given))
    a, b = random_splats(400), random_splats(400)
    other = replace(random_splats(60, seed=2), means=random_splats(60, seed=2).means + np.float32(3))
    for name in ("means", "quats", "scales", "opacities", "sh"):
        getattr(b, name)[10:70] = getattr(other, name)
    frames = list(track([a, a, b, b, b]))
    assert len(asked) == 1 and not any(frame.new_run for frame in frames[1:])
    assert (frames[2].ids >= 400).sum() == 60
    for frame in frames[3:]:
        np.testing.assert_array_equal(frame.ids, frames[2].ids)
        np.testing.assert_array_equal(frame.splats.means, frames[2].splats.means)
