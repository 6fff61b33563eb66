"""The first frame from seeds: photometric descent, dead Gaussians moved to where opaque ones are (3DGS-MCMC's idea)."""

from __future__ import annotations

import numpy as np
import torch

from gscodec.train.captures.model import Capture
from gscodec.train.captures.seeds import seed_points
from gscodec.train.gaussians import Gaussians, from_seeds
from gscodec.train.losses import photometric
from gscodec.train.rasterise import render
from gscodec.train.settings import TrainSettings

__all__ = ["RATES", "optimiser", "picture_loss", "train_key"]

RATES = {"means": 1.6e-3, "quats": 2e-3, "log_scales": 6e-3, "logits": 3e-2, "sh": 4e-3}
DEAD = 0.01  # opacity under which a Gaussian is moved
RELOCATE_EVERY = 100
CALM_FROM = 0.75  # share of the iterations after which nothing is moved any more
FAINT, LARGE = 0.002, 0.002  # weights of mean opacity and mean scale: what is not needed fades


def optimiser(gaussians: Gaussians, factors: dict[str, float]) -> torch.optim.Adam:
    """Adam over those attributes that `factors` names, at RATES times their factor."""
    tensors = gaussians.tensors()
    groups = [{"params": [tensors[n]], "lr": RATES[n] * f, "name": n} for n, f in factors.items()]
    return torch.optim.Adam(groups, eps=1e-15)


def picture_loss(
    gaussians: Gaussians, capture: Capture, frame: int, view: int, kernel: str, background: float
) -> torch.Tensor:
    """The photometric loss of one view, both pictures over a grey background; alpha counts through it."""
    drawn = render(gaussians.activated(), [capture.views[view].camera(frame)], kernel=kernel)[0]
    picture = capture.picture(view, frame)
    target = torch.from_numpy(picture.over(background)).to(drawn.device)
    shown = drawn[..., :3] + background * (1 - drawn[..., 3:])
    if picture.valid is not None:
        known = torch.from_numpy(picture.valid).to(drawn.device)[..., None]
        shown, target = shown * known, target * known
    return photometric(shown, target)


def _relocate(gaussians: Gaussians, adam: torch.optim.Adam, generator: torch.Generator) -> None:
    """Move dead Gaussians onto opaque ones; both then share the opacity, so that the picture changes little."""
    with torch.no_grad():
        opacity = torch.sigmoid(gaussians.logits)
        dead = torch.nonzero(opacity < DEAD)[:, 0]
        if not len(dead) or len(dead) == len(opacity):
            return
        weight = torch.where(opacity < DEAD, 0.0, opacity).cpu()
        source = torch.multinomial(weight, len(dead), True, generator=generator).to(dead.device)
        times = 1 + torch.bincount(source, minlength=len(opacity)).float()
        shared = 1 - (1 - opacity).clamp(1e-6, 1) ** (1 / times)
        gaussians.logits.copy_(torch.logit(shared.clamp(1e-4, 1 - 1e-4)))
        spread = torch.randn(len(dead), 3, generator=generator).to(dead.device)
        for tensor in gaussians.tensors().values():
            tensor[dead] = tensor[source]
        gaussians.means[dead] += 0.5 * spread * torch.exp(gaussians.log_scales[source]).mean(1, keepdim=True)
        for group in adam.param_groups:
            for value in adam.state.get(group["params"][0], {}).values():
                if value.ndim:
                    value[dead] = value[source] = 0


def train_key(capture: Capture, settings: TrainSettings, frame: int = 0) -> Gaussians:
    """Train one frame from the capture's seeds."""
    rng = np.random.default_rng(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    seeds = seed_points(capture, settings.gaussians, frame=frame, seed=settings.seed)
    gaussians = from_seeds(seeds, settings.sh_degree, settings.device).trainable()
    adam = optimiser(gaussians, dict.fromkeys(RATES, 1.0))
    views = [v for v in capture.train_views if capture.views[v].has(frame)]
    order: list[int] = []
    for i in range(settings.key_iterations):
        done = i / settings.key_iterations
        adam.param_groups[0]["lr"] = RATES["means"] * 0.03**done
        order = order or [int(v) for v in rng.permutation(views)]
        background = float(rng.random() < 0.5) if capture.masked else 0.0
        loss = picture_loss(gaussians, capture, frame, order.pop(), settings.kernel, background)
        loss = loss + FAINT * torch.sigmoid(gaussians.logits).mean()
        loss = loss + LARGE * torch.exp(gaussians.log_scales).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        if (i + 1) % RELOCATE_EVERY == 0 and done < CALM_FROM:
            _relocate(gaussians, adam, generator)
    return gaussians.fixed()
