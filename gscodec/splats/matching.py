"""Which row of a frame is which Gaussian of the frame before: measured, and where rows were shuffled, matched.

Neither equal counts nor correlated positions prove that rows are tracked: frames sorted along a space-filling curve
correlate and are shuffled, a model that turns fast hardly correlates and is tracked. What tells them apart is that
motion is locally smooth: where rows are tracked, a row's displacement follows from those of its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from gscodec.base.errors import Misuse
from gscodec.splats.assignment import assign
from gscodec.splats.model import Splats

__all__ = ["Relation", "TrackedFrame", "match_rows", "relate", "track"]

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

NEIGHBOURS = 12  # an affine map has 4 unknowns an axis: three times as many points as it needs
SAMPLE = 2000  # rows looked at by `coherence`: a share of 0.9 is then known to 0.7 %
COHERENT = 0.9  # share of smoothly moving rows from which on a frame counts as tracked
MOSTLY = 0.5  # ... and from which on it still does where no better order is found
RIDGE = 1e-3  # of the neighbourhood's variance: in flat neighbourhoods the normal's motion is undetermined
TRAIT_LIMIT = 4.0  # most that one trait may speak against a match: some change suddenly, positions don't
SEED_REACH = 3.0  # neighbours' distances that count, in the first search, as much as a trait's whole spread
MAX_ROUNDS = 8  # of matching and motion fitting; three or four are usual


class Relation(Enum):
    """How the rows of two frames belong together."""

    TRACKED = "tracked"  # row i is the same Gaussian in both
    SHUFFLED = "shuffled"  # the same Gaussians in another order
    CHANGED = "changed"  # other Gaussians


@dataclass(frozen=True, slots=True)
class TrackedFrame:
    """A frame whose rows follow those of the frame before, unless `new_run`."""

    splats: Splats
    new_run: bool  # rows are other Gaussians than before: a GOP begins here
    relation: Relation  # as found in the input, before re-ordering
    rows: I64  # splats is the input frame's take(rows)


def relate(a: Splats, b: Splats) -> Relation:
    """Measure how the rows of `b` belong to those of `a`. Cheap (some 20 ms for 30,000 rows) where they are tracked."""
    return _relate(a, b, None)[0]


def match_rows(a: Splats, b: Splats, velocity: npt.NDArray[Any] | None = None) -> I64:
    """(N,) rows of `b`, a permutation, so that `b.take(rows)` follows `a`.

    `velocity` (N, 3), world units a frame, predicts the motion from `a` to `b`; it need not be exact.
    Raises Misuse where the counts differ.
    """
    if len(a) != len(b):
        raise Misuse("frames of different counts have no permutation", a=len(a), b=len(b))
    return _Matcher(a, b, velocity).run()


def track(frames: Iterable[Splats]) -> Iterator[TrackedFrame]:
    """Yield the frames one by one, rows re-ordered to follow the frame before where that is possible."""
    before: Splats | None = None
    steps: list[F64] = []  # the last two displacements (N, 3) of this run
    for frame in frames:
        rows = np.arange(len(frame), dtype=np.int64)
        if before is None:
            relation, found = Relation.CHANGED, rows
        else:
            relation, found = _relate(before, frame, _extrapolate(steps))
        if before is None or relation is Relation.CHANGED:
            steps = []
        else:
            if relation is Relation.SHUFFLED:
                frame, rows = frame.take(found), found
            steps = [*steps[-1:], frame.means.astype(np.float64) - before.means]
        yield TrackedFrame(frame, relation is Relation.CHANGED, relation, rows)
        before = frame


def _extrapolate(steps: list[F64]) -> F64 | None:
    """The next displacement, from the last two (constant acceleration) or the last one."""
    if not steps:
        return None
    return steps[-1] if len(steps) == 1 else 2 * steps[-1] - steps[-2]


def _relate(a: Splats, b: Splats, velocity: F64 | None) -> tuple[Relation, I64]:
    rows = np.arange(len(b), dtype=np.int64)
    if len(a) != len(b):
        return Relation.CHANGED, rows
    share = _coherence(a, b)
    if share >= COHERENT:
        return Relation.TRACKED, rows
    found = match_rows(a, b, velocity)
    if _coherence(a, b.take(found)) >= max(COHERENT, share):
        return Relation.SHUFFLED, found
    return (Relation.TRACKED if share >= MOSTLY else Relation.CHANGED), rows


def _coherence(a: Splats, b: Splats) -> float:
    """Share of rows whose step from `a` to `b` is that of their neighbours in `a`, up to the neighbours' distance.

    The neighbours' steps are fitted by an affine map: how fast a part turns or grows doesn't matter.
    """
    n = len(a)
    if n <= NEIGHBOURS:
        return 1.0
    rows = np.unique(np.linspace(0, n - 1, min(n, SAMPLE)).astype(np.int64))
    start, end = a.means.astype(np.float64), b.means.astype(np.float64)
    distance, near = _nearest(cKDTree(start), start[rows], NEIGHBOURS + 1)
    steps = end - start
    error = np.linalg.norm(steps[rows] - _fit(start, steps, rows, near[:, 1:], np.ones(n)), axis=1)
    return float(np.mean(error <= distance[:, 1:].mean(axis=1)))


def _nearest(tree: cKDTree, points: F64, k: int) -> tuple[F64, I64]:
    """(M, k) distances and rows of the `k` nearest points of the tree."""
    distance, near = tree.query(points, k=k)
    return np.asarray(distance).reshape(len(points), k), np.asarray(near, dtype=np.int64).reshape(
        len(points), k
    )


def _fit(start: F64, steps: F64, rows: I64, near: I64, weights: F64) -> F64:
    """(M, 3) step of each row by the weighted ridge affine fit to its neighbours' steps, `near` (M, k)."""
    w = weights[near][:, :, None]
    total = np.maximum(w.sum(axis=1, keepdims=True), 1e-9)
    x, y = start[near], steps[near]
    x_mean, y_mean = (w * x).sum(axis=1, keepdims=True) / total, (w * y).sum(axis=1, keepdims=True) / total
    dx, dy = x - x_mean, y - y_mean
    gram = np.matmul((w * dx).transpose(0, 2, 1), dx)
    gram += (RIDGE * np.trace(gram, axis1=1, axis2=2)[:, None, None] + 1e-30) * np.eye(3)
    slope = np.linalg.solve(gram, np.matmul((w * dx).transpose(0, 2, 1), dy))
    return np.asarray(y_mean[:, 0] + np.matmul((start[rows] - x_mean[:, 0])[:, None], slope)[:, 0])


