"""Steps of training are the encoder's own; bits follow differences; slots that show nothing go."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")

import torch

from gscodec.train.codec_losses import (
    THRIFT,
    KeyCalm,
    base_bits,
    base_roughness,
    bits,
    change,
    codec_steps,
    find_neighbours,
    shaken,
)
from gscodec.train.gaussians import product, to_splats
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
    assert rate / THRIFT == pytest.approx(lam**2 * np.log(2) / 6 * 120 / (3 * measured.pixels), rel=1e-6)


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


def test_slots_that_are_not_worth_their_bits_go(scene) -> None:  # type: ignore[no-untyped-def]
    start, capture, _, _ = scene
    faint = start.fixed()
    faint.logits[:20] = -7.0
    calm = KeyCalm(("price",), capture, "classic", FRAMES, QUALITY)
    calm.look(faint, 0.5)
    assert calm.worth(faint, 0.5) is None  # too early
    calm.look(faint, 0.7)
    keep = calm.worth(faint, 0.7)
    assert keep is not None
    assert not bool(keep[:20].any())
    assert int(keep.sum()) > 60
    assert calm.worth(faint, 0.71) is None  # not twice
    assert KeyCalm((), capture, "classic", FRAMES, QUALITY).cost(faint) == 0
