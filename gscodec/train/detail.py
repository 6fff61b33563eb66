"""After the motion: a detail stage, gentle where it is made for the codec, and slots that hold still bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from gscodec.train.captures.model import Capture
from gscodec.train.codec_losses import PER_MSE, CodecSteps, Neighbours, bits, change
from gscodec.train.gaussians import Y0, Gaussians
from gscodec.train.keyframe import Report, optimiser

__all__ = ["CalmDetail", "detail", "hold_still", "pixels_per_unit"]

FACTORS = {
    "means": 0.3,
    "quats": 1.0,
    "sh": 0.5,
    "log_scales": 0.3,
    "logits": 0.3,
}  # of the key frame's rates
STILL = 1e-3  # weight of the hold-still penalty; at 2e-2 every following frame loses 0.4 dB
SHOWN = 1.0  # pictures from its middle: what stands half a picture beyond its edge may come in
RIM = 3.0  # standard deviations that a Gaussian reaches
HOLD_PIXELS = 0.15  # a change of place, or of a tip by turning, that nobody sees
HOLD_COLOUR = 1 / 255
SNAP = 0.1  # of a step: a change that the encoder would not send; at 0.6 what is lost adds up over frames
# Of the encoder's exchange rate, that a bit of a following frame counts: at all of it, what each frame gives up adds up
# over frames (capture-fox, eight frames: 34.7 dB held out, 35.2 at a tenth, and fewer bytes at equal PSNR).
FOLLOWING_BIT = 0.1
GRID = 2.0  # of the multiplier of bits, for each step that a slot's change differs from its neighbours'


def pixels_per_unit(gaussians: Gaussians, capture: Capture, frame: int) -> torch.Tensor:
    """(N,) pixels that a step of one unit makes in the training view that shows each Gaussian largest.

    0 where none shows it: what lies beside a camera has hardly any depth, and the step would count for thousands.
    """
    means = gaussians.means.detach().cpu().numpy().astype(np.float64)
    size = torch.exp(gaussians.log_scales.detach().cpu()).amax(1).numpy()
    most = np.zeros(len(means))
    for view in capture.train_views:
        camera = capture.views[view].camera(frame)
        if not capture.views[view].has(frame):
            continue
        x, y, depth = (means @ camera.R.T + camera.t).T
        ahead = np.maximum(depth, 1e-2)
        aside = np.maximum(
            np.abs(camera.fx * x / ahead + camera.cx - camera.width / 2) / camera.width,
            np.abs(camera.fy * y / ahead + camera.cy - camera.height / 2) / camera.height,
        )
        rim = (
            RIM * size * camera.fx / (ahead * camera.width)
        )  # of a large one shows where its middle does not
        most = np.maximum(most, np.where((depth > size) & (aside < SHOWN + rim), camera.fx / ahead, 0))
    return torch.as_tensor(most, dtype=torch.float32, device=gaussians.means.device)


def _change(
    a: Gaussians, b: Gaussians, pixels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(N,) each, squared: how far apart places are, and tips turned or stretched, in pixels; and colours and
    opacities, in 0..1."""
    shift = (a.means - b.means).square().sum(1) * pixels**2
    qa, qb = (torch.nn.functional.normalize(g.quats, dim=1) for g in (a, b))
    same = torch.where((qa * qb).sum(1, keepdim=True) < 0, -qb, qb)
    turn = 4 * (qa - same).square().sum(1)  # small angles: 2 |dq|
    tip = turn * torch.exp(2 * b.log_scales).amax(1) * pixels**2
    stretch = ((a.log_scales - b.log_scales).square() * torch.exp(2 * b.log_scales)).amax(1) * pixels**2
    colour = (Y0 * (a.sh - b.sh)).square().sum(1).amax(1)
    opacity = (torch.sigmoid(a.logits) - torch.sigmoid(b.logits)).square()
    return shift, tip + stretch, colour + opacity


