"""Temporal bases: which is taken, and that the frames beside a seam get less noise."""

from __future__ import annotations

import numpy as np
import pytest

from gscodec.codec.model.bases import END_WEIGHT, choose_basis, frame_weights, project
from gscodec.codec.segment import BASIS_DCT, BASIS_EXPLICIT, BASIS_NONE

ONE = np.ones(400)  # steps


def walks(frames: int) -> np.ndarray:
    """(400, frames) random walks whose pace changes over time, so that no fixed basis fits them."""
    rng = np.random.default_rng(3)
    pace = np.where(np.arange(frames) % 3 == 0, 20.0, 2.0)
    return np.cumsum(rng.normal(size=(400, frames)) * pace, axis=1)


@pytest.mark.parametrize("frames", [1, 2, 3, 30])
def test_weights_of_frames_cost_no_bits(frames: int) -> None:
    assert np.log(frame_weights(frames)).sum() == pytest.approx(0, abs=1e-12)


def test_quantisation_noise_of_an_explicit_basis_is_less_at_both_ends() -> None:
    kind, basis, integers = choose_basis(walks(10), ONE, shared=True)
    assert kind == BASIS_EXPLICIT and len(integers) == len(basis) == 10
    noise = (basis**2).sum(axis=0)  # of coefficients that are off by one step each
    assert noise == pytest.approx(1 / frame_weights(10), rel=0.02)
    assert noise[[0, -1]] * END_WEIGHT == pytest.approx(noise[[1, 5]], rel=0.02)


@pytest.mark.parametrize("explicit", [True, False])
def test_all_coefficients_give_the_series_back(explicit: bool) -> None:
    series = walks(10)
    kind, basis, _ = choose_basis(series, ONE, shared=True, explicit=explicit)
    assert kind == (BASIS_EXPLICIT if explicit else BASIS_DCT)
    assert project(series, basis) @ basis == pytest.approx(series, abs=1e-6)


def test_too_few_coefficients_fit_the_ends_best() -> None:
    series = walks(10)
    basis = choose_basis(series, ONE, shared=True, explicit=False)[1][:4]
    plain = series @ basis.T @ basis
    off, off_plain = (((fit - series) ** 2).mean(axis=0) for fit in (project(series, basis) @ basis, plain))
    assert (off[[0, -1]] < off_plain[[0, -1]]).all()
    assert (frame_weights(10) * off).sum() < (frame_weights(10) * off_plain).sum()


def test_nothing_is_sent_of_what_stands_still() -> None:
    kind, basis, integers = choose_basis(np.full((50, 8), 7.0), ONE[:50])
    assert kind == BASIS_NONE and basis.shape == (0, 8) and integers.size == 0


@pytest.mark.parametrize("shared", [True, False])
def test_series_in_steps_get_the_basis_of_series_divided_by_them(shared: bool) -> None:
    steps = np.random.default_rng(4).uniform(0.5, 20, 400)
    series = walks(10) + 3.0
    whole = choose_basis(series, ONE, shared=shared)
    scaled = choose_basis(series * steps[:, None], steps, shared=shared)
    assert whole[0] == scaled[0]
    np.testing.assert_array_equal(whole[2], scaled[2])
