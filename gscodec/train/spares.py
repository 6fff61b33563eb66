"""Births inside a GOP: free slots become Gaussians where a picture is lost, for what appears there is in no other slot.

Free are slots that are not opaque enough to be seen, then those that `gaussians` of the settings leaves (`price` has
taken what was not worth its bits), then what others hide, both now and where the GOP begins. Places are carved out of
what views have lost, colours are what they see there, and the newly born are trained alone before all are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

from gscodec.render.projection import MIN_ALPHA
from gscodec.train.births import IDLE_PIXELS
from gscodec.train.captures.model import Capture, SeedPoints
from gscodec.train.captures.seeds import CUBE, GRID, MASK_ON, carve, seen_colors
from gscodec.train.gaussians import Gaussians, from_seeds
from gscodec.train.keyframe import RATES, optimiser
from gscodec.train.lives import Lives
from gscodec.train.lost import Lost

__all__ = ["Born", "bear", "free_slots", "put", "train_alone"]

AGREE = 0.75  # of the views that see a place have lost it: others have something before it
DENSER = 2.0  # than slots are on the whole
LEAST = 8
MOST = 0.2  # of the slots, in one frame
ALONE = 150  # pictures that the newly born are trained on before all are


@dataclass(frozen=True, eq=False)
class Born:
    """Gaussians of which `rows` (M,) are new, at the end perhaps."""

    gaussians: Gaussians
    rows: torch.Tensor
    lives: Lives


def free_slots(
    first: Gaussians,
    now: Gaussians,
    light: tuple[torch.Tensor, torch.Tensor],
    lives: Lives,
    start: int,
    held: torch.Tensor,
    most: int,
) -> torch.Tensor:
    """(M,) slots that may be used, those first that cost least; with new ones there are `most`.

    `light`: contributions in the GOP's `first` frame, `start`, and `now`. Not those that were born since, nor those of
    `held`, on which nodes stand.
    """
    n = len(first.means)
    idle = torch.stack([one[:n].cpu() < IDLE_PIXELS for one in light]).all(0) & (lives.born[:n] == start)
    idle[held.cpu()] = False
    faint = torch.stack([torch.sigmoid(one.logits[:n]).cpu() < MIN_ALPHA for one in (first, now)]).all(0)
    there = len(lives.born)
    unseen, hidden = (torch.nonzero(group)[:, 0] for group in (idle & faint, idle & ~faint))
    return torch.cat([unseen, torch.arange(there, max(there, most)), hidden])


def bear(
    carried: Gaussians,
    lives: Lives,
    free: torch.Tensor,
    lost: Lost,
    capture: Capture,
    frame: int,
    rng: np.random.Generator,
) -> Born | None:
    """`carried` with Gaussians born in `free` slots (F,), the first of them, where `lost` says.

    None where there are no slots or views agree on no place.
    """
    n = len(carried.means)
    masks = ((view, capture.picture(view, frame).mask) for view in lost.pixels)
    shown = (
        (view, lost.pixels[view] if mask is None else lost.pixels[view] & (mask >= MASK_ON))
        for view, mask in masks
    )
    places = carve(capture, shown, frame, need=2, agree=AGREE)
    wanted = min(max(LEAST, math.ceil(DENSER * lost.share * n)), int(MOST * n))
    rows = free[:wanted]
    if len(rows) < 2 or not len(places):
        return None
    chosen = places[rng.choice(len(places), len(rows), replace=len(places) < len(rows))]
    chosen = chosen + (rng.random(chosen.shape) - 0.5) * (2 * CUBE / GRID)
    colors, _ = seen_colors(capture, chosen, frame)
    degree = math.isqrt(carried.sh.shape[1]) - 1
    new = from_seeds(SeedPoints(chosen, colors), degree, str(carried.means.device))
    others = np.setdiff1d(np.arange(n), rows.numpy())
    near = others[cKDTree(carried.means[others].cpu().numpy()).query(chosen)[1]]
    out = put(carried, rows, new)
    return Born(out, rows, lives.reborn(rows, lives.beside[near], frame))


def put(gaussians: Gaussians, rows: torch.Tensor, new: Gaussians) -> Gaussians:
    """With `new` at `rows` (M,), which may lie beyond the end, all of them."""
    out = gaussians.extended(max(0, int(rows.max()) + 1 - len(gaussians.means)))
    for name, tensor in out.tensors().items():
        tensor[rows] = getattr(new, name)
    return out


def train_alone(born: Born, picture_loss: Callable[[Gaussians], torch.Tensor]) -> Gaussians:
    """`born.gaussians` with the new ones fitted to the picture at the key frame's rates, all others as they are."""
    new = born.gaussians.take(born.rows).trainable()
    rows = born.rows.to(new.means.device)
    adam = optimiser(new, dict.fromkeys(RATES, 1.0))
    for _ in range(ALONE):
        shown = (
            old.index_copy(0, rows, getattr(new, name)) for name, old in born.gaussians.tensors().items()
        )
        adam.zero_grad()
        picture_loss(Gaussians(*shown)).backward()  # type: ignore[no-untyped-call]
        adam.step()
    return put(born.gaussians, born.rows, new.fixed())
