"""The first frame from seeds: photometric descent of Gaussians as a Markov chain (mcmc.py) to a number of slots."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gscodec.base.errors import BadInput
from gscodec.train import keystate
from gscodec.train.backdrop import hang_backdrop
from gscodec.train.captures.model import Capture, Picture
from gscodec.train.captures.seeds import seed_points
from gscodec.train.captures.sweep import nearest
from gscodec.train.codec_losses import KeyCalm
from gscodec.train.colour import RATE as COLOUR_RATE
from gscodec.train.colour import CameraColours
from gscodec.train.distil import Report, distil
from gscodec.train.gaussians import NAMES, Gaussians, from_seeds
from gscodec.train.keystate import KeyState, Leaves
from gscodec.train.losses import photometric, touched
from gscodec.train.mcmc import GONE, grow, relocate, take, walk
from gscodec.train.prune import MASK_START, contribution, kept, masked, significance
from gscodec.train.rasterise import Attributes, render
from gscodec.train.settings import TrainSettings

__all__ = ["RATES", "KeyFrame", "PictureLoss", "Report", "optimiser", "train_key"]

RATES = {"means": 1.6e-3, "quats": 2e-3, "log_scales": 6e-3, "logits": 3e-2, "sh": 4e-3}
MASK_RATE = 3e-2
COLOURS = ("matrices", "offsets")  # leaves of the cameras' colours
MEANS_LAST = 0.03  # of the position rate at the end
RELOCATE_EVERY = 50
GROWN_AT = 0.5  # share of the iterations by which all slots are there
PRUNE_AT = 0.6  # what is left recovers
CALM_FROM = 0.75  # share of the iterations after which nothing is moved or shaken any more
FAINT, LARGE = (
    0.01,
    0.01,
)  # weights of mean opacity and mean scale: what is not needed fades (MCMC, section 3.4)
SAVE_EVERY = 100  # pictures between saved states, and between looks at what the codec makes of it

OnPreview = Callable[[int, Gaussians], None]


@dataclass(frozen=True)
class KeyFrame:
    """A trained frame, and what the training cameras make of its colours (None: all alike)."""

    gaussians: Gaussians
    colours: CameraColours | None


def optimiser(gaussians: Gaussians, factors: dict[str, float]) -> torch.optim.Adam:
    """Adam over those attributes that `factors` names, at RATES times their factor."""
    tensors = gaussians.tensors()
    groups = [{"params": [tensors[n]], "lr": RATES[n] * f, "name": n} for n, f in factors.items()]
    return torch.optim.Adam(groups, eps=1e-15)


def distances(gaussians: Gaussians) -> torch.Tensor:
    """(N, 1) from the middle of the scene; 1 within the ball of radius 1 that the cameras look at."""
    return gaussians.means.detach().norm(dim=1, keepdim=True).clamp(min=1)


def step_by_distance(gaussians: Gaussians, adam: torch.optim.Adam) -> None:
    """A step of Adam, in which what is far from the middle goes as much further: its pixels are larger."""
    with torch.no_grad():
        before, reach = gaussians.means.clone(), distances(gaussians)
        adam.step()
        gaussians.means.copy_(before + reach * (gaussians.means - before))


@dataclass
class PictureLoss:
    """The photometric loss of one frame, random training views at a time, every view once before any comes again."""

    capture: Capture
    frame: int
    kernel: str
    rng: np.random.Generator
    order: tuple[int, ...] = ()
    views_per_step: int = 1
    colours: CameraColours | None = None

    def __call__(self, gaussians: Gaussians) -> torch.Tensor:
        return self.of(gaussians.activated())

    def of(self, attributes: Attributes) -> torch.Tensor:
        """The mean over the views of a step; cameras of one size are drawn in one call."""
        views = [self._next() for _ in range(self.views_per_step)]
        cameras = [self.capture.views[view].camera(self.frame) for view in views]
        if len({(c.width, c.height) for c in cameras}) == 1:
            drawn = list(render(attributes, cameras, kernel=self.kernel))
        else:
            drawn = [render(attributes, [c], kernel=self.kernel)[0] for c in cameras]
        losses = [self._loss(picture, view) for picture, view in zip(drawn, views, strict=True)]
        return torch.stack(losses).mean()

    def _next(self) -> int:
        if not self.order:
            views = [v for v in self.capture.train_views if self.capture.views[v].has(self.frame)]
            if not views:
                raise BadInput("no training view has a picture of this frame", frame=self.frame)
            self.order = tuple(int(v) for v in self.rng.permutation(views))
        view, self.order = self.order[0], self.order[1:]
        return view

    def _loss(self, drawn: torch.Tensor, view: int) -> torch.Tensor:
        """Both pictures over black or white: alpha counts through the background, and holes in a room are seen.

        The mean is over the box in which anything is shown: outside both pictures are background, and alike.
        """
        background = float(self.rng.random() < 0.5)
        picture = self.capture.picture(view, self.frame)
        target = torch.from_numpy(picture.over(background)).to(drawn.device)
        valid = None if picture.valid is None else torch.from_numpy(picture.valid).to(drawn.device)
        rgb, alpha = drawn[..., :3], drawn[..., 3:]
        shown = (rgb if self.colours is None else self.colours(rgb, alpha, view)) + background * (1 - alpha)
        if picture.mask is not None:
            box = _box(picture, drawn)
            shown, target, valid = shown[box], target[box], None if valid is None else valid[box]
        return photometric(shown, target, valid)


def _box(picture: Picture, drawn: torch.Tensor) -> tuple[slice, slice]:
    there = torch.from_numpy(np.asarray(picture.mask) > 0).to(drawn.device)
    return touched(there | (drawn.detach()[..., 3] > 1e-3))


def train_key(
    capture: Capture,
    settings: TrainSettings,
    frame: int = 0,
    report: Report | None = None,
    *,
    saved: Path | None = None,
    preview: OnPreview | None = None,
    calm: KeyCalm | None = None,
) -> KeyFrame:
    """Train one frame from the capture's seeds; `report(pictures, loss)` hears of each step, not a number: no loss.

    `saved`: where the state is kept every SAVE_EVERY pictures, and from where a killed run goes on, to the same result.
    `calm`: the codec's losses.
    """
    if saved is not None and saved.exists():
        state = keystate.load(saved, settings.device, lambda leaves: _adam(leaves, settings))
        if calm:
            calm.resume(_gaussians(state.leaves), *_shares(state, settings))
        if report:
            report(min(state.done, settings.key_iterations), math.nan)
    else:
        state = _begin(capture, settings, frame)
    loss = PictureLoss(capture, frame, settings.kernel, state.rng, state.order, settings.views_per_step)
    while state.done < settings.key_iterations:
        already, seen = state.done, _step(state, settings, loss, calm)
        state.order = loss.order
        if _comes(state, settings, SAVE_EVERY):
            if calm:
                calm.look(_gaussians(state.leaves), state.done / settings.key_iterations)
            if saved is not None:
                keystate.save(state, saved)
        if preview and _comes(state, settings, settings.preview_every):
            preview(state.done, _gaussians(state.leaves).fixed())
        if report:
            report(min(settings.views_per_step, settings.key_iterations - already), seen)
    gaussians, colours = _gaussians(state.leaves).fixed(), _colours(state.leaves, capture)
    if settings.distil_from:
        rng, n = np.random.default_rng([settings.seed, frame]), settings.distil_iterations
        gaussians = distil(gaussians, capture, frame, settings.kernel, settings.sh_degree, n, rng, report)
    if not capture.masked:
        gaussians = hang_backdrop(gaussians, capture, frame, settings.kernel)
    return KeyFrame(gaussians, None if colours is None else colours.fixed())


def _comes(state: KeyState, settings: TrainSettings, every: int) -> bool:
    """Whether the last step reached a multiple of `every` pictures (0: never)."""
    return every > 0 and state.done // every > (state.done - settings.views_per_step) // every


def _shares(state: KeyState, settings: TrainSettings) -> tuple[float, float]:
    """Of the iterations: where the last step began, and where it ended."""
    return (
        state.done - settings.views_per_step
    ) / settings.key_iterations, state.done / settings.key_iterations


def _gaussians(leaves: Leaves) -> Gaussians:
    return Gaussians(*(leaves[name] for name in NAMES))


def _colours(leaves: Leaves, capture: Capture) -> CameraColours | None:
    return (
        CameraColours(tuple(capture.train_views), *(leaves[n] for n in COLOURS))
        if COLOURS[0] in leaves
        else None
    )


def _adam(leaves: Leaves, settings: TrainSettings) -> torch.optim.Adam:
    """Rates by the square root of the views of a step: their mean's noise is as much smaller."""
    batch = math.sqrt(settings.views_per_step)
    adam = optimiser(_gaussians(leaves), dict.fromkeys(RATES, batch))
    others = {"masks": MASK_RATE} | dict.fromkeys(COLOURS, COLOUR_RATE)
    for name, rate in others.items():
        if name in leaves:
            adam.add_param_group({"params": [leaves[name]], "lr": rate * batch, "name": name})
    return adam


