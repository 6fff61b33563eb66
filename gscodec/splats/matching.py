"""Which row of a frame is which Gaussian of the frame before: measured, and where rows were shuffled, matched.

Neither equal counts nor correlated positions prove that rows are tracked: frames sorted along a space-filling curve
correlate and are shuffled, a model that turns fast hardly correlates and is tracked. What tells them apart is that
motion is locally smooth: where rows are tracked, a row's displacement follows from those of its neighbours.

A pair that would cost more bits than the death of the one and the birth of the other is no pair (see lives.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from gscodec.base.threads import in_threads
from gscodec.splats.lives import BASE_BITS, HIDE_BITS, change_bits
from gscodec.splats.model import Splats
from gscodec.splats.motion import NEIGHBOURS, SAMPLE, Matcher, fit_steps, nearest

__all__ = ["Relation", "TrackedFrame", "match_rows", "relate", "track"]

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

COHERENT = 0.9  # share of smoothly moving rows from which on a frame counts as tracked
MOSTLY = 0.5  # ... and from which on it still does where no better order is found


class Relation(Enum):
    """How the rows of two frames belong together."""

    TRACKED = "tracked"  # row i is the same Gaussian in both, but for a few
    SHUFFLED = "shuffled"  # mostly the same Gaussians, in another order or number
    CHANGED = "changed"  # other Gaussians


@dataclass(frozen=True, slots=True)
class TrackedFrame:
    """A frame whose Gaussians have numbers: the same number is the same Gaussian, until `new_run`."""

    splats: Splats
    new_run: bool  # too much has changed: a GOP begins here
    relation: Relation  # as found in the input, before re-ordering
    rows: (
        I64  # splats is the input frame's take(rows): first those that live on, in the old order, then births
    )
    ids: I64  # (N,) numbers, never used again after a death


def relate(a: Splats, b: Splats) -> Relation:
    """Measure how the rows of `b` belong to those of `a`. Cheap (some 20 ms for 30,000 rows) where they are tracked."""
    return _relate(a, b, None)[0]


def match_rows(a: Splats, b: Splats, velocity: npt.NDArray[Any] | None = None) -> I64:
    """(N,) the row of `b` that is row i of `a`, no row twice, or -1 where there is none.

    `velocity` (N, 3), world units a frame, predicts the motion from `a` to `b`; it need not be exact.
    """
    if len(a) == 0 or len(b) == 0:
        return np.full(len(a), -1, dtype=np.int64)
    return Matcher(a, b, velocity).run()


def track(frames: Iterable[Splats]) -> Iterator[TrackedFrame]:
    """Yield the frames one by one, Gaussians numbered, rows re-ordered to follow the frame before where needed."""
    before: Splats | None = None
    ids = np.zeros(0, dtype=np.int64)
    following = 0  # the next number
    steps: list[F64] = []  # the last two displacements (N, 3) of the rows of `before`
    rows = np.zeros(0, dtype=np.int64)  # of the input, in the order of `before`
    for frame in frames:
        if before is None:
            relation, found = Relation.CHANGED, np.zeros(0, dtype=np.int64)
        elif _ordered_alike(before, frame, rows):
            # A source that was once put into another order mostly keeps its own.
            relation, found = _relate(before, frame.take(rows), _extrapolate(steps))
            found = np.where(found >= 0, rows[found], -1)
        else:
            relation, found = _relate(before, frame, _extrapolate(steps))
        lives_on = np.flatnonzero(found >= 0)
        new_run = before is None or _is_cut(len(found), len(lives_on), len(frame))
        if new_run:
            lives_on = lives_on[:0]
        kept = found[lives_on]
        new = np.ones(len(frame), dtype=bool)
        new[kept] = False
        born = np.flatnonzero(new)
        rows = np.concatenate([kept, born])
        ids = np.concatenate([ids[lives_on], following + np.arange(len(born), dtype=np.int64)])
        following += len(born)
        ordered = frame if np.array_equal(rows, np.arange(len(rows))) else frame.take(rows)
        steps = [] if new_run or before is None else _steps(before, ordered, lives_on, steps)
        yield TrackedFrame(ordered, new_run, relation, rows, ids)
        before = ordered


def _ordered_alike(before: Splats, frame: Splats, rows: I64) -> bool:
    """Whether `frame` follows when it is put into the order that the frame before was, which is not its own."""
    if len(rows) != len(frame) or np.array_equal(rows, np.arange(len(rows))):
        return False
    return _coherence(before, frame.take(rows)) >= COHERENT


def _is_cut(before: int, kept: int, now: int) -> bool:
    """Whether births and deaths cost more than all of the frame's Gaussians anew."""
    if before == 0 or now == 0:
        return before != now
    change = (now - kept) * (BASE_BITS + HIDE_BITS) + (before - kept) * HIDE_BITS
    return change > now * BASE_BITS