def _features(splats: Splats) -> F64:
    """(N, 7) what a Gaussian keeps while it moves: sorted log scales, opacity, base colour."""
    logs = np.log(np.sort(splats.scales.astype(np.float64), axis=1))
    return np.concatenate([logs, splats.opacities[:, None], splats.sh[:, 0]], axis=1)


class _Matcher:
    """Alternates matching under a predicted motion with fitting the motion to the surest matches."""

    CANDIDATES = 4

    def __init__(self, a: Splats, b: Splats, velocity: npt.NDArray[Any] | None) -> None:
        self.start, self.end = a.means.astype(np.float64), b.means.astype(np.float64)
        self.traits_a, self.traits_b = _features(a), _features(b)
        self.tree = cKDTree(self.end)
        self.rows = np.arange(len(a), dtype=np.int64)
        k = min(NEIGHBOURS + 1, len(a))
        distance, near = _nearest(cKDTree(self.start), self.start, k)
        self.near = near[:, 1:]
        spacing = float(np.median(distance[:, 1:].mean(axis=1))) if k > 1 else 1.0
        self.spacing = max(spacing, 1e-30)  # all in one place: any order is as good
        self.guess = self.start + (0.0 if velocity is None else np.asarray(velocity, dtype=np.float64))
        self.reach = self.spacing  # how far from the guess a match may well lie; learnt later
        spread = self.traits_a.std(axis=0)
        self.shift = np.median(self.traits_b, axis=0) - np.median(self.traits_a, axis=0)
        self.spread = np.where(spread > 1e-3, spread, np.inf)
        self.scatter = self.spread  # of the traits' change; learnt later
        self.floor = 0.02 * spread + 1e-3  # changes below this tell nothing

    def run(self) -> I64:
        if len(self.rows) <= NEIGHBOURS:
            return assign(*self._candidates(len(self.rows)))
        self._align()
        aligned, best, least = self.guess, self.rows, np.inf
        for trust_traits in (False, True):
            self.guess, self.reach = aligned, self.spacing
            found, certain = self._refine(trust_traits)
            if certain:
                return found
            badness = self._badness(found)
            if badness < least:
                best, least = found, badness
        return best

    def _refine(self, trust_traits: bool) -> tuple[I64, bool]:
        """Match and learn in turns until nothing changes: first by place alone, or by place and traits together."""
        if trust_traits:
            self.scatter = self.spread
            self._seed()
        else:
            self.scatter = np.full(len(self.shift), np.inf)
        last: I64 | None = None
        for _ in range(MAX_ROUNDS):
            near, cost = self._candidates(self.CANDIDATES)
            best = near[self.rows, cost.argmin(axis=1)]
            if self._is_certain(best):
                return best, True
            if last is not None and np.array_equal(best, last):
                break
            last = best
            self._learn(best, cost.min(axis=1), np.bincount(best, minlength=len(best))[best] == 1)
        return assign(near, cost), False

    def _badness(self, found: I64) -> float:
        """How far rows stray from their neighbours' motion, in neighbours' distances; strays count at most one."""
        steps = self.end[found] - self.start
        fit = _fit(self.start, steps, self.rows, self.near, np.ones(len(steps)))
        return float(np.minimum(np.linalg.norm(steps - fit, axis=1) / self.spacing, 1.0).mean())

    def _seed(self) -> None:
        """Learn from pairs that are nearest to each other in position and traits together, wherever they moved."""
        a = np.concatenate(
            [self.guess / (SEED_REACH * self.spacing), (self.traits_a + self.shift) / self.scatter], 1
        )
        b = np.concatenate([self.end / (SEED_REACH * self.spacing), self.traits_b / self.scatter], 1)
        distance, best = _nearest(cKDTree(b), a, 1)
        _, back = _nearest(cKDTree(a), b, 1)
        mutual = back[best[:, 0], 0] == self.rows
        self._learn(best[:, 0], np.square(distance[:, 0]), mutual)

    def _is_certain(self, best: I64) -> bool:
        """Whether `best` is a permutation and hits so closely that no neighbour could be meant."""
        miss = np.linalg.norm(self.guess - self.end[best], axis=1)
        return bool(np.percentile(miss, 99.9) < 0.2 * self.spacing and np.bincount(best).max() == 1)

    def _candidates(self, k: int, rows: I64 | None = None) -> tuple[I64, F64]:
        """(M, k) rows of `b` nearest to where rows of `a` are expected, and how badly each fits."""
        rows = self.rows if rows is None else rows
        distance, near = _nearest(self.tree, self.guess[rows], k)
        change = (self.traits_b[near] - self.traits_a[rows, None] - self.shift) / self.scatter
        return near, (distance / self.reach) ** 2 + np.minimum(np.square(change), TRAIT_LIMIT).sum(axis=2)

    def _align(self) -> None:
        """Improve the guess by one affine map of the whole scene, found on a sample by iterated closest points."""
        n = len(self.rows)
        rows = np.unique(np.linspace(0, n - 1, min(n, SAMPLE)).astype(np.int64))
        original = best = self.guess
        least = np.inf
        for _ in range(60):
            near, cost = self._candidates(self.CANDIDATES, rows)
            pick = cost.argmin(axis=1)
            cost = cost[np.arange(len(rows)), pick]
            mean = float(np.minimum(cost, 4.0).mean())
            if mean > least * 0.998:
                break
            least, best = mean, self.guess
            keep = cost <= np.percentile(cost, 80)
            target = self.end[near[np.arange(len(rows)), pick]][keep]
            x = np.concatenate([original[rows][keep], np.ones((int(keep.sum()), 1))], axis=1)
            affine = np.linalg.lstsq(x, target, rcond=1e-6)[0]
            self.guess = original @ affine[:3] + affine[3]
        self.guess = best

    def _learn(self, best: I64, cost: F64, sure: npt.NDArray[np.bool_]) -> None:
        """Fit local motion, and how traits change, to the `sure` ones of the pairs (row, best)."""
        if not sure.any():
            return
        weights = np.where(sure, 1 / (1 + cost / max(float(np.median(cost[sure])), 1e-12)), 0.0)
        steps = self.end[best] - self.start
        for _ in range(2):  # the second time with less weight on what the first fit contradicts
            fit = _fit(self.start, steps, self.rows, self.near, weights + 1e-6)
            miss = np.linalg.norm(steps - fit, axis=1)
            typical = max(float(np.median(miss[sure])), 0.02 * self.spacing)
            weights = np.where(sure, 1 / (1 + (miss / typical) ** 2), 0.0)
        self.guess = self.start + fit
        self.reach = 2.5 * typical
        change = self.traits_b[best[sure]] - self.traits_a[sure]
        self.shift = np.median(change, axis=0)
        self.scatter = 2 * np.median(np.abs(change - self.shift), axis=0) + self.floor
