"""L1 + SSIM against the renderer's measure and against finite differences."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")


def pictures() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    a = rng.random((24, 30, 3)).astype(np.float32)
    return a, np.clip(a + rng.normal(0, 0.2, a.shape), 0, 1).astype(np.float32)


def test_ssim_is_that_of_plain_convolution() -> None:
    from scipy.ndimage import convolve1d

    from gscodec.train.losses import C1, C2, WEIGHTS, ssim_map

    a, b = pictures()

    def window(x: np.ndarray) -> np.ndarray:
        return convolve1d(convolve1d(x, WEIGHTS, axis=0, mode="constant"), WEIGHTS, axis=1, mode="constant")

    x, y = a.astype(np.float64), b.astype(np.float64)
    mx, my = window(x), window(y)
    xx, yy, xy = window(x * x) - mx**2, window(y * y) - my**2, window(x * y) - mx * my
    want = (2 * mx * my + C1) * (2 * xy + C2) / ((mx**2 + my**2 + C1) * (xx + yy + C2))
    got = ssim_map(torch.from_numpy(a), torch.from_numpy(b)).permute(1, 2, 0).numpy()
    assert np.abs(got - want).max() < 1e-4
    assert float(ssim_map(torch.from_numpy(a), torch.from_numpy(a)).min()) > 1 - 1e-5


def test_gradient_is_that_of_finite_differences() -> None:
    from gscodec.train.losses import photometric

    a, b = pictures()
    x = torch.from_numpy(a).requires_grad_()
    target = torch.from_numpy(b)
    photometric(x, target).backward()
    step = 3e-3
    for at in [(0, 0, 0), (7, 11, 1), (12, 29, 2), (23, 4, 0)]:
        if abs(a[at] - b[at]) < 2 * step:  # the kink of L1
            continue
        values = []
        for sign in (1, -1):
            moved = a.copy()
            moved[at] += sign * step
            values.append(float(photometric(torch.from_numpy(moved), target)))
        assert float(x.grad[at]) == pytest.approx((values[0] - values[1]) / (2 * step), rel=0.05, abs=2e-6)


def test_what_is_not_valid_does_not_count() -> None:
    from gscodec.train.losses import photometric

    a, b = pictures()
    valid = np.ones(a.shape[:2], bool)
    valid[5:12, 8:20] = False
    hidden = a.copy()
    hidden[~valid] = 0.5
    target, mask = torch.from_numpy(b), torch.from_numpy(valid)
    x = torch.from_numpy(hidden).requires_grad_()
    loss = photometric(x, target, mask)
    assert float(loss.detach()) == float(photometric(torch.from_numpy(a), target, mask))
    loss.backward()
    assert not x.grad.numpy()[~valid].any()
    assert x.grad.numpy()[valid].any()
    nothing = photometric(x, target, torch.zeros_like(mask))
    assert float(nothing.detach()) == 0


def test_the_box_holds_all_that_is_shown() -> None:
    from gscodec.train.losses import touched

    shown = torch.zeros(40, 50, dtype=torch.bool)
    assert shown[touched(shown)].shape == (40, 50)
    shown[10, 2] = shown[30, 20] = True
    rows, columns = touched(shown)
    assert (rows, columns) == (slice(5, 36), slice(0, 26))
