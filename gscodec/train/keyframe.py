"""The first frame from seeds: photometric descent of a fixed number of Gaussians, as a Markov chain (mcmc.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from gscodec.base.errors import BadInput
from gscodec.train.captures.model import Capture
from gscodec.train.captures.seeds import seed_points
from gscodec.train.codec_losses import KeyCalm
from gscodec.train.gaussians import Gaussians, from_seeds
from gscodec.train.losses import photometric, touched
from gscodec.train.mcmc import relocate, walk
from gscodec.train.rasterise import render
from gscodec.train.settings import TrainSettings

__all__ = ["RATES", "PictureLoss", "optimiser", "thinned", "train_key"]

RATES = {"means": 1.6e-3, "quats": 2e-3, "log_scales": 6e-3, "logits": 3e-2, "sh": 4e-3}
MEANS_LAST = 0.03  # of the position rate at the end
RELOCATE_EVERY = 50
CALM_FROM = 0.75  # share of the iterations after which nothing is moved or shaken any more
FAINT, LARGE = (
    0.01,
    0.01,
)  # weights of mean opacity and mean scale: what is not needed fades (MCMC, section 3.4)

Report = Callable[[int, float], None]


def optimiser(gaussians: Gaussians, factors: dict[str, float]) -> torch.optim.Adam:
    """Adam over those attributes that `factors` names, at RATES times their factor."""
    tensors = gaussians.tensors()
    groups = [{"params": [tensors[n]], "lr": RATES[n] * f, "name": n} for n, f in factors.items()]
    return torch.optim.Adam(groups, eps=1e-15)


def thinned(gaussians: Gaussians, adam: torch.optim.Adam, keep: torch.Tensor) -> Gaussians:
    """Those of `keep` (N,) bool, as leaves of the same optimiser, which goes on with what it knows of them."""
    out = Gaussians(*(t[keep] for t in gaussians.tensors().values())).trainable()
    for group in adam.param_groups:
        old, new = group["params"][0], getattr(out, group["name"])
        state = adam.state.pop(old, {})
        adam.state[new] = {name: v[keep] if v.ndim else v for name, v in state.items()}
        group["params"] = [new]
    return out


@dataclass
class PictureLoss:
    """The photometric loss of one frame, a random training view at a time, every view once before any comes again."""

    capture: Capture
    frame: int
    kernel: str
    rng: np.random.Generator
    order: tuple[int, ...] = ()

    def __call__(self, gaussians: Gaussians) -> torch.Tensor:
        """Both pictures over black or white where the capture is masked: alpha counts through the background.

        The mean is over the box in which anything is shown: outside both pictures are background, and alike.
        """
        capture = self.capture
        if not self.order:
            views = [v for v in capture.train_views if capture.views[v].has(self.frame)]
            if not views:
                raise BadInput("no training view has a picture of this frame", frame=self.frame)
            self.order = tuple(int(v) for v in self.rng.permutation(views))
        view, self.order = self.order[0], self.order[1:]
        background = float(self.rng.random() < 0.5) if capture.masked else 0.0
        drawn = render(gaussians.activated(), [capture.views[view].camera(self.frame)], kernel=self.kernel)[0]
        picture = capture.picture(view, self.frame)
        target = torch.from_numpy(picture.over(background)).to(drawn.device)
        valid = None if picture.valid is None else torch.from_numpy(picture.valid).to(drawn.device)
        shown = drawn[..., :3] + background * (1 - drawn[..., 3:])
        if picture.mask is not None:
            there = torch.from_numpy(picture.mask > 0).to(drawn.device) | (drawn.detach()[..., 3] > 1e-3)
            box = touched(there)
            shown, target, valid = shown[box], target[box], None if valid is None else valid[box]
        return photometric(shown, target, valid)


def train_key(
    capture: Capture,
    settings: TrainSettings,
    frame: int = 0,
    report: Report | None = None,
    calm: KeyCalm | None = None,
) -> Gaussians:
    """Train one frame from the capture's seeds; `report(iterations, loss)` hears of each. `calm`: the codec's losses."""
    rng = np.random.default_rng(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    seeds = seed_points(capture, settings.gaussians, frame=frame, seed=settings.seed)
    gaussians = from_seeds(seeds, settings.sh_degree, settings.device).trainable()
    adam = optimiser(gaussians, dict.fromkeys(RATES, 1.0))
    picture_loss = PictureLoss(capture, frame, settings.kernel, rng)
    for i in range(settings.key_iterations):
        done = i / settings.key_iterations
        rate = RATES["means"] * MEANS_LAST**done
        adam.param_groups[0]["lr"] = rate
        if calm:
            calm.look(gaussians, done)
            if (keep := calm.worth(gaussians, done)) is not None:
                gaussians = thinned(gaussians, adam, keep)
                calm.look_again(gaussians)
        seen = picture_loss(calm.shown(gaussians) if calm else gaussians)
        loss = seen if calm is None else seen + calm.cost(gaussians)
        loss = loss + FAINT * torch.sigmoid(gaussians.logits).mean()
        loss = loss + LARGE * torch.exp(gaussians.log_scales).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        if done < CALM_FROM:
            walk(gaussians, rate, generator)
            if (i + 1) % RELOCATE_EVERY == 0:
                relocate(gaussians, adam, generator)
        if report:
            report(1, float(seen.detach()))
    return gaussians.fixed()
