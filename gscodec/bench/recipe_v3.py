"""V3's training (VideoGS) as a recipe for the peer of `bench train`, written anew from its description.

Each frame starts from the one before: a field of translations moves all Gaussians (photometric loss only), then all
attributes but the positions are fine-tuned with V3's losses as released: photometric, 1e-3 of the mean squared change
of log scales, raw quaternions and opacity logits. Its entropy loss is left out: as released it does not depend on how
large changes are, and its gradient is 300 times below the temporal term's. Iterations are ours in V3's shares, 800 to
2000. The field is our control nodes' translations, started afresh in each frame, for its hash grid needs a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from gscodec.train.gaussians import Gaussians
from gscodec.train.motion import Nodes, moved

__all__ = ["v3_frame"]

MOTION_SHARE = 800 / 2800
MOTION_RATE = 8e-3  # of our nodes, not of the field's weights
RATES = {"quats": 1e-3, "log_scales": 5e-3, "logits": 5e-2, "sh": 2.5e-3}
TEMPORAL = 1e-3
HELD = ("log_scales", "quats", "logits")

PictureLossOf = Callable[[Gaussians], torch.Tensor]


def v3_frame(before: Gaussians, nodes: Nodes, picture_loss: PictureLossOf, iterations: int) -> Gaussians:
    """The Gaussians of the next frame after `iterations` pictures, the same ones in the same order."""
    motion_iterations = round(MOTION_SHARE * iterations)
    shift = torch.zeros(len(nodes.rows), 3, device=before.means.device, requires_grad=True)
    adam = torch.optim.Adam([shift], lr=MOTION_RATE, eps=1e-15)
    for _ in range(motion_iterations):
        adam.zero_grad()
        picture_loss(_translated(before, nodes, shift)).backward()  # type: ignore[no-untyped-call]
        adam.step()
    out = _translated(before, nodes, shift).trainable()
    adam = torch.optim.Adam(
        [{"params": [getattr(out, n)], "lr": rate} for n, rate in RATES.items()], eps=1e-15
    )
    for _ in range(iterations - motion_iterations):
        held = [(getattr(out, n) - getattr(before, n)).square().mean() for n in HELD]
        adam.zero_grad()
        (picture_loss(out) + TEMPORAL * sum(held)).backward()
        adam.step()
    return out.fixed()


def _translated(before: Gaussians, nodes: Nodes, shift: torch.Tensor) -> Gaussians:
    turnless = torch.cat([shift, torch.zeros_like(shift)], dim=1)
    return replace(before, means=moved(before, nodes, turnless).means)
