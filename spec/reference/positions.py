"""POSITION and neighbours (SEGMENT.md 5.5)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spec.reference.entropy import Counters, RangeDecoder, weights
from spec.reference.model import Model, check

if TYPE_CHECKING:
    from spec.reference.base import Planes

# 5.5 POSITION


AROUND = [(a, b, c) for c in (-1, 0, 1) for b in (-1, 0, 1) for a in (-1, 0, 1)]


class Lists:
    """Slots by the cell they lie in; cells whose numbers fall together share a list."""

    def __init__(self, slots: int, shift: int) -> None:
        self.size, self.shift, self.held = 16, shift, {}  # type: ignore[var-annotated]
        while self.size < 2 * slots:
            self.size *= 2

    def _number(self, cell: Any) -> int:
        h = 0
        for v, factor in zip(cell, (73856093, 19349663, 83492791), strict=True):
            h ^= (v * factor) & 0xFFFFFFFF
        return h % self.size

    def add(self, i: int, at: list[int]) -> None:
        self.held.setdefault(self._number([v >> self.shift for v in at]), []).append(i)

    def around(self, at: list[int]) -> list[int]:
        """The newest sixteen of each list about a place, newest first, in the order of the cells; each once."""
        found: dict[int, None] = {}
        for step in AROUND:
            mine = self.held.get(
                self._number([(v >> self.shift) + s for v, s in zip(at, step, strict=True)]), []
            )
            found.update(dict.fromkeys(mine[:-17:-1]))
        return list(found)


@dataclass
class Plane:
    mean: list[float]
    normal: list[float]
    variance: float


def fit_plane(points: list[list[int]]) -> Plane | None:
    """Every sum runs over the points in their order, every expression in the order written."""
    n = len(points)
    if n < 3:
        return None
    mean = [0.0, 0.0, 0.0]
    for p in points:
        mean = [m + v for m, v in zip(mean, p, strict=True)]
    mean = [m / n for m in mean]
    a = b = c = d = e = f = 0.0
    for p in points:
        x, y, z = (v - m for v, m in zip(p, mean, strict=True))
        a, b, c, d, e, f = a + x * x, b + y * y, c + z * z, d + x * y, e + x * z, f + y * z
    a00, a11, a22 = b * c - f * f, a * c - e * e, a * b - d * d
    a01, a02, a12 = e * f - d * c, d * f - e * b, d * e - a * f
    if a00 >= a11 and a00 >= a22:
        n0, n1, n2 = a00, a01, a02
    elif a11 >= a22:
        n0, n1, n2 = a01, a11, a12
    else:
        n0, n1, n2 = a02, a12, a22
    length = math.sqrt(n0 * n0 + n1 * n1 + n2 * n2)
    if not length > 0:
        return None
    n0, n1, n2 = n0 / length, n1 / length, n2 / length
    spread = (
        n0 * (a * n0 + d * n1 + e * n2) + n1 * (d * n0 + b * n1 + f * n2) + n2 * (e * n0 + f * n1 + c * n2)
    )
    return Plane(mean, [n0, n1, n2], max(spread, 0.0) / n)


def plane_context(plane: Plane | None, centre: list[float], size: list[int], axis: int) -> int:
    """u: 16 where the plane tells neither half, above it where it tells the upper one; 0 without a plane."""
    if plane is None:
        return 0
    d = extent = 0.0
    for b in range(3):
        n, edge = plane.normal[b], 0.5 * size[b] if b == axis else float(size[b])
        d += n * (centre[b] - plane.mean[b])
        extent += n * n * (edge * edge)
    odds = -(d * (plane.normal[axis] * size[axis])) / (plane.variance + extent / 12.0 + 0.25)
    return math.floor(min(max(8.0 * odds, -15.5), 15.0) + 16.5)


def spacing_context(points: list[list[int]], centre: list[float], size: list[int], axis: int) -> int:
    """v: 8 where the halves' centres are equally far from the nearest point, above it where the upper one is farther."""
    if not points:
        return 0
    quarter, low, high = 0.25 * size[axis], 1e300, 1e300
    for p in points:
        s = 0.0
        for b in range(3):
            if b != axis:
                s += (p[b] - centre[b]) * (p[b] - centre[b])
        t = p[axis] - centre[axis]
        low, high = min(low, s + (t + quarter) * (t + quarter)), min(high, s + (t - quarter) * (t - quarter))
    share = (high - low) / (high + low + 1.0)
    return math.floor(min(max(7.0 * share, -7.0), 7.0) + 8.5)