def _most(settings: TrainSettings) -> int:
    """Slots before pruning."""
    return round(settings.gaussians / (1 - settings.prune))


def _begin(capture: Capture, settings: TrainSettings, frame: int) -> KeyState:
    count = max(1, round(_most(settings) * settings.start_share))
    seeds = seed_points(capture, count, frame=frame, seed=settings.seed)
    leaves = (
        from_seeds(seeds, settings.distil_from or settings.sh_degree, settings.device).trainable().tensors()
    )
    if settings.mask_weight:
        masks = torch.full((len(seeds.means),), MASK_START, device=settings.device)
        leaves["masks"] = masks.requires_grad_()
    if settings.camera_colours:
        leaves |= CameraColours.identity(capture.train_views, settings.device).tensors()
    generator = torch.Generator().manual_seed(settings.seed)
    state = KeyState(0, leaves, _adam(leaves, settings), np.random.default_rng(settings.seed), generator)
    if len(seeds.means) < count:
        grow(leaves, state.adam, count - len(seeds.means))
        relocate(_gaussians(leaves), state.adam, generator)
    return state


def _step(state: KeyState, settings: TrainSettings, picture_loss: PictureLoss, calm: KeyCalm | None) -> float:
    """One step of descent and what comes with it; returns the photometric loss."""
    leaves, adam, before = state.leaves, state.adam, state.done / settings.key_iterations
    if calm and (keep := calm.worth(_gaussians(leaves), before, state.generator)) is not None:
        rows = torch.nonzero(keep)[:, 0]
        take(leaves, adam, rows)
        calm.taken(_gaussians(leaves), rows)
    gaussians, colours = _gaussians(leaves), _colours(leaves, picture_loss.capture)
    picture_loss.colours = colours
    rate = RATES["means"] * MEANS_LAST**before * math.sqrt(settings.views_per_step)
    adam.param_groups[0]["lr"] = rate
    attributes = (calm.shown(gaussians, state.generator) if calm else gaussians).activated()
    if "masks" in leaves:
        attributes = masked(attributes, leaves["masks"])
    seen = picture_loss.of(attributes)
    loss = seen + calm.cost(gaussians) if calm else seen
    loss = loss + FAINT * torch.sigmoid(gaussians.logits).mean()
    loss = loss + LARGE * (torch.exp(gaussians.log_scales) / distances(gaussians)).mean()
    if "masks" in leaves:
        loss = loss + settings.mask_weight * torch.sigmoid(leaves["masks"]).mean()
    if colours is not None:
        loss = loss + colours.strain()
    adam.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    step_by_distance(gaussians, adam)
    if colours is not None:
        colours.centre()
    state.done += settings.views_per_step
    if before < CALM_FROM:
        walk(gaussians, rate, state.generator)
    after = state.done / settings.key_iterations
    if before < PRUNE_AT <= after:
        _grow(state, settings, after)
        _prune(state, settings, picture_loss)
    if before < CALM_FROM and _comes(state, settings, RELOCATE_EVERY):
        if after < PRUNE_AT:
            _grow(state, settings, after)
        if not picture_loss.capture.masked:
            _clear_cameras(_gaussians(leaves), picture_loss.capture, picture_loss.frame)
        relocate(_gaussians(leaves), adam, state.generator)
    return float(seen.detach())


