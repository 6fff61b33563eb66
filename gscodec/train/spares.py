"""Births inside a GOP: free slots become Gaussians where a picture is lost, for what appears there is in no other slot.

Free are slots that are not opaque enough to be seen, then those that `gaussians` of the settings leaves (`price` has
taken what was not worth its bits), then what others hide, all of them since the GOP began. Places are carved out of
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
from gscodec.train.keyframe import RATES, Report, optimiser
from gscodec.train.lives import Lives
from gscodec.train.lost import Lost
from gscodec.train.prune import contribution

__all__ = ["Born", "Light", "ReadFrame", "bear", "free_slots", "put", "train_alone"]

AGREE = 0.75  # of the views that see a place have lost it: others have something before it
DENSER = 2.0  # than slots are on the whole
LEAST = 8
MOST = 0.2  # of the slots, in one frame
ReadFrame = Callable[[int], Gaussians]
ALONE = 150  # pictures that the newly born are trained on before all are


@dataclass(frozen=True, eq=False)
class Born:
    """Gaussians of which `rows` (M,) are new, at the end perhaps."""

    gaussians: Gaussians
    rows: torch.Tensor
    lives: Lives


class Light:
    """What the slots that a GOP begins with have contributed at most, from its first frame, `start`, on."""

    def __init__(self, first: Gaussians, capture: Capture, start: int, kernel: str) -> None:
        self._capture, self._start, self._kernel, self._count = capture, start, kernel, len(first.means)
        self._most = self._of(first, start)
        self._looked_at = start

    def _of(self, gaussians: Gaussians, frame: int) -> torch.Tensor:
        return contribution(gaussians, self._capture, frame, self._kernel)[: self._count].cpu()

    def idle(self, now: Gaussians, lives: Lives, frame: int, past: ReadFrame | None) -> torch.Tensor:
        """(N,) bool, N of the GOP's first frame: which nobody has seen in it, up to `now`, those born since left out.

        `past` reads the frames between, which are looked at when it is first asked; None: nobody will see them.
        """
        while past and self._looked_at < frame - 1:
            self._looked_at += 1
            light = self._of(past(self._looked_at), self._looked_at)
            self._most = torch.maximum(self._most, light)
        most = torch.maximum(self._most, self._of(now, frame))
        return (most < IDLE_PIXELS) & (lives.born[: self._count] == self._start)


def free_slots(
    first: Gaussians, now: Gaussians, idle: torch.Tensor, held: torch.Tensor, most: int
) -> torch.Tensor:
    """(M,) slots that may be used, those first that cost least; with new ones there are `most`.

    `idle` (N,): of Light. Not those of `held`, on which nodes stand.
    """
    n, there = len(first.means), len(now.means)
    idle = idle.clone()
    idle[held.cpu()] = False
    faint = torch.stack([torch.sigmoid(one.logits[:n]).cpu() < MIN_ALPHA for one in (first, now)]).all(0)
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


def train_alone(
    born: Born, picture_loss: Callable[[Gaussians], torch.Tensor], report: Report | None = None
) -> Gaussians:
    """`born.gaussians` with the new ones fitted to the picture at the key frame's rates, all others as they are."""
    new = born.gaussians.take(born.rows).trainable()
    rows = born.rows.to(new.means.device)
    adam = optimiser(new, dict.fromkeys(RATES, 1.0))
    for _ in range(ALONE):
        shown = (
            old.index_copy(0, rows, getattr(new, name)) for name, old in born.gaussians.tensors().items()
        )
        adam.zero_grad()
        seen = picture_loss(Gaussians(*shown))
        seen.backward()  # type: ignore[no-untyped-call]
        adam.step()
        if report:
            report(1, float(seen.detach()))
    return put(born.gaussians, born.rows, new.fixed())
