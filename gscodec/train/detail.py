"""After the motion: a gentle detail stage that pulls back to the frame before, and slots that hold still bit for bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from gscodec.train.captures.model import Capture
from gscodec.train.gaussians import Y0, Gaussians
from gscodec.train.keyframe import Report, optimiser

__all__ = ["hold_still", "pixels_per_unit", "refine"]

FACTORS = {"means": 0.3, "quats": 1.0, "sh": 0.5}  # of the key frame's rates; scales and opacities are held
STILL = 5e-2  # weight of the hold-still penalty
HOLD_PIXELS = 0.15  # a change of place, or of a tip by turning, that nobody sees
HOLD_COLOUR = 1 / 255


def pixels_per_unit(gaussians: Gaussians, capture: Capture, frame: int) -> torch.Tensor:
    """(N,) pixels that a step of one unit makes in the training view that shows each Gaussian largest."""
    means = gaussians.means.detach().cpu().numpy().astype(np.float64)
    most = np.zeros(len(means))
    for view in capture.train_views:
        camera = capture.views[view].camera(frame)
        depth = means @ camera.R[2] + camera.t[2]
        most = np.maximum(most, np.where(depth > 0, camera.fx / np.maximum(depth, 1e-2), 0))
    return torch.as_tensor(most, dtype=torch.float32, device=gaussians.means.device)


def _change(
    a: Gaussians, b: Gaussians, pixels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(N,) each: how far apart places are, and tips turned by the rotation, in pixels; and colours, in 0..1."""
    shift = (a.means - b.means).square().sum(1) * pixels**2
    qa, qb = (torch.nn.functional.normalize(g.quats, dim=1) for g in (a, b))
    same = torch.where((qa * qb).sum(1, keepdim=True) < 0, -qb, qb)
    turn = 4 * (qa - same).square().sum(1)  # small angles: 2 |dq|
    tip = turn * torch.exp(2 * b.log_scales).amax(1) * pixels**2
    colour = (Y0 * (a.sh - b.sh)).square().sum(1).amax(1)
    return shift, tip, colour


def refine(
    gaussians: Gaussians,
    before: Gaussians,
    pixels: torch.Tensor,
    picture_loss: Callable[[Gaussians], torch.Tensor],
    iterations: int,
    report: Report | None = None,
) -> Gaussians:
    """Places, rotations and colours adapted a little; what differs from `before`, in units that are visible, costs.

    The penalty levels off (Geman and McClure): it pulls small changes to nothing and lets go of what really moves.
    """
    out = gaussians.trainable()
    adam = optimiser(out, FACTORS)
    for _ in range(iterations):
        seen = picture_loss(out)
        shift, tip, colour = _change(out, before, pixels)
        far = (shift + tip) / HOLD_PIXELS**2 + colour / HOLD_COLOUR**2
        cost = far / (1 + far)
        loss = seen + STILL * cost.mean()
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        if report:
            report(1, float(seen.detach()))
    return out.fixed()


def hold_still(
    gaussians: Gaussians, before: Gaussians, pixels: torch.Tensor
) -> tuple[Gaussians, torch.Tensor]:
    """Slots whose change nobody sees are those of `before`, bit for bit; (N,) bool which.

    `before` is what was held so far: slow changes add up until they are seen, and the slot wakes.
    """
    shift, tip, colour = _change(gaussians, before, pixels)
    seen = HOLD_PIXELS**2
    still = (shift < seen) & (tip < seen) & (colour < HOLD_COLOUR**2)
    out = gaussians.fixed()
    for name, tensor in out.tensors().items():
        tensor[still] = getattr(before, name)[still]
    return out, still
