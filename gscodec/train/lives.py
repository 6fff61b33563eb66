"""Which Gaussian a slot is in each frame of a GOP, and what the stream is told of it while nobody sees it.

A slot that is born inside a GOP was not seen before, so that it may have been, since the GOP began, what it is born as:
then the stream pays for its opacity alone. What has died stays as it was seen last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import torch

from gscodec.render.projection import MIN_ALPHA
from gscodec.train.gaussians import Gaussians
from gscodec.train.mcmc import GONE

if TYPE_CHECKING:
    from gscodec.train.checkpoints import Checkpoint

__all__ = ["Lives", "life_sources", "settle_lives"]


@dataclass(frozen=True, eq=False)
class Lives:
    """Of the N slots of a frame: since when each is the Gaussian that it is, and beside which it was born."""

    born: torch.Tensor  # (N,) int64, frame; that in which the GOP begins for those that were there
    beside: torch.Tensor  # (N,) int64, slot of the first frame whose nodes, steps and neighbours it has

    @classmethod
    def of_first(cls, count: int, start: int) -> Lives:
        """Of the first frame, `start`, of a GOP."""
        return cls(torch.full((count,), start, dtype=torch.int64), torch.arange(count))

    def reborn(self, rows: torch.Tensor, beside: torch.Tensor, frame: int) -> Lives:
        """With Gaussians born in `frame` at `rows` (M,), the last of which may be new, beside first-frame slots (M,)."""
        more = max(0, int(rows.max()) + 1 - len(self.born))
        born, near = (torch.cat([old, old.new_zeros(more)]) for old in (self.born, self.beside))
        born[rows], near[rows] = frame, beside
        return Lives(born, near)


def life_sources(gop: Iterable[Checkpoint], start: int) -> torch.Tensor:
    """(T, N) int64, N of the last frame: of which frame each slot has all but its opacity.

    Frames are counted from 0 in the GOP, which begins at `start`. Before a slot is first seen, that in which it will be; from then on the one that has shown it last.
    """
    lives, seen = [], []
    for frame in gop:
        lives.append(frame.lives.born)
        seen.append(torch.sigmoid(frame.gaussians.logits) >= MIN_ALPHA)
    count = len(lives[-1])
    shown = torch.zeros(len(lives), count, dtype=torch.bool)
    for t, drawn in enumerate(seen):
        shown[t, : len(drawn)] = drawn
    for t, (before, born) in enumerate(pairwise(lives), 1):
        new = torch.nonzero(born == start + t)[:, 0]
        shown[:t, new[_first_life(before, new, start)]] = False  # hidden by others, if it was there at all
        shown[t, new] = True
    sources = torch.zeros(len(lives), count, dtype=torch.int64)
    first = torch.where(shown.any(0), shown.int().argmax(0), 0)
    for t in range(len(lives)):
        sources[t] = torch.where(shown[t], t, sources[t - 1] if t else first)
    return sources


def _first_life(born: torch.Tensor, rows: torch.Tensor, start: int) -> torch.Tensor:
    """(M,) bool: whether `rows`, before they were born anew, were none or what the GOP began with."""
    known = rows < len(born)
    return ~known | (born[rows.clamp(max=len(born) - 1)] <= start)


def settle_lives(read: Callable[[int], Checkpoint], sources: torch.Tensor, at: int) -> Gaussians:
    """The Gaussians of frame `at` of a GOP, counted from 0, with a row for each slot of its last frame.

    `read`: a frame of it; `sources`: of life_sources. Nothing that is seen changes; where no slot is born or dies,
    nothing at all.
    """
    own = read(at).gaussians
    lacking = sources.shape[1] - len(own.means)
    wanted = torch.nonzero(sources[at] != at)[:, 0]
    if not lacking and not len(wanted):
        return own
    out = own.extended(lacking)
    out.logits[len(own.means) :] = GONE
    for source in torch.unique(sources[at, wanted]).tolist():
        rows, there = wanted[sources[at, wanted] == source], read(source).gaussians
        for name in ("means", "quats", "log_scales", "sh"):
            getattr(out, name)[rows] = getattr(there, name)[rows]
        if source > at:
            drawn = torch.sigmoid(out.logits[rows]) >= MIN_ALPHA
            out.logits[rows[drawn]] = GONE
    return out
