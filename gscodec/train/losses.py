"""What a picture costs: L1 and SSIM (Wang et al. 2004), the usual mix of 0.8 and 0.2."""

from __future__ import annotations

import torch
import torch.nn.functional as nn

__all__ = ["photometric", "ssim"]

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
SSIM_SHARE = 0.2


def _blur(x: torch.Tensor) -> torch.Tensor:
    """(C, H, W) by the separable Gaussian window, borders zero."""
    at = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    weight = torch.exp(-(at**2) / (2 * SIGMA**2))
    weight = weight / weight.sum()
    out = nn.conv2d(x[:, None], weight.view(1, 1, 1, -1), padding=(0, WINDOW // 2))
    return nn.conv2d(out, weight.view(1, 1, -1, 1), padding=(WINDOW // 2, 0))[:, 0]


def ssim(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Mean SSIM of two pictures (H, W, 3), 0..1."""
    x, y = a.permute(2, 0, 1), b.permute(2, 0, 1)
    mx, my, xx, yy, xy = _blur(torch.cat([x, y, x * x, y * y, x * y])).chunk(5)
    xx, yy, xy = xx - mx * mx, yy - my * my, xy - mx * my
    return (((2 * mx * my + C1) * (2 * xy + C2)) / ((mx * mx + my * my + C1) * (xx + yy + C2))).mean()


def photometric(picture: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """0.8 L1 + 0.2 (1 - SSIM) of two pictures (H, W, 3)."""
    return (1 - SSIM_SHARE) * (picture - target).abs().mean() + SSIM_SHARE * (1 - ssim(picture, target))