def _clear_cameras(gaussians: Gaussians, capture: Capture, frame: int) -> None:
    """What is right before a camera is haze to all others: dead."""
    with torch.no_grad():
        for view in capture.train_views:
            camera = capture.views[view].camera(frame)
            centre = gaussians.means.new_tensor(camera.centre)
            offset = gaussians.means - centre
            ahead = offset @ gaussians.means.new_tensor(camera.R[2]) > 0
            close = ahead & (offset.norm(dim=1) < nearest(camera))
            gaussians.logits[close] = gaussians.logits[close].clamp(max=GONE)


def _grow(state: KeyState, settings: TrainSettings, share: float) -> None:
    """Slots come evenly from the start to GROWN_AT."""
    part = settings.start_share + (1 - settings.start_share) * min(1, share / GROWN_AT)
    lacking = round(_most(settings) * part) - len(state.leaves["logits"])
    if lacking > 0:
        grow(state.leaves, state.adam, lacking)


def _prune(state: KeyState, settings: TrainSettings, picture_loss: PictureLoss) -> None:
    """Take away what masks have switched off, then what contributes least until settings.gaussians are left."""
    leaves, adam = state.leaves, state.adam
    if "masks" in leaves:
        on = torch.nonzero(kept(leaves["masks"]))[:, 0]
        take(leaves, adam, on if len(on) else leaves["masks"].detach().argmax()[None])
        masks = leaves.pop("masks")
        adam.state.pop(masks, None)
        adam.param_groups[:] = [group for group in adam.param_groups if group["name"] != "masks"]
    if len(leaves["logits"]) > settings.gaussians:
        gaussians = _gaussians(leaves)
        light = contribution(gaussians, picture_loss.capture, picture_loss.frame, picture_loss.kernel)
        worth = significance(gaussians, light)
        best = torch.sort(worth, descending=True, stable=True).indices[: settings.gaussians]
        take(leaves, adam, best.sort().values)
