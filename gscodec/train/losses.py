"""What a picture costs: L1 and SSIM (Wang et al. 2004), the usual mix of 0.8 and 0.2."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as nn

from gscodec.train.kernels.blur import TAPS, blur

__all__ = ["photometric", "ssim_map", "touched"]

SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2
SSIM_SHARE = 0.2

_AT = np.arange(TAPS) - TAPS // 2
WEIGHTS = np.exp(-(_AT**2) / (2 * SIGMA**2))
WEIGHTS = (WEIGHTS / WEIGHTS.sum()).astype(np.float32)


class _Blur(torch.autograd.Function):
    """The window on the CPU; torch's convolution takes twenty times as long there."""

    @staticmethod
    def forward(ctx: Any, planes: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        source = np.ascontiguousarray(planes.detach().numpy())
        out = np.empty_like(source)
        blur(source, WEIGHTS, out)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, v: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        source = np.ascontiguousarray(v.numpy())
        out = np.empty_like(source)
        blur(source, WEIGHTS, out)
        return torch.from_numpy(out)


def _blurred(planes: torch.Tensor) -> torch.Tensor:
    """(C, H, W) float32 under the window, borders zero."""
    if not planes.is_cuda:
        return _Blur.apply(planes)  # type: ignore[no-any-return,no-untyped-call]
    weight = torch.from_numpy(WEIGHTS).to(planes.device)
    out = nn.conv2d(planes[:, None], weight.view(1, 1, 1, -1), padding=(0, TAPS // 2))
    return nn.conv2d(out, weight.view(1, 1, -1, 1), padding=(TAPS // 2, 0))[:, 0]


def ssim_map(picture: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """SSIM at every pixel and channel (3, H, W) of two float32 pictures (H, W, 3), 0..1. Only `picture` has a gradient."""
    x, y = picture.permute(2, 0, 1), target.detach().permute(2, 0, 1)
    mx, xx, xy = _blurred(torch.cat([x, x * x, x * y])).chunk(3)
    my, yy = _blurred(torch.cat([y, y * y])).chunk(2)
    xx, yy, xy = xx - mx * mx, yy - my * my, xy - mx * my
    return ((2 * mx * my + C1) * (2 * xy + C2)) / ((mx * mx + my * my + C1) * (xx + yy + C2))


def photometric(
    picture: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None
) -> torch.Tensor:
    """0.8 L1 + 0.2 (1 - SSIM) of two pictures (H, W, 3), averaged over the pixels of `valid` (H, W) bool, or all.

    What is not valid has no gradient: there the picture is taken to be the target.
    """
    if valid is not None:
        if not bool(valid.any()):
            return picture.sum() * 0
        picture = torch.where(valid[..., None], picture, target)
    share = 1.0 if valid is None else valid.float().mean()
    far = (picture - target).abs().mean() / share
    unlike = 1 - ssim_map(picture, target)
    if valid is not None:
        unlike = unlike * valid
    return (1 - SSIM_SHARE) * far + SSIM_SHARE * unlike.mean() / share


def touched(shown: torch.Tensor) -> tuple[slice, slice]:
    """Rows and columns of the box around the True of `shown` (H, W), with room for the window; all where none is."""
    ys, xs = torch.nonzero(shown.any(1))[:, 0], torch.nonzero(shown.any(0))[:, 0]
    if not len(ys):
        return slice(None), slice(None)
    room = TAPS // 2
    rows = slice(max(0, int(ys[0]) - room), int(ys[-1]) + 1 + room)
    return rows, slice(max(0, int(xs[0]) - room), int(xs[-1]) + 1 + room)
