"""Steps of training are the encoder's own; bits follow differences; slots that show nothing go."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")

import torch

from gscodec.train.codec_losses import (
    MOVING,
    PRICE_AT,
    KeyCalm,
    base_bits,
    base_roughness,
    bits,
    change,
    codec_steps,
    find_neighbours,
    paid_for,
    shaken,
)
from gscodec.train.gaussians import Gaussians, product, to_splats
from tests.train.test_motion import blob, capture_of

QUALITY = 20.0
FRAMES = 8


@pytest.fixture(scope="module")
def scene():  # type: ignore[no-untyped-def]
    start = blob(120)
    capture = capture_of([start])
    steps, rate = codec_steps(start, capture, "classic", FRAMES, "cpu", QUALITY)
    return start, capture, steps, rate


def test_steps_are_those_of_the_encoder(scene) -> None:  # type: ignore[no-untyped-def]
    from gscodec.codec.model.channels import COLOUR, POSITION
    from gscodec.codec.model.steps import BASE_COARSER, CAPS, sensitive_steps
    from gscodec.codec.model.tracks import make_tracks
    from gscodec.codec.settings import target_psnr
    from gscodec.render.sensitivity import measure_sensitivity, sensitivity_cameras

    start, capture, steps, rate = scene
    splats = to_splats(start, capture.normalisation, capture.up, "classic")
    measured = measure_sensitivity(
        splats,
        sensitivity_cameras(splats, capture.zone(), seed=0, size=256, count=12),
        kernel="classic",
        device="cpu",
    )
    tracks = make_tracks([splats] * FRAMES, {0: measured}, use_parts=False, use_gauge=True, steps=None)
    mse, per_slot = 10 ** (-target_psnr(QUALITY) / 10), 15 / FRAMES + 3
    lam = 0.6 * np.sqrt(12 * mse * 3 * measured.pixels / (120 * per_slot))
    gop = sensitive_steps(tracks, lam)
    for group, channel, ours in ((POSITION, 0, steps.means[:, 0]), (COLOUR, 10, steps.sh[:, 0, 0])):
        step = gop.coef_unit[channel] * 2.0 ** gop.wanted[group]
        free = slice(None) if group == POSITION else ours.numpy() < CAPS[group] / BASE_COARSER  # not capped
        assert len(ours[free]) > 20
        assert np.median(np.abs(ours.numpy() / step - 1)[free]) < 0.01


def test_the_exchange_rate_is_the_slope_of_error_by_bits(scene) -> None:  # type: ignore[no-untyped-def]
    """Half the steps: a quarter of the error, and the more bits that the model tells."""
    from dataclasses import replace

    from gscodec.codec.settings import target_psnr

    start, _, steps, rate = scene
    near = find_neighbours(start)

    def told(factor: float) -> float:
        names = ("turns", "log_scales", "logits", "sh")
        finer = replace(steps, **{name: getattr(steps, name) * factor for name in names})
        return float(base_bits(start, near, finer).mean())

    octave = (told(2**-0.01) - told(2**0.01)) / 0.02
    assert octave == pytest.approx(paid_for(start, near, steps), rel=1e-2)
    slope = 2 * np.log(2) * 10 ** (-target_psnr(QUALITY) / 10) / ((octave + 3) / FRAMES + MOVING)
    assert rate == pytest.approx(slope, rel=1e-2)


def test_change_is_told_in_steps(scene) -> None:  # type: ignore[no-untyped-def]
    start, _, steps, _ = scene
    other = start.fixed()
    other.means += 3 * steps.means
    half = 0.5 * 0.1 * torch.tensor([[0.0, 1.0, 0.0]]).expand(120, 3)
    small = torch.cat([torch.ones(120, 1), half], dim=1)
    other.quats = -product(torch.nn.functional.normalize(start.quats, dim=1), small)  # the sign says nothing
    off = change(other, start, steps)
    assert torch.allclose(off["means"], torch.full((120, 3), 3.0), atol=1e-2)
    assert torch.allclose(off["turns"][:, 1] * steps.turns[:, 1], torch.full((120,), 0.1), rtol=1e-2)
    assert float(off["turns"][:, [0, 2]].abs().max()) < 1e-3
    assert float(bits(off["sh"]).abs().max()) == 0
    assert float(bits(off["means"])[0]) == pytest.approx(6.0, abs=0.02)  # three axes, log2(1 + 3) each


def test_a_smooth_base_costs_fewer_bits(scene) -> None:  # type: ignore[no-untyped-def]
    start, _, steps, _ = scene
    near = find_neighbours(start)
    assert torch.allclose(near.weights.sum(1), torch.ones(120))
    assert not bool((near.rows == torch.arange(120)[:, None]).any())
    smooth = start.fixed()
    smooth.sh[:] = smooth.sh.mean(0)
    smooth.log_scales[:] = -3.0
    for cost in (base_bits, base_roughness):
        assert float(cost(smooth, near, steps).sum()) < 0.5 * float(cost(start, near, steps).sum())


def test_shaken_by_at_most_half_a_step_of_the_base(scene) -> None:  # type: ignore[no-untyped-def]
    start, _, steps, _ = scene
    moved = change(shaken(start, steps, torch.Generator().manual_seed(1)), start, steps)
    assert 0.4 < float(moved["means"].abs().max()) / steps.place_share < 0.51
    for name in ("turns", "log_scales", "logits", "sh"):
        assert 0.4 < float(moved[name].abs().max()) / steps.base_share < 0.51, name


def test_slots_that_are_not_worth_their_bits_go_a_few_at_a_time(scene) -> None:  # type: ignore[no-untyped-def]
    start, capture, _, _ = scene
    faint = start.fixed()
    faint.logits[:60] = -7.0
    calm, drawn = KeyCalm(("price",), capture, "classic", FRAMES, QUALITY), torch.Generator().manual_seed(2)
    assert calm.worth(faint, PRICE_AT[0] - 0.01, drawn) is None  # too early
    again = torch.Generator()
    again.set_state(drawn.get_state())
    keep = calm.worth(faint, PRICE_AT[0], drawn)
    assert keep is not None
    assert 5 < int((~keep[:60]).sum()) < 40  # not all that show nothing: others may hide behind them
    assert int(keep[60:].sum()) > 50
    assert calm.worth(faint, PRICE_AT[0] + 0.01, drawn) is None  # not twice
    rows = torch.nonzero(keep)[:, 0]
    left = Gaussians(*(tensor[rows] for tensor in faint.tensors().values()))
    calm.taken(left, rows)
    calm._losses = ("entropy", "grid")
    assert float(calm.cost(left.fixed())) > 0  # in the steps of what is left
    calm._losses = ("price",)
    other = KeyCalm(("price",), capture, "classic", FRAMES, QUALITY)
    assert torch.equal(other.worth(faint, PRICE_AT[0], again), keep)  # type: ignore[arg-type]
    assert calm.worth(faint, PRICE_AT[-1], drawn) is not None
    assert KeyCalm((), capture, "classic", FRAMES, QUALITY).cost(faint) == 0
