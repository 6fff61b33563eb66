"""Which Gaussian a slot is in each frame of a GOP, and what the stream is told of it while nobody sees it.

A slot that is born inside a GOP was not seen before, so that it may have been, since the GOP began, what it is born as:
then the stream pays for its opacity alone. What has died stays as it was seen last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from gscodec.render.projection import MIN_ALPHA
from gscodec.train.gaussians import Gaussians
from gscodec.train.mcmc import GONE

__all__ = ["Held", "Lives", "held_slots", "settle_lives"]

UNTOUCHED = ("means", "quats", "log_scales", "sh")  # of what nobody sees: all but its opacity


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


ReadFrame = Callable[[int], tuple[Gaussians, Lives]]  # of a GOP, whose frames are counted from 0


@dataclass(frozen=True, eq=False)
class Held:
    """The M slots of a GOP that some of its T frames do not show, and what they are told as in these."""

    count: int  # slots of the last frame, in which all are
    rows: torch.Tensor  # (M,) int64
    sources: torch.Tensor  # (T, M) int32: of which frame each has all but its opacity
    places: torch.Tensor  # (T, M) int32: where in `kept` that is, -1 where it is the frame's own
    kept: Gaussians  # (P,)


def held_slots(read: ReadFrame, length: int, start: int) -> Held:
    """Of a GOP of `length` frames that begins at `start`; each is read twice.

    Before a slot is first seen, it is as it will be; from then on as the frame had it that has shown it last.
    """
    shown, rows, count = _shown(read, length, start)
    sources = torch.zeros(length, len(rows), dtype=torch.int32)
    first = torch.where(shown.any(0), shown.int().argmax(0), 0).int()
    for t in range(length):
        sources[t] = torch.where(shown[t], t, sources[t - 1] if t else first)
    column = torch.arange(len(rows))
    away = sources != torch.arange(length)[:, None]
    keys = sources.long() * max(1, len(rows)) + column  # one for each slot as one frame has it
    wanted = torch.unique(keys[away])
    places = torch.where(away, torch.searchsorted(wanted, keys), -1).int()
    of, slots = wanted // max(1, len(rows)), rows[wanted % max(1, len(rows))]
    kept = read(0)[0].take(torch.zeros(0, dtype=torch.int64)).extended(len(wanted))
    for source in torch.unique(of).tolist():
        mine, there = of == source, read(source)[0]
        for name in UNTOUCHED:
            getattr(kept, name)[mine] = getattr(there, name)[slots[mine]]
    return Held(count, rows, sources, places, kept)


def _shown(read: ReadFrame, length: int, start: int) -> tuple[torch.Tensor, torch.Tensor, int]:
    """(T, M) bool: which frames show the slots (M,) that not all show; and the number of all."""
    drawn, births = [], []
    for t in range(length):
        gaussians, lives = read(t)
        drawn.append(torch.sigmoid(gaussians.logits) >= MIN_ALPHA)
        births.append(torch.nonzero(lives.born == start + t)[:, 0])
    count = len(drawn[-1])
    shown = torch.stack([torch.cat([one, one.new_zeros(count - len(one))]) for one in drawn])
    for t, new in enumerate(births[1:], 1):
        shown[:t, new] = False  # nobody saw it in them, or it would not have been free
        shown[t, new] = True
    rows = torch.nonzero(~shown.all(0))[:, 0]
    return shown[:, rows], rows, count


def settle_lives(own: Gaussians, held: Held, at: int) -> Gaussians:
    """The Gaussians of frame `at` of a GOP, `own` in its checkpoint, with a row for each slot of the last frame.

    Nothing that is seen changes; where no slot is born or dies, nothing at all.
    """
    lacking = held.count - len(own.means)
    away = held.places[at] >= 0
    if not lacking and not bool(away.any()):
        return own
    out = own.extended(lacking)
    out.logits[len(own.means) :] = GONE
    rows, places = held.rows[away], held.places[at, away].long()
    for name in UNTOUCHED:
        getattr(out, name)[rows] = getattr(held.kept, name)[places]
    before = held.sources[at, away] > at
    drawn = torch.sigmoid(out.logits[rows]) >= MIN_ALPHA
    out.logits[rows[before & drawn]] = GONE
    return out
