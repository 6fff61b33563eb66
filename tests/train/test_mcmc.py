"""Relocation leaves the picture as it was; only faint Gaussians walk."""

from __future__ import annotations

import numpy as np
import pytest

from gscodec.render.cameras import look_at

torch = pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")


def one(count: int, opacity: float):  # type: ignore[no-untyped-def]
    """`count` Gaussians; the first is opaque and in the middle, the others are dead and far away."""
    from gscodec.train.gaussians import Gaussians

    means, logits = torch.full((count, 3), 5.0), torch.full((count,), -9.0)
    means[0], logits[0] = 0, float(np.log(opacity / (1 - opacity)))
    sh = torch.zeros(count, 1, 3)
    sh[0] = 1.0
    return Gaussians(
        means, torch.tensor([[1.0, 0, 0, 0]]).repeat(count, 1), torch.full((count, 3), -1.5), logits, sh
    )


@pytest.mark.parametrize(("count", "opacity"), [(2, 0.4), (4, 0.8), (12, 0.9)])
def test_relocation_keeps_the_picture(count: int, opacity: float) -> None:
    from gscodec.train.keyframe import RATES, optimiser
    from gscodec.train.mcmc import relocate
    from gscodec.train.rasterise import render

    camera = look_at(np.array([0.0, -3.0, 0.0]), np.zeros(3), np.array([0.0, 0.0, 1.0]), 0.6, 48)
    gaussians = one(count, opacity).trainable()
    before = render(gaussians.activated(), [camera])[0].detach()
    adam = optimiser(gaussians, dict.fromkeys(RATES, 1.0))
    assert relocate(gaussians, adam, torch.Generator().manual_seed(1)) == count - 1
    after = render(gaussians.activated(), [camera])[0].detach()
    assert float(before[..., 3].max()) > 0.35
    assert float((before[24, 24] - after[24, 24]).abs().max()) < 0.01
    line = before[24, :, 3].sum()  # eq. 9: the integral over a line through the middle stays
    assert float((line - after[24, :, 3].sum()).abs() / line) < 0.02
    assert bool((torch.sigmoid(gaussians.logits) > 0.05).all())
    assert relocate(gaussians, adam, torch.Generator().manual_seed(1)) == 0


def test_the_scale_factor_is_that_of_the_double_sum() -> None:
    from math import comb

    from gscodec.train.mcmc import shared_opacity, shared_scale

    for n in (2, 3, 9):
        new = float(shared_opacity(torch.tensor([0.7]), torch.tensor([n]))[0])
        total = sum(
            comb(i - 1, k) * (-1) ** k * new ** (k + 1) / np.sqrt(k + 1)
            for i in range(1, n + 1)
            for k in range(i)
        )
        got = float(shared_scale(torch.tensor([0.7]), torch.tensor([n]))[0])
        assert got == pytest.approx(0.7 / total, rel=1e-5)
    assert float(shared_scale(torch.tensor([0.7]), torch.tensor([1]))[0]) == 1


def test_a_crowd_on_a_wholly_opaque_one_stays_finite() -> None:
    from gscodec.train.keyframe import RATES, optimiser
    from gscodec.train.mcmc import relocate

    gaussians = one(80, 0.5)
    gaussians.logits[0] = 40.0
    gaussians = gaussians.trainable()
    adam = optimiser(gaussians, dict.fromkeys(RATES, 1.0))
    assert relocate(gaussians, adam, torch.Generator().manual_seed(1)) == 79
    assert all(bool(tensor.isfinite().all()) for tensor in gaussians.tensors().values())
    assert float(gaussians.log_scales.max().detach()) <= -1.5


def test_only_faint_ones_walk_and_along_their_shape() -> None:
    from gscodec.train.mcmc import walk

    gaussians = one(400, 0.5)
    gaussians.log_scales[:] = torch.tensor([-1.0, -4.0, -4.0])
    start = gaussians.means.clone()
    walk(gaussians, 1e-4, torch.Generator().manual_seed(1))
    moved = (gaussians.means - start)[1:]
    assert torch.equal(gaussians.means[0], start[0])
    assert float(moved.std(0)[0]) > 100 * float(moved.std(0)[1])
