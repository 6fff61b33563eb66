"""Deaths and births where a GOP begins: slots that show nothing any more go to where the picture is furthest off.

To the encoder a slot that is used again is a death and a birth, found as such (splats/matching.py), and a GOP of
training begins where it sends a new base anyhow. What is born inside a GOP is told otherwise: see spares.py, lives.py.
"""

from __future__ import annotations

import torch

from gscodec.train.captures.model import Capture
from gscodec.train.gaussians import Gaussians, turned
from gscodec.train.lost import error_over_both
from gscodec.train.mcmc import make_room
from gscodec.train.prune import contribution

__all__ = ["reuse_slots"]

IDLE_PIXELS = 0.5  # of alpha times light, over all training views: less is not seen
MOST = 0.05  # of the slots, so that borders stay calm


def reuse_slots(
    gaussians: Gaussians, capture: Capture, frame: int, kernel: str, generator: torch.Generator
) -> tuple[Gaussians, torch.Tensor, torch.Tensor]:
    """Gaussians whose idle rows are born anew beside others, drawn by their share of the picture's error.

    Also (M,) the rows born anew and (M,) those beside which they are, which have shared opacity and scale with them.
    """
    out = gaussians.fixed()
    light = contribution(out, capture, frame, kernel)
    quietest = torch.sort(light, stable=True).indices[: int(MOST * len(light))]
    idle = quietest[light[quietest] < IDLE_PIXELS].sort().values
    wrong = contribution(out, capture, frame, kernel, lambda drawn, view: _error(drawn, capture, view, frame))
    wrong[idle] = 0
    if not len(idle) or not bool(wrong.any()):
        return out, idle[:0], idle[:0]
    source = torch.multinomial(wrong.cpu(), len(idle), True, generator=generator).to(idle.device)
    make_room(out, source)
    for tensor in out.tensors().values():
        tensor[idle] = tensor[source]
    step = torch.randn(len(idle), 3, generator=generator).to(idle.device) * torch.exp(out.log_scales[idle])
    out.means[idle] += turned(torch.nn.functional.normalize(out.quats[idle], dim=1), step)
    return out, idle, source


def _error(drawn: torch.Tensor, capture: Capture, view: int, frame: int) -> torch.Tensor:
    """(H, W) absolute error of a picture (H, W, 4), as `error_over_both` has it."""
    return error_over_both(drawn[..., :3], drawn[..., 3:], capture.picture(view, frame), torch.abs)