@dataclass(frozen=True)
class CalmDetail:
    """What the detail stage of one frame is held to; each of the losses by its name in TrainSettings.codec."""

    losses: tuple[str, ...]
    before: Gaussians  # the frame before
    carried: Gaussians  # the same, moved by the nodes
    pixels: torch.Tensor  # (N,) a unit's, see pixels_per_unit
    steps: CodecSteps
    rate: float  # mean squared error that a bit a slot is worth
    neighbours: Neighbours

    def cost(self, gaussians: Gaussians) -> torch.Tensor:
        """What is added to the picture's loss."""
        cost = gaussians.means.sum() * 0
        if "calm" in self.losses:
            for like in (self.before, self.carried):  # the further of the two has let go
                cost = cost + 0.5 * STILL * _levelled(gaussians, like, self.pixels).mean()
        if not {"entropy", "grid"} & set(self.losses):
            return cost
        off = change(gaussians, self.carried, self.steps)
        a_bit = FOLLOWING_BIT * PER_MSE * self.rate
        if "entropy" in self.losses:
            cost = cost + a_bit * bits(torch.cat(list(off.values()), dim=1)).mean()
        if "grid" in self.losses:
            for name in ("means", "turns"):
                rough = off[name] - self.neighbours.mean(off[name])
                cost = cost + GRID * a_bit * torch.log2(1 + rough.square()).sum(1).mean() / 2
        return cost

    def settle(self, gaussians: Gaussians) -> tuple[Gaussians, torch.Tensor]:
        """With "snap": what hardly changed is put back. (N,) bool: which hold still, bit for bit."""
        if "snap" not in self.losses:
            return gaussians.fixed(), torch.zeros_like(self.pixels, dtype=torch.bool)
        out, still = hold_still(gaussians, self.before, self.pixels)
        off, since = (change(out, like, self.steps) for like in (self.carried, self.before))

        def small(*levels: torch.Tensor) -> torch.Tensor:
            return torch.cat(levels, dim=1).abs().amax(1) < SNAP

        taken = small(off["means"], off["turns"]) & ~still
        for name in ("means", "quats"):
            getattr(out, name)[taken] = getattr(self.carried, name)[taken]
        for name in ("log_scales", "logits", "sh"):
            same = small(since[name])
            getattr(out, name)[same] = getattr(self.before, name)[same]
        still = still | small(*since.values())
        for name, tensor in out.tensors().items():
            tensor[still] = getattr(self.before, name)[still]
        return out, still


def detail(
    calm: CalmDetail,
    picture_loss: Callable[[Gaussians], torch.Tensor],
    iterations: int,
    report: Report | None = None,
    enough: Callable[[Gaussians], bool] | None = None,
    every: int = 1,
) -> tuple[Gaussians, torch.Tensor]:
    """Descent of the picture's loss and the costs of `calm`, from where the motion has put the Gaussians.

    `enough` is asked after each `every` iterations whether these will do.

    Also (N,) bool: which hold still. Snapping comes last: what is snapped half way through can't catch up, and the
    frames after it pay (0.2 dB).
    """
    out = calm.carried.trainable()
    adam = optimiser(out, FACTORS)
    for done in range(iterations):
        if enough and done and done % every == 0 and enough(out):
            if report:
                report(iterations - done, math.nan)
            break
        seen = picture_loss(out)
        adam.zero_grad()
        (seen + calm.cost(out)).backward()  # type: ignore[no-untyped-call]
        adam.step()
        if report:
            report(1, float(seen.detach()))
    return calm.settle(out)


def _levelled(gaussians: Gaussians, like: Gaussians, pixels: torch.Tensor) -> torch.Tensor:
    """(N,) of 0..1: what differs from `like`, in units that are visible (Geman and McClure).

    It levels off: it pulls small changes to nothing and lets go of what really moves.
    """
    shift, tip, colour = _change(gaussians, like, pixels)
    far = (shift + tip) / HOLD_PIXELS**2 + colour / HOLD_COLOUR**2
    return far / (1 + far)


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