def _steps(before: Splats, after: Splats, lives_on: I64, steps: list[F64]) -> list[F64]:
    """The last two displacements of the rows of `after`; the newly born take those of the nearest others."""
    n = len(lives_on)
    last = after.means[:n].astype(np.float64) - before.means[lives_on]
    out = [*(s[lives_on] for s in steps[-1:]), last]
    if n < len(after):
        near = nearest(cKDTree(after.means[:n]), after.means[n:].astype(np.float64), 1)[1][:, 0]
        out = [np.concatenate([s, s[near]]) for s in out]
    return out


def _extrapolate(steps: list[F64]) -> F64 | None:
    """The next displacement, from the last two (constant acceleration) or the last one."""
    if not steps:
        return None
    return steps[-1] if len(steps) == 1 else 2 * steps[-1] - steps[-2]


def _relate(a: Splats, b: Splats, velocity: F64 | None) -> tuple[Relation, I64]:
    """The relation, and the row of `b` for each of `a`, or -1."""
    none = np.full(len(a), -1, dtype=np.int64)
    if len(a) == 0 or len(b) == 0:
        return (Relation.TRACKED if len(a) == len(b) else Relation.CHANGED), none
    share, same = 0.0, none
    if len(a) == len(b):
        asked: tuple[Callable[[Splats, Splats], Any], ...] = (_coherence, _same_rows)
        share, same = in_threads(lambda ask: ask(a, b), asked)
    if share >= COHERENT:
        return Relation.TRACKED, same
    found = _without_wrong(a, b, match_rows(a, b, velocity))
    pairs = np.flatnonzero(found >= 0)
    if _is_most(pairs, a, b) and _coherence(a.take(pairs), b.take(found[pairs])) >= max(COHERENT, share):
        return Relation.SHUFFLED, found
    if share >= MOSTLY:
        return Relation.TRACKED, same
    return Relation.CHANGED, none


def _same_rows(a: Splats, b: Splats) -> I64:
    """What is found where row i of `b` is row i of `a`."""
    return _without_wrong(a, b, np.arange(len(a), dtype=np.int64))


def _is_most(pairs: I64, a: Splats, b: Splats) -> bool:
    return 0 < len(pairs) >= MOSTLY * max(len(a), len(b))


def _without_wrong(a: Splats, b: Splats, found: I64) -> I64:
    """`found` without the pairs whose change costs more than a death and a birth."""
    bits = change_bits(a, b, found, np.zeros((len(a), 3)))
    limit = BASE_BITS + 2 * HIDE_BITS
    doubtful = np.flatnonzero((found >= 0) & (bits > limit))
    if len(doubtful) == 0:
        return found
    if len(a) > NEIGHBOURS:  # motion that neighbours share costs next to nothing: parts carry it
        start = a.means.astype(np.float64)
        ok = found >= 0
        steps = np.where(ok[:, None], b.means[np.maximum(found, 0)] - start, 0.0)
        near = nearest(cKDTree(start), start[doubtful], NEIGHBOURS + 1)[1][:, 1:]
        typical = np.median(steps[near], axis=1)
        far = np.linalg.norm(steps[near] - typical[:, None], axis=2)
        scale = np.median(far, axis=1) + 1e-12
        # neighbours that go their own way must not bend the fit: their steps are replaced by the median
        straight = steps.copy()
        for j in range(near.shape[1]):
            stray = far[:, j] > 4 * scale
            straight[near[stray, j]] = typical[stray]
        predicted = np.zeros_like(start)
        predicted[doubtful] = fit_steps(start, straight, doubtful, near, ok.astype(np.float64) + 1e-9)
        bits = change_bits(a, b, found, predicted)
    wrong = doubtful[bits[doubtful] > limit]
    found = found.copy()
    found[wrong] = -1
    return found


def _coherence(a: Splats, b: Splats) -> float:
    """Share of rows whose step from `a` to `b` is that of their neighbours in `a`, up to the neighbours' distance.

    The neighbours' steps are fitted by an affine map: how fast a part turns or grows doesn't matter.
    """
    n = len(a)
    if n <= NEIGHBOURS:
        return 1.0
    rows = np.unique(np.linspace(0, n - 1, min(n, SAMPLE)).astype(np.int64))
    start, end = a.means.astype(np.float64), b.means.astype(np.float64)
    distance, near = nearest(cKDTree(start), start[rows], NEIGHBOURS + 1)
    steps = end - start
    error = np.linalg.norm(steps[rows] - fit_steps(start, steps, rows, near[:, 1:], np.ones(n)), axis=1)
    return float(np.mean(error <= distance[:, 1:].mean(axis=1)))
