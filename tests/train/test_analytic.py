"""The pixel-window kernel: its picture is the integral over each pixel, its gradient that of finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from gscodec.render.cameras import Camera, look_at
from gscodec.train.kernels import project as geometry
from gscodec.train.kernels.analytic import blend_analytic, blend_analytic_backward
from gscodec.train.kernels.blend import bin_tiles, gather

SIZE = 40
CAMERA = look_at(np.array([0.3, -3.0, 0.5]), np.zeros(3), np.array([0.0, 0.0, 1.0]), 0.6, SIZE)
Arrays = list[np.ndarray]


def place(camera: Camera) -> tuple[object, ...]:
    lens = np.array([camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height], np.float64)
    return camera.R, camera.t, lens, geometry.ANALYTIC


def drawn(arrays: Arrays) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """The picture in float64, and what its gradient needs."""
    n = len(arrays[0])
    shape, depth, reach = np.zeros((n, geometry.SHAPE)), np.zeros(n), np.zeros((n, 2))
    geometry.project(*arrays, *place(CAMERA), shape, depth, reach)
    window = np.array([0, 0, SIZE, SIZE])
    starts, members = bin_tiles(np.argsort(depth, kind="stable"), shape, reach, window)
    picture = np.zeros((SIZE, SIZE, 4))
    blend_analytic(starts, members, shape, reach, window, picture)
    return picture, (starts, members, shape, reach, window)


def scene(n: int = 12) -> Arrays:
    """Some larger than a pixel and some smaller, all longer than wide: round ones have no direction to turn in."""
    rng = np.random.default_rng(6)
    scales = np.exp(rng.uniform(-4.5, -1.8, (n, 1))) * (1.0, 0.55, 0.3)
    return [
        rng.normal(0, 0.35, (n, 3)), rng.normal(size=(n, 4)), scales, rng.uniform(0.3, 0.9, n),
        rng.normal(0, 0.3, (n, 4, 3)),
    ]  # fmt: skip


@pytest.mark.parametrize("size", [0.02, 0.15])
def test_the_picture_is_the_integral_over_the_pixels(size: float) -> None:
    arrays = scene(1)
    arrays[0][:], arrays[1][:], arrays[3][:] = 0.03, (1, 0, 0, 0), 0.8
    arrays[2][:] = size, size, 0.5 * size
    picture, held = drawn(arrays)
    x, y, xx, xy, yy = held[2][0, :5]
    inverse = np.linalg.inv([[xx, xy], [xy, yy]])
    fine = 16
    at = (np.arange(SIZE * fine) + 0.5) / fine
    d = np.stack(np.meshgrid(x - at, y - at), -1)
    value = 0.8 * np.exp(-0.5 * np.einsum("...a,ab,...b->...", d, inverse, d))
    want = value.reshape(SIZE, fine, SIZE, fine).mean((1, 3))
    assert picture[..., 3].max() > 0.05
    assert np.abs(picture[..., 3] - np.where(want < 1 / 255, 0, want)).max() < 0.012


def test_the_gradient_is_that_of_finite_differences() -> None:
    arrays = scene()
    weight = np.random.default_rng(1).normal(size=(SIZE, SIZE, 4))
    picture, held = drawn(arrays)
    starts, members, shape, reach, window = held
    rows, by_shape = np.empty((len(members), geometry.SHAPE)), np.zeros_like(shape)
    blend_analytic_backward(starts, members, shape, reach, window, picture, weight, rows)
    gather(members, rows, by_shape)
    gradients = [np.zeros_like(a) for a in arrays]
    geometry.project_backward(*arrays, *place(CAMERA), reach, by_shape, *gradients)
    for which, (array, gradient) in enumerate(zip(arrays, gradients, strict=True)):
        want = np.zeros_like(array)
        step = 1e-6 * max(1e-2, float(np.abs(array).mean()))
        for at in np.ndindex(array.shape):
            kept = array[at]
            values = []
            for sign in (1, -1):
                array[at] = kept + sign * step
                values.append((drawn(arrays)[0] * weight).sum())
            array[at] = kept
            want[at] = (values[0] - values[1]) / (2 * step)
        assert np.abs(gradient).max() > 0
        # the derivative of the culled rim isn't there: one step of finite differences in many crosses it
        wrong = np.abs(gradient - want) > 2e-4 * np.abs(want).max()
        assert wrong.mean() < 0.03, (which, np.abs(gradient - want).max(), np.abs(want).max())


def test_through_the_autograd_function_and_close_to_the_classic_kernel() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")
    from gscodec.train.rasterise import Attributes, render

    arrays = scene()
    arrays[2][:] = 0.15, 0.1, 0.08  # far above a pixel
    tensors = [torch.tensor(a, dtype=torch.float32, requires_grad=True) for a in arrays]
    picture = render(Attributes(*tensors), [CAMERA], kernel="analytic")
    classic = render(Attributes(*tensors), [CAMERA])
    assert float((picture - classic).detach().abs().max()) < 0.06
    assert np.abs(picture[0].detach().numpy() - drawn(arrays)[0]).max() < 1e-4
    picture.sum().backward()
    assert all(bool(t.grad.abs().sum() > 0) for t in tensors)
