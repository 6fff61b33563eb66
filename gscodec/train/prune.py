"""Which Gaussians a key frame can do without: by what they contribute, or by masks that are learnt beside them."""

from __future__ import annotations

from collections.abc import Callable

import torch

from gscodec.train.captures.model import Capture
from gscodec.train.gaussians import Y0, Gaussians
from gscodec.train.rasterise import Attributes, render

__all__ = ["MASK_START", "contribution", "kept", "masked", "significance"]

VOLUME_POWER = 0.1
KEPT = 0.01  # share under which a mask is off (Compact 3DGS)
MASK_START = 1.0  # logit


def contribution(
    gaussians: Gaussians,
    capture: Capture,
    frame: int,
    kernel: str,
    weigh: Callable[[torch.Tensor, int], torch.Tensor] | None = None,
) -> torch.Tensor:
    """(N,) sum of alpha times what light reaches it, over all pixels of the training views.

    With one colour for all, that is what the picture's sum changes by per change of a Gaussian's colour.
    `weigh`: the picture (H, W, 4) as drawn and its view to weights (H, W) of the pixels.
    """
    a = gaussians.fixed().activated()
    grey = torch.zeros(len(a.means), 1, 3, device=a.means.device, requires_grad=True)
    shown = Attributes(a.means, a.quats, a.scales, a.opacities, grey)
    total = torch.zeros(len(a.means), device=a.means.device)
    for view in capture.train_views:
        if capture.views[view].has(frame):
            camera = capture.views[view].camera(frame)
            light = render(shown, [camera], kernel=kernel)[0, ..., 0]
            if weigh:
                with torch.no_grad():
                    weights = weigh(render(a, [camera], kernel=kernel)[0], view)
                light = light * weights
            (slope,) = torch.autograd.grad(light.sum(), grey)
            total += slope[:, 0, 0] / Y0
    return total


def significance(gaussians: Gaussians, contribution: torch.Tensor) -> torch.Tensor:
    """(N,) LightGaussian's global significance (Fan et al. 2024, eq. 3): contribution by a mild power of the volume."""
    volume = torch.exp(gaussians.log_scales.detach().sum(1))
    return contribution * volume**VOLUME_POWER


def kept(logits: torch.Tensor) -> torch.Tensor:
    """(N,) bool: whose mask is on."""
    return torch.sigmoid(logits.detach()) > KEPT


def masked(attributes: Attributes, logits: torch.Tensor) -> Attributes:
    """Scales and opacities times masks of 0 or 1 whose gradient is the sigmoid's (Lee et al. 2024, eq. 3 and 4)."""
    soft = torch.sigmoid(logits)
    hard = (kept(logits).float() - soft).detach() + soft
    return Attributes(
        attributes.means, attributes.quats, attributes.scales * hard[:, None], attributes.opacities * hard,
        attributes.sh,
    )  # fmt: skip