class Positions:
    """Decodes X (lists of three) and the position class s of every slot, in order, behind those of `given`."""

    def __init__(self, data: bytes, m: Model, given: Planes) -> None:
        self.d, self.x, self.s = RangeDecoder(data), list(given.x), list(given.classes[0])
        self.left, self.empty, self.big, self.cls, self.point = (Counters() for _ in range(5))
        self.w, self.lists = weights(), Lists(m.N, m.cell_shift)
        for i, at in enumerate(self.x):
            self.lists.add(i, at)
        todo = [(m.N - len(self.x), list(m.bits), [0, 0, 0])]
        while todo:
            n, rem, x = todo.pop()
            if n == 0:
                continue
            if not any(rem) or n == 1:
                for _ in range(n):
                    self.leaf(rem, x)
                continue
            axis = max(range(3), key=lambda a: (rem[a], -a))
            half = self.split(n, min(63, sum(rem)))
            less = [r - (a == axis) for a, r in enumerate(rem)]
            boxes = [[2 * v + bit if a == axis else v for a, v in enumerate(x)] for bit in (0, 1)]
            todo += [(n - half, less, boxes[1]), (half, less, boxes[0])]

    def leaf(self, rem: list[int], x: list[int]) -> None:
        s = self.position_class(min(63, sum(rem)))
        least = [1 << min(r, s) for r in rem]
        low, size = [v << r for v, r in zip(x, rem, strict=True)], [1 << r for r in rem]
        near, plane, step = [], None, 0  # type: ignore[var-annotated]
        while size != least:
            axis = max((a for a in range(3) if size[a] > least[a]), key=lambda a: (size[a], -a))
            centre = [v + 0.5 * edge for v, edge in zip(low, size, strict=True)]
            if step == 0:
                near = self.nearest(centre)
                plane = fit_plane(near)
            u, v = plane_context(plane, centre, size, axis), spacing_context(near, centre, size, axis)
            e = min(step, 7)
            k = (u, 16 * u + 2 * e, 16 * v + e, 16 * u + v)
            bit = self.d.mixed([self.point[f, k[f]] for f in range(4)], self.w["point", e])
            size[axis] >>= 1
            low[axis] += bit * size[axis]
            step += 1
        at = [v + (edge >> 1) for v, edge in zip(low, least, strict=True)]
        self.lists.add(len(self.x), at)
        self.x.append(at)
        self.s.append(s)

    def nearest(self, centre: list[float]) -> list[list[int]]:
        """Up to eight earlier points, nearest first."""

        def distance(p: list[int]) -> float:
            return sum((v - c) * (v - c) for v, c in zip(p, centre, strict=True))

        points = [self.x[j] for j in self.lists.around([int(c) for c in centre])]
        return sorted(points, key=distance)[:8]

    def split(self, n: int, depth: int) -> int:
        d, node = self.d, 1
        if n <= 16:
            for _ in range(5):
                node = 2 * node + d.simple(self.left[n, node])
            check(node - 32 <= n, "count")
            return node - 32
        if d.simple(self.empty[depth, 0]):
            return 0
        if d.simple(self.empty[depth, 1]):
            return n
        value = 0
        for i in range((n - 2).bit_length()):
            bit = d.simple(self.big[depth, node]) if i < 3 else d.raw()
            node, value = 2 * node + bit, 2 * value + bit
        check(value <= n - 2, "count")
        return value + 1

    def position_class(self, room: int) -> int:
        before = ([0, 0, 0, 0] + self.s)[-4:]
        k = (before[3], before[3] * 16 + before[2], room, sum(before))
        node = 1
        for _ in range(4):
            node = 2 * node + self.d.mixed([self.cls[f, k[f], node] for f in range(4)], self.w["class", node])
        return node - 16


@dataclass
class Neighbours:
    index: list[list[int]]
    weight: list[list[int]]
    feature: list[int]  # L2

    def weighted(self, i: int, v: list[int]) -> int:
        return sum(w * v[j] for j, w in zip(self.index[i], self.weight[i], strict=True))

    def mean(self, i: int, v: list[int]) -> int:
        total = sum(self.weight[i])
        return (2 * self.weighted(i, v) + total) // (2 * total) if total else 0

    def magnitude(self, i: int, q: list[int]) -> int:
        total = sum(self.weight[i])
        return sum(16 * w * abs(q[j]) for j, w in zip(self.index[i], self.weight[i], strict=True)) // (
            total or 1
        )


def find_neighbours(x: list[list[int]], shift: int, given: Neighbours) -> Neighbours:
    """`given`: of the first slots, which the base segment's are."""
    lists, out = Lists(len(x), shift), Neighbours(given.index[:], given.weight[:], given.feature[:])
    for i, at in enumerate(x):
        if i < len(given.index):
            lists.add(i, at)
            continue
        near = {*range(max(0, i - 4), i), *lists.around(at)}
        ranked = sorted((sum((a - b) ** 2 for a, b in zip(at, x[j], strict=True)), -j) for j in near)[:6]
        d = [math.isqrt(d2) for d2, _ in ranked]
        m = d[min(len(d) - 1, 2)] if d else 0
        out.index.append([-j for _, j in ranked])
        out.weight.append([max(1, 256 * (m + 1) // (v + 3 * m // 10 + 1)) for v in d])
        v = m + 1
        b = v.bit_length() - 1
        out.feature.append(4 * b + ((4 * v) >> b) - 4)
        lists.add(i, at)
    return out
