"""The trainer's rasteriser against the exact one: pictures and every gradient."""

from __future__ import annotations

import numpy as np
import pytest

from gscodec.render.rasterize import rasterize
from gscodec.render.views import look_at
from gscodec.splats.model import Splats
from tests.reference.render_backward import rasterize_backward

torch = pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")

NAMES = ("means", "quats", "scales", "opacities", "sh")


def scene(coefficients: int) -> Splats:
    rng = np.random.default_rng(3)
    n, f = 120, np.float32
    return Splats(
        means=rng.normal(0, 0.4, (n, 3)).astype(f),
        quats=rng.normal(size=(n, 4)).astype(f),
        scales=np.exp(rng.normal(-2.5, 0.5, (n, 3))).astype(f),
        opacities=rng.uniform(0.1, 0.95, n).astype(f),
        sh=rng.normal(0, 0.3, (n, coefficients, 3)).astype(f),
    )


@pytest.mark.parametrize("kernel", ["classic", "compensated"])
@pytest.mark.parametrize("coefficients", [1, 4, 16])
def test_picture_and_gradients_are_those_of_the_exact_renderer(kernel: str, coefficients: int) -> None:
    from gscodec.train.rasterise import Attributes, render

    splats = scene(coefficients)
    camera = look_at(np.array([0.3, -3.0, 0.5]), np.zeros(3), np.array([0.0, 0.0, 1.0]), 0.6, 56)
    tensors = [torch.tensor(getattr(splats, name), requires_grad=True) for name in NAMES]
    picture = render(Attributes(*tensors), [camera], kernel=kernel)[0]
    rgb, alpha = rasterize(splats, camera, kernel=kernel)
    assert np.abs(picture[..., :3].detach().numpy() - rgb).max() < 1e-4
    assert np.abs(picture[..., 3].detach().numpy() - alpha).max() < 1e-4
    weight = np.random.default_rng(1).normal(size=picture.shape)
    (picture * torch.tensor(weight, dtype=torch.float32)).sum().backward()
    want = rasterize_backward(splats, camera, weight[..., :3], weight[..., 3], kernel=kernel)
    for name, tensor in zip(NAMES, tensors, strict=True):
        exact = getattr(want, name)
        assert np.abs(tensor.grad.numpy() - exact).max() < 2e-3 * np.abs(exact).max(), name


def test_the_kernels_offered_are_those_there_are() -> None:
    from gscodec.train import rasterise, settings

    assert tuple(rasterise.KERNELS) == settings.KERNELS


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_cuda_draws_the_same_picture() -> None:
    from gscodec.train.rasterise import Attributes, render

    splats = scene(4)
    camera = look_at(np.array([0.3, -3.0, 0.5]), np.zeros(3), np.array([0.0, 0.0, 1.0]), 0.6, 56)
    tensors = [torch.tensor(getattr(splats, name), device="cuda") for name in NAMES]
    rgb, _ = rasterize(splats, camera)
    picture = render(Attributes(*tensors), [camera])[0, ..., :3].cpu().numpy()
    assert (np.abs(picture - rgb) > 1 / 255).mean() < 1e-3
