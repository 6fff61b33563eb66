"""Finds the Gaussians of one frame again in the next: by a smooth motion, learnt in turns with the pairs, and by traits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from gscodec.splats.assignment import assign
from gscodec.splats.model import Splats

__all__ = ["NEIGHBOURS", "Matcher", "fit_steps", "nearest", "traits"]

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

NEIGHBOURS = 12  # an affine map has 4 unknowns an axis: three times as many points as it needs
SAMPLE = 2000  # rows looked at for the motion of the whole scene
RIDGE = 1e-3  # of the neighbourhood's variance: in flat neighbourhoods the normal's motion is undetermined
SEED_REACH = 3.0  # neighbours' distances that count, in the first search, as much as a trait's whole spread
CANDIDATES = 8
MAX_ROUNDS = 10  # of matching and motion fitting; four or five are usual
STRIDES = (4, 2, 1)  # rounds begin with every fourth neighbour, four times as far: coarse to fine
LIMIT = 24.0  # cost (nats) from which on no match is the better match: three times a usual right one's
SECOND_LOOKS = 2  # after the rounds: rows left alone found by their traits teach the motion of small parts
GROUP_ROWS = 48  # groups of look-alikes are not split further
GROUP_SAMPLE = 64  # rows by which a group's motion is judged
GROUP_GAIN = 0.97  # a group leaves its parent's motion only for one that costs this share at most,
GROUP_NATS = 0.05  # and less by this, where all fit


def nearest(tree: cKDTree, points: F64, k: int) -> tuple[F64, I64]:
    """(M, k) distances and rows of the `k` nearest points of the tree."""
    distance, near = tree.query(points, k=k)
    shape = (len(points), k)
    return np.asarray(distance).reshape(shape), np.asarray(near, dtype=np.int64).reshape(shape)


def fit_steps(start: F64, steps: F64, rows: I64, near: I64, weights: F64) -> F64:
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


def traits(splats: Splats) -> F64:
    """(N, 7) what a Gaussian keeps while it moves: sorted log scales, opacity, base colour."""
    scales = np.maximum(np.sort(splats.scales.astype(np.float64), axis=1), 1e-30)
    return np.concatenate([np.log(scales), splats.opacities[:, None], splats.sh[:, 0]], axis=1)


class Matcher:
    """Alternates matching under a predicted motion with fitting the motion to the surest matches.

    A pair costs what it would under Student's distribution with one degree of freedom: few traits change much, most
    hardly, and a match that misses in one of them must not lose against one that misses a little in all.
    """

    def __init__(self, a: Splats, b: Splats, velocity: npt.NDArray[Any] | None) -> None:
        self.start, self.end = a.means.astype(np.float64), b.means.astype(np.float64)
        self.traits_a, self.traits_b = traits(a), traits(b)
        self.tree = cKDTree(self.end)
        self.rows = np.arange(len(a), dtype=np.int64)
        k = min(STRIDES[0] * NEIGHBOURS + 1, len(a))
        distance, near = nearest(cKDTree(self.start), self.start, k)
        self.near = near[:, 1:]
        spacing = float(np.median(distance[:, 1 : NEIGHBOURS + 1].mean(axis=1))) if k > 1 else 0.0
        self.spacing = max(spacing, 1e-12)  # all in one place: any order is as good
        self.guess = self.start
        self.reach = self.spacing  # how far from the guess a match may well lie; learnt later
        spread = self.traits_a.std(axis=0)
        self.shift = np.median(self.traits_b, axis=0) - np.median(self.traits_a, axis=0)
        self.spread = np.where(spread > 1e-3, spread, 1.0)
        self.scatter = self.spread  # of the traits' change; learnt later
        self.floor = 0.005 * spread + 1e-3  # changes below this tell nothing
        still = np.zeros_like(self.start)
        moves: list[F64] = [still] if velocity is None else [np.asarray(velocity, dtype=np.float64), still]
        self.guesses = [self._align(self.start + move) for move in moves]

    def run(self) -> I64:
        """(N,) row of `b` for each row of `a`, or -1."""
        self.guess = self.guesses[0]
        if len(self.rows) <= NEIGHBOURS or len(self.end) <= NEIGHBOURS:
            return assign(*self._candidates(4 * NEIGHBOURS), len(self.end))  # too few to learn from
        best, least = self.rows, np.inf
        for begin in (self._by_place, self._by_seeds, self._by_groups):
            for guess in self.guesses:
                self.guess, self.reach, self.scatter = guess, self.spacing, self.spread
                begin()
                found, certain = self._refine()
                if certain or self._is_plausible(found):
                    return found
                badness = self._badness(found)
                if badness < 0.995 * least:
                    best, least = found, badness
        return best

    def _by_place(self) -> None:
        """Begin where the whole scene's motion leads."""

    def _by_seeds(self) -> None:
        """Begin with pairs that are nearest to each other in position and traits together, wherever they moved."""
        scale = SEED_REACH * self.spacing
        a = np.concatenate([self.guess / scale, (self.traits_a + self.shift) / self.scatter], 1)
        b = np.concatenate([self.end / scale, self.traits_b / self.scatter], 1)
        best, back = nearest(cKDTree(b), a, 1)[1][:, 0], nearest(cKDTree(a), b, 1)[1][:, 0]
        self._learn(best, back[best] == self.rows, STRIDES[0])

    def _refine(self) -> tuple[I64, bool]:
        """Match and learn in turns until nothing changes; whether the outcome is beyond doubt."""
        last: I64 | None = None
        for turn in range(MAX_ROUNDS):
            near, cost = self._candidates(CANDIDATES)
            pick = cost.argmin(axis=1)
            best, price = near[self.rows, pick], cost[self.rows, pick]
            if self._is_certain(best):
                return best, True
            stride = STRIDES[min(turn, len(STRIDES) - 1)]
            if last is not None and np.array_equal(best, last) and stride == 1:
                break
            last = best
            self._learn(best, self._is_cheapest_for(best, price), stride)
        for _ in range(SECOND_LOOKS):
            found = self._second_look(self._assign(2 * CANDIDATES))
            self._learn(np.maximum(found, 0), found >= 0, 1)
        return self._second_look(self._assign(2 * CANDIDATES)), False

    def _is_cheapest_for(self, best: I64, price: F64) -> Mask:
        """Whether a row is, of those that chose the same row of `b`, the one that fits best, and fits at all."""
        least = np.full(len(self.end), np.inf)
        np.minimum.at(least, best, price)
        return np.asarray((price <= least[best]) & (price < LIMIT))

    def _assign(self, k: int) -> I64:
        return assign(*self._candidates(min(k, len(self.end))), len(self.end), LIMIT)

    def _second_look(self, found: I64) -> I64:
        """Give rows left alone a chance among what is left, wherever it lies: traits decide more than place."""
        rows = np.flatnonzero(found < 0)
        free = np.ones(len(self.end), dtype=bool)
        free[found[found >= 0]] = False
        left = np.flatnonzero(free)
        if len(rows) == 0 or len(left) == 0:
            return found
        scale = SEED_REACH * self.spacing
        width = np.minimum(8 * self.scatter, self.spread)
        tree = cKDTree(np.concatenate([self.end[left] / scale, self.traits_b[left] / width], 1))
        points = np.concatenate([self.guess[rows] / scale, (self.traits_a[rows] + self.shift) / width], 1)
        near = left[nearest(tree, points, min(CANDIDATES, len(left)))[1]]
        found[rows] = assign(near, self._cost(rows, near), len(self.end), 4 * LIMIT)
        return found

    def _badness(self, found: I64) -> float:
        """Mean cost of the pairs in units that don't depend on what was learnt; strays count as much as no match."""
        ok = found >= 0
        if not ok.any():
            return 1.0
        steps = self.end[np.maximum(found, 0)] - self.start
        near = self.near[:, :NEIGHBOURS]
        fit = fit_steps(self.start, steps, self.rows, near, ok.astype(np.float64) + 1e-9)
        stray = np.linalg.norm(steps - fit, axis=1) / self.spacing
        change = np.abs(self.traits_b[found] - self.traits_a - self.shift) / self.spread
        each = np.minimum(stray, 1.0) + np.minimum(change, 1.0).mean(axis=1)
        return float(np.where(ok, each / 2, 1.0).mean())

    def _is_certain(self, best: I64) -> bool:
        """Whether `best` names no row twice and hits so closely that no neighbour could be meant."""
        miss = np.linalg.norm(self.guess - self.end[best], axis=1)
        return bool(np.percentile(miss, 99.9) < 0.1 * self.spacing and np.bincount(best).max() == 1)

    def _is_plausible(self, found: I64) -> bool:
        """Whether all but a thousandth have their match where the learnt motion leads, up to a neighbour's distance."""
        miss = np.linalg.norm(self.guess - self.end[found], axis=1)
        return bool(np.mean((found < 0) | (miss > self.spacing)) <= 1e-3)

    def _candidates(self, k: int, rows: I64 | None = None) -> tuple[I64, F64]:
        """(M, k) rows of `b` nearest to where rows of `a` are expected, and the cost of each."""
        rows = self.rows if rows is None else rows
        near = nearest(self.tree, self.guess[rows], min(k, len(self.end)))[1]
        return near, self._cost(rows, near)

    def _cost(self, rows: I64, near: I64, move: F64 | float = 0.0) -> F64:
        """(M, k) nats: three dimensions of place, each trait by itself."""
        miss = np.square(self.end[near] - (self.guess[rows] + move)[:, None]).sum(axis=2)
        change = (self.traits_b[near] - self.traits_a[rows, None] - self.shift) / self.scatter
        return np.asarray(
            2 * np.log1p(miss / self.reach**2) + np.log1p(np.square(change)).sum(axis=2), dtype=np.float64
        )

    def _align(self, guess: F64) -> F64:
        """The guess, improved by one affine map of the whole scene, found on a sample by iterated closest points."""
        n = len(self.rows)
        rows = np.unique(np.linspace(0, n - 1, min(n, SAMPLE)).astype(np.int64))
        self.guess = best = guess
        least = np.inf
        for _ in range(60 if n > NEIGHBOURS else 0):
            near, cost = self._candidates(4, rows)
            pick = cost.argmin(axis=1)
            cost = cost[np.arange(len(rows)), pick]
            mean = float(cost.mean())
            if mean > least * 0.998:
                break
            least, best = mean, self.guess
            keep = cost <= np.percentile(cost, 80)
            target = self.end[near[np.arange(len(rows)), pick]][keep]
            x = np.concatenate([guess[rows][keep], np.ones((int(keep.sum()), 1))], axis=1)
            affine = np.linalg.lstsq(x, target, rcond=1e-6)[0]
            self.guess = guess @ affine[:3] + affine[3]
        return best

    def _learn(self, best: I64, sure: Mask, stride: int) -> None:
        """Fit local motion, and how traits change, to the `sure` ones of the pairs (row, best)."""
        if not sure.any():
            return
        near = self.near[:, :: min(stride, max(1, self.near.shape[1] // NEIGHBOURS))][:, :NEIGHBOURS]
        steps = self.end[best] - self.start
        weights = np.where(sure, self._support(steps, near, sure), 0.0)
        for _ in range(2):  # the second time with less weight on what the first fit contradicts
            fit = fit_steps(self.start, steps, self.rows, near, weights + 1e-6)
            miss = np.linalg.norm(steps - fit, axis=1)
            typical = max(float(np.median(miss[sure])), 0.02 * self.spacing)
            weights = np.where(sure, 1 / (1 + (miss / typical) ** 2), 0.0)
        self.guess = self.start + fit
        self.reach = typical
        good = sure & (miss <= typical)
        change = self.traits_b[best[good]] - self.traits_a[good]
        self.shift = np.median(change, axis=0)
        self.scatter = 2 * np.median(np.abs(change - self.shift), axis=0) + self.floor

    def _support(self, steps: F64, near: I64, sure: Mask) -> F64:
        """(N,) share of a row's neighbours that move as it does, cubed: wrong pairs go each its own way."""
        apart = np.linalg.norm(self.start[near] - self.start[:, None], axis=2)
        differ = np.linalg.norm(steps[near] - steps[:, None], axis=2)
        agree = (differ <= 0.3 * apart + 0.3 * self.spacing) & sure[near]
        return np.asarray((agree.mean(axis=1) + 0.02) ** 3)

    def _by_groups(self) -> None:
        """Begin with groups of look-alikes, each moved as a whole by what brings it onto its like in `b`.

        A lattice of equal Gaussians that moves beyond its spacing has no other sign of its motion than its border.
        """
        self.guess = self.start  # an affine map of the scene may have squeezed a lattice into its like
        scale = self.guess.std(axis=0).max() or 1.0
        joint = np.concatenate([self.guess / scale, 4 * self.traits_a / self.spread], axis=1)
        moved = np.zeros_like(self.guess)
        waiting = [(self.rows, np.zeros(3))]
        while waiting:
            rows, parent = waiting.pop()
            move = self._group_move(rows, parent)
            moved[rows] = move
            axis = int(np.ptp(joint[rows], axis=0).argmax())
            low = joint[rows, axis] <= joint[rows, axis].mean()
            if len(rows) >= 2 * GROUP_ROWS and 0 < low.sum() < len(rows):
                waiting += [(rows[low], move), (rows[~low], move)]
        self.guess = self.guess + moved
        self.scatter = self.spread / 4

    def _group_move(self, rows: I64, parent: F64) -> F64:
        """The displacement, of a few likely ones, that brings a group closest to Gaussians like it."""
        wanted, here = self.traits_a[rows] + self.shift, self.guess[rows]
        slack = 0.25 * self.spread * (wanted.std(axis=0) > 0) + 0.02 * self.spread
        like = (
            (self.traits_b >= wanted.min(axis=0) - slack) & (self.traits_b <= wanted.max(axis=0) + slack)
        ).all(axis=1)
        moves = [parent, np.zeros(3)]
        if 0.8 * len(rows) <= like.sum() <= 1.25 * len(rows):  # the group is all there is of its like
            there = self.end[like]
            moves += [there.mean(axis=0) - here.mean(axis=0), there.min(axis=0) - here.min(axis=0)]
            moves.append(there.max(axis=0) - here.max(axis=0))
        some = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), GROUP_SAMPLE)).astype(np.int64))]
        costs = []
        for move in moves:
            near = nearest(self.tree, self.guess[some] + move, min(4, len(self.end)))[1]
            costs.append(float(self._cost(some, near, move).min(axis=1).mean()))
        least = int(np.argmin(costs))
        return moves[least] if costs[least] < GROUP_GAIN * costs[0] - GROUP_NATS else parent
