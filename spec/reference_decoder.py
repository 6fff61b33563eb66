"""A plain decoder of segments, in the order of SEGMENT.md: Python integers, numpy float64, no speed.

It exists to be read beside the specification and to check the fast decoders; it shares no code with them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

DecodeLuma = Callable[[list[bytes], int, int], list[np.ndarray]]
"""Pictures, width, height -> luma of each picture, uint8 (height, width)."""

LIMIT = 1 << 30
WORK_LIMIT = 1 << 31


class BadSegment(Exception):
    """`kind` is truncated, bad, unsupported or limit."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(f"{kind}: {what}")
        self.kind = kind


def check(condition: bool, what: str, kind: str = "bad") -> None:
    if not condition:
        raise BadSegment(kind, what)


# 5.1 Frame of a segment


class Fields:
    """Plain fields of a section."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, n: int) -> bytes:
        check(self.at + n <= len(self.data), "fields end too early", "truncated")
        self.at += n
        return self.data[self.at - n : self.at]

    def u8(self, low: int = 0, high: int = 255) -> int:
        value = self.take(1)[0]
        check(low <= value <= high, "field out of range")
        return value

    def uv(self) -> int:
        value = 0
        for i in range(5):
            byte = self.take(1)[0]
            value |= (byte & 127) << (7 * i)
            if byte < 128:
                return value
        raise BadSegment("bad", "number longer than five bytes")

    def unpack(self, form: str, n: int) -> list[Any]:
        return list(struct.unpack(f"<{n}{form}", self.take(4 * n)))

    def f32(self, n: int, positive: bool = True) -> list[float]:
        values = self.unpack("f", n)
        check(all(math.isfinite(v) and (v > 0 or not positive) for v in values), "number out of range")
        return values


def split(data: bytes) -> tuple[list[bytes], bool, bool]:
    """MODEL, SIDE, POSITION, BASE, COEFFICIENT, VIDEO; whether the layout is explicit, whether the base is shared."""
    f = Fields(data)
    check(f.u8() == 2, "version", "unsupported")
    flags = f.u8()
    check(flags < 4, "flags", "unsupported")
    lengths = [f.uv() for _ in range(6)]
    rest = len(data) - f.at
    check(sum(lengths) <= rest, "sections end too early", "truncated")
    check(sum(lengths) == rest, "bytes left over")
    return [f.take(n) for n in lengths], bool(flags & 1), bool(flags & 2)


# 5.2 MODEL

GROUP_FEATURES = [0, 3, 7, 6, 7, 7]


@dataclass
class Model:
    T: int
    N: int
    K: int
    shared: bool
    bits: list[int] = field(default_factory=list)
    cell_shift: int = 0
    origin: list[float] = field(default_factory=list)
    base_unit: list[float] = field(default_factory=list)
    classes: list[tuple[int, list[int]]] = field(default_factory=list)
    coef_unit: list[float] = field(default_factory=list)
    P: int = 0
    soft: bool = False
    place_shift: int = 0
    part_unit: list[float] = field(default_factory=lambda: [0.0, 0.0])
    basis: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)] * 6)
    mode: list[list[int]] = field(default_factory=list)
    beta: list[dict[int, int]] = field(default_factory=list)  # by channel, then k
    atlas: tuple[int, int] = (0, 0)
    gain: int = 1

    @property
    def C(self) -> int:
        return 13 + 3 * (self.K - 1)

    @property
    def temporal(self) -> bool:
        return self.T > 1 or self.shared

    def planes(self, c: int, mode: int) -> list[int]:
        return [k + 1 for k, m in enumerate(self.mode[c]) if m == mode] if self.mode else []


def group_of(c: int) -> int:
    return [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 4, 4, 4][c] if c < 13 else 5


def channels_of(g: int, count: int) -> list[int]:
    return [c for c in range(count) if group_of(c) == g]


def previous_channel(c: int) -> int | None:
    """The channel whose values are contexts of c's (5.6)."""
    if c >= 13:
        return c - 3 if c >= 16 else None
    return c - 1 if c > 0 and group_of(c - 1) == group_of(c) else None


def read_model(data: bytes, shared: bool) -> Model:
    f = Fields(data)
    frames, slots, k = f.uv(), f.uv(), (f.u8(0, 3) + 1) ** 2
    check(1 <= frames <= 256, "T", "limit")
    check(slots <= 1 << 22, "N", "limit")
    m = Model(frames, slots, k, shared)
    if not shared:
        read_own(f, m)
    if m.temporal:
        read_temporal(f, m)
    check(f.at == len(data), "bytes left over in MODEL")
    return m


def read_own(f: Fields, m: Model) -> None:
    m.bits = [f.u8(0, 20) for _ in range(3)]
    m.cell_shift, m.origin, m.base_unit = f.u8(0, 20), f.f32(3, positive=False), f.f32(m.C)
    m.classes = [(0, [])] + [(f.u8(0, 4), f.unpack("i", GROUP_FEATURES[g])) for g in range(1, 6)]


def adopt(m: Model, base: Model) -> None:
    """The own fields of the base segment become those of the segment that shares its base."""
    fits = m.soft or m.P in (0, 0 if base.soft else base.P)
    check(m.N >= base.N and m.K == base.K and fits, "segment does not fit the base it shares")
    m.bits, m.cell_shift, m.origin = base.bits, base.cell_shift, base.origin
    m.base_unit, m.classes = base.base_unit, base.classes


def read_temporal(f: Fields, m: Model) -> None:
    m.coef_unit = f.f32(m.C)
    told = f.u8()
    m.soft, m.P = told >= 128, told % 128
    check(m.P >= 5 if m.soft else m.P <= 64, "P")
    if m.P:
        m.part_unit = f.f32(2)
    if m.soft:
        m.place_shift = f.u8(0, 20)
    m.basis = [(f.u8(0, 2), f.u8(0, m.T if m.shared else m.T - 1)) for _ in range(6)]
    check(all((kind == 0) == (count == 0) for kind, count in m.basis), "basis")
    m.mode = [[f.u8(0, 2) for _ in range(m.basis[group_of(c)][1])] for c in range(m.C)]
    m.beta = [{k: f.u8(0, 32) for k in m.planes(c, 1)} for c in range(m.C)]
    if any(m.planes(c, 2) for c in range(m.C)):
        m.atlas, m.gain = (f.uv(), f.uv()), f.u8(1, 64)


# 5.3 Range decoder and adaptive bits

POINTS = [
    1, 2, 4, 6, 10, 17, 27, 45, 74, 120, 194, 311, 488, 747, 1102, 1546, 2048, 2550, 2994, 3349, 3608, 3785, 3902,
    3976, 4022, 4051, 4069, 4079, 4086, 4090, 4092, 4094, 4095,
]  # fmt: skip


def squash(x: int) -> int:
    j, f = (x + 2048) >> 7, (x + 2048) & 127
    return (POINTS[j] * (128 - f) + POINTS[j + 1] * f + 64) >> 7


SQUASHED = [squash(x) for x in range(-2047, 2048)]
STRETCH = [next((i - 2047 for i, s in enumerate(SQUASHED) if s >= v), 2047) for v in range(4096)]
RATE = [655360 // (10 * n + 16) for n in range(256)]


def clamp(x: int, low: int, high: int) -> int:
    return min(max(x, low), high)


class Counter:
    __slots__ = ("n", "p")

    def __init__(self) -> None:
        self.p, self.n = 32768, 0

    def update(self, bit: int) -> None:
        self.p += (((65535 if bit else 0) - self.p) * RATE[self.n]) >> 16
        self.n = min(self.n + 1, 255)


class Counters:
    """Any family of counters or weight sets, made when first met: all start alike."""

    def __init__(self, make: Callable[[], Any] = Counter) -> None:
        self.make, self.held = make, {}  # type: ignore[var-annotated]

    def __getitem__(self, key: object) -> Any:
        if key not in self.held:
            self.held[key] = self.make()
        return self.held[key]


def weights() -> Counters:
    return Counters(lambda: [19661] * 4)


class RangeDecoder:
    def __init__(self, data: bytes) -> None:
        check(len(data) >= 4, "section", "truncated")
        self.data, self.at, self.range, self.code = data, 4, 2**32 - 1, int.from_bytes(data[:4], "big")

    def _shift(self) -> None:
        while self.range < 1 << 24:
            check(self.at < len(self.data), "section ends too early", "truncated")
            self.range = self.range << 8
            self.code = ((self.code << 8) | self.data[self.at]) & 0xFFFFFFFF
            self.at += 1

    def _bit(self, p: int) -> int:
        bound = (self.range >> 12) * p
        bit = int(self.code < bound)
        if bit:
            self.range = bound
        else:
            self.code, self.range = self.code - bound, self.range - bound
        self._shift()
        return bit

    def raw(self) -> int:
        self.range >>= 1
        bit = int(self.code >= self.range)
        self.code -= bit * self.range
        self._shift()
        return bit

    def simple(self, counter: Counter) -> int:
        bit = self._bit(clamp(counter.p >> 4, 1, 4095))
        counter.update(bit)
        return bit

    def mixed(self, counters: list[Counter], w: list[int]) -> int:
        s = [STRETCH[c.p >> 4] for c in counters]
        x = clamp(sum(a * b for a, b in zip(w, s, strict=True)) >> 16, -2047, 2047)
        p = clamp(squash(x), 1, 4095)
        bit = self._bit(p)
        e = (4096 if bit else 0) - p
        for f in range(4):
            w[f] = clamp(w[f] + ((s[f] * e * 3 + 4096) >> 13), -524287, 524287)
            counters[f].update(bit)
        return bit


# 5.4 Values


def half_octaves(x: int) -> int:
    """Q."""
    if x == 0:
        return 0
    b = x.bit_length() - 1
    return min(15, 1 + 2 * b + ((x >> (b - 1)) & 1 if b else 0))


def sgn3(x: int) -> int:
    return (x > 0) - (x < 0) + 1


ZEROS = (0, 0, 0, 0)


class ValueSet:
    def __init__(self) -> None:
        self.zero, self.unary, self.sign, self.exp, self.mant = (Counters() for _ in range(5))
        self.w = weights()

    def value(
        self, d: RangeDecoder, c: Any, g: Any = ZEROS, *, signed: bool = True, nonzero: bool = False
    ) -> int:
        e = min(3, (c[0] + 4) >> 3)
        if not nonzero and not d.mixed([self.zero[f, c[f]] for f in range(4)], self.w["zero", e]):
            return 0
        m = 1
        while m < 15 and d.mixed([self.unary[f, c[f], m] for f in range(4)], self.w["unary", e, m]):
            m += 1
        if m == 15:
            m += self.golomb(d) - 1
        if signed and d.mixed([self.sign[f, g[f]] for f in range(4)], self.w["sign"]):
            return -m
        return m

    def golomb(self, d: RangeDecoder) -> int:
        e = 0
        while d.simple(self.exp[min(e, 31)]):
            e += 1
            check(e <= 20, "value")
        r = 1
        for i in range(e - 1, -1, -1):
            r = 2 * r + (d.simple(self.mant[i]) if i >= e - 2 else d.raw())
        return r

    def number(self, d: RangeDecoder, signed: bool = True) -> int:
        return self.value(d, ZEROS, signed=signed)


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


# 5.6 BASE


@dataclass
class Planes:
    """All integers of a segment; `q` are residuals, kept as contexts."""

    x: list[list[int]]
    near: Neighbours
    part: list[int]
    classes: list[list[int]]
    base: dict[int, list[int]] = field(default_factory=dict)
    coef: dict[tuple[int, int], list[int]] = field(default_factory=dict)

    def named(self) -> dict[str, np.ndarray]:
        """Planes under the names that all decoders use."""
        out = {f"X{a}": [x[a] for x in self.x] for a in range(3)}
        out |= {f"class{g}": v for g, v in enumerate(self.classes)}
        out |= {f"base{c}": v for c, v in self.base.items()}
        out |= {f"coef{c}_{k}": v for (c, k), v in self.coef.items()}
        return {name: np.array(v, np.int64) for name, v in out.items()}


def decode_labels(d: RangeDecoder, m: Model, near: Neighbours, given: list[int]) -> list[int]:
    same, other, part = Counters(), Counters(), list(given)
    for index in near.index[len(given) :]:
        labels = [part[j] for j in index]
        different = [p for p in labels if p != labels[0]]
        if labels and d.simple(same[0]):
            part.append(labels[0])
        elif different and d.simple(same[1]):
            part.append(different[0])
        else:
            node = 1
            for _ in range(6):
                node = 2 * node + d.simple(other[node])
            check(node - 64 < m.P, "part")
            part.append(node - 64)
    return part


def decode_classes(d: RangeDecoder, m: Model, planes: Planes, g: int, given: Planes) -> list[int]:
    spacing, a = m.classes[g]
    values, near, k = ValueSet(), planes.near, [0] * m.N
    features = [planes.classes[0], near.feature]
    features += [[clamp(v, -(2**19), 2**19) for v in planes.base[c]] for c in (3, 4, 5, 9)[: len(a) - 3]]
    out = list(given.classes[g])
    for i in range(len(given.x), m.N):
        pred = (a[0] + sum(f * v[i] for f, v in zip(a[1:], features, strict=True))) >> 16
        if spacing:
            nearest = k[near.index[i][0]] if near.index[i] else 0
            c = (
                half_octaves(near.magnitude(i, k)),
                half_octaves(abs(nearest)),
                clamp(pred, 0, 15),
                features[0][i],
            )
            k[i] = values.value(d, c, (sgn3(near.weighted(i, k)), sgn3(nearest), c[2], 0))
        out.append(clamp(pred + spacing * k[i], 0, 15))
    return out


SHIFT_AT = [49052, 19675, 7404, 2756, 1024, 380, 141, 53, 20]


def rotation_shifts(m: Model, planes: Planes, i: int) -> list[int]:
    """By body axis: how many doublings coarser a rotation about it is."""
    logs = []
    for c in (3, 4, 5):
        unit = min(math.floor(m.base_unit[c] * 65536 + 0.5), 1 << 20)
        logs.append(clamp(planes.base[c][i], -(2**19), 2**19) * unit)
    gaps = [abs(logs[1] - logs[2]), abs(logs[0] - logs[2]), abs(logs[0] - logs[1])]
    return [sum(threshold > gap for threshold in SHIFT_AT) for gap in gaps]


def step_classes(m: Model, planes: Planes, c: int) -> list[int]:
    """By slot: the channel's class, to which rotations add the shift of their axis."""
    g = group_of(c)
    if g != 2:
        return planes.classes[g]
    return [cls + rotation_shifts(m, planes, i)[c - 6] for i, cls in enumerate(planes.classes[g])]


def twist_axes(m: Model, planes: Planes) -> np.ndarray:
    """By slot: the axis of the largest shift, the lowest on ties."""
    return np.array([int(np.argmax(rotation_shifts(m, planes, i))) for i in range(m.N)], int)


def decode_base_plane(
    d: RangeDecoder, m: Model, planes: Planes, c: int, residuals: dict[int, list[int]], given: Planes
) -> None:
    values, near, g, start = ValueSet(), planes.near, group_of(c), len(given.x)
    v, q = given.base.get(c, []) + [0] * (m.N - start), [0] * m.N
    planes.base[c], residuals[c] = v, q
    before, steps = previous_channel(c), step_classes(m, planes, c)
    for i in range(start, m.N):
        cls, index = min(15, steps[i]), near.index[i]
        around = [v[j] for j in index]
        nb, prev = near.magnitude(i, q), residuals[before][i] if before is not None else 0
        pc, disp = abs(prev), (max(around) - min(around)) >> steps[i] if around else 0
        contexts = (
            6 * half_octaves(nb) + min(5, pc),
            half_octaves(nb + 8 * pc) + 16 * min(7, cls >> 1),
            8 * half_octaves(disp) + min(7, half_octaves(nb) >> 1),
            8 * cls + min(7, half_octaves(2 * disp + nb) >> 1),
        )
        g0, g1 = sgn3(near.weighted(i, q)), sgn3(prev)
        q[i] = values.value(d, contexts, (g0, g1, 3 * g0 + g1, sgn3(q[index[0]]) if index else 1))
        v[i] = (0 if g == 2 else near.mean(i, v)) + q[i] * 2 ** steps[i]
        check(abs(v[i]) <= LIMIT, "base integer")


def decode_base(data: bytes, m: Model, planes: Planes, given: Planes) -> None:
    d = RangeDecoder(data)
    residuals: dict[int, list[int]] = {}
    if m.P > 0 and not m.soft:
        planes.part[:] = decode_labels(d, m, planes.near, given.part)
    for g in (1, 3, 2, 4, 5):
        planes.classes[g] = decode_classes(d, m, planes, g, given)
        for c in channels_of(g, m.C):
            decode_base_plane(d, m, planes, c, residuals, given)


# 5.7 SIDE


@dataclass
class Side:
    bases: list[np.ndarray]  # by group: (K_g, T)
    moves: np.ndarray  # (T, P, 3, 4): M | b
    nodes: list[list[int]] = field(default_factory=list)  # soft parts: lattice places
    motion: list[list[list[int]]] = field(default_factory=list)  # soft parts: q by node, entry, k


def dct(frames: int) -> np.ndarray:
    t, k = np.arange(frames), np.arange(frames)[:, None]
    return np.sqrt(np.where(k == 0, 1, 2) / frames) * np.cos(np.pi * (2 * t + 1) * k / (2 * frames))


def decode_side(data: bytes, m: Model) -> Side:
    d, sets, table = RangeDecoder(data), [ValueSet() for _ in range(5)], dct(m.T)
    first = 0 if m.shared else 1
    bases = [table[first : first + count] for _, count in m.basis]
    for g, (kind, count) in enumerate(m.basis):
        if kind == 2:
            bases[g] = np.array([[sets[0].number(d) / 512 for _ in range(m.T)] for _ in range(count)])
    if m.soft:
        nodes = decode_nodes(d, sets[4], m)
        near = [nearest_earlier(nodes, p) for p in range(m.P)]
        motion = decode_motion(d, sets, m, near)
        return Side(bases, affine_of(node_series(m, nodes, near, motion) @ table), nodes, motion)
    moves = np.zeros((m.T, m.P, 12))
    for p in range(m.P):
        for e in range(12):
            n, which = sets[3].number(d, signed=False), int(e % 4 == 3)
            check(n <= m.T, "part coefficients")
            for k in range(n):
                moves[:, p, e] += sets[1 + which].number(d) * m.part_unit[which] * table[k]
    return Side(bases, affine_of(np.moveaxis(moves, 0, -1)))


def affine_of(entries: np.ndarray) -> np.ndarray:
    """(P, 12, T) entries -> (T, P, 3, 4)."""
    affine = np.moveaxis(entries, -1, 0).reshape(entries.shape[2], len(entries), 3, 4).copy()
    affine[..., :3] += np.eye(3)
    return affine


def decode_nodes(d: RangeDecoder, numbers: ValueSet, m: Model) -> list[list[int]]:
    nodes, place = [], [0, 0, 0]
    for _ in range(m.P):
        place = [v + numbers.number(d) for v in place]
        check(all(abs(v) << m.place_shift <= 1 << 21 for v in place), "node is out of range")
        nodes.append([v << m.place_shift for v in place])
    return nodes


def squared(a: list[int], b: list[int]) -> int:
    return sum((v - w) ** 2 for v, w in zip(a, b, strict=True))


def nearest_earlier(nodes: list[list[int]], p: int) -> int:
    """-1 for the first."""
    return min(range(p), key=lambda j: (squared(nodes[p], nodes[j]), j), default=-1)


def decode_motion(d: RangeDecoder, sets: list[ValueSet], m: Model, near: list[int]) -> list[list[list[int]]]:
    q = [[[0] * m.T for _ in range(12)] for _ in range(m.P)]
    count = [[0] * 12 for _ in range(m.P)]
    nothing = [0] * m.T
    for p in range(m.P):
        for e in range(12):
            before = max((b for b in range(e) if (b % 4 == 3) == (e % 4 == 3)), default=None)
            n1 = 0 if before is None else min(63, count[p][before])
            n3 = 0 if p == 0 else min(63, count[near[p]][e])
            n = count[p][e] = sets[3].value(d, (n1, n3, n1 + n3, e), signed=False)
            check(n <= m.T, "part coefficients")
            row2 = nothing if before is None else q[p][before]
            row3 = nothing if p == 0 else q[near[p]][e]
            for k in range(n):
                o1, o2, o3 = abs(q[p][e][k - 1]) if k else 0, abs(row2[k]), abs(row3[k])
                contexts = (
                    8 * half_octaves(o1 + o2) + min(7, k),
                    half_octaves(o1 + o2 + o3) + 16 * min(7, k),
                    8 * half_octaves(o2) + min(7, n - 1 - k),
                    8 * half_octaves(o3) + min(7, o1),
                )
                q[p][e][k] = sets[2 if e % 4 == 3 else 1].value(d, contexts, nonzero=k == n - 1)
    return q


def node_series(
    m: Model, nodes: list[list[int]], near: list[int], motion: list[list[list[int]]]
) -> np.ndarray:
    """(K, 12, T) DCT coefficients."""
    out = np.zeros((m.P, 12, m.T))
    for p in range(m.P):
        for e in range(12):
            out[p, e] = np.array(motion[p][e], float) * m.part_unit[int(e % 4 == 3)]
            if p:
                out[p, e] += out[near[p], e]
        if p:
            for b in range(3):
                arm = (nodes[p][b] - nodes[near[p]][b]) * m.base_unit[b]
                for row in range(3):
                    out[p, 4 * row + 3] += out[near[p], 4 * row + b] * arm
    return out


# 5.8 COEFFICIENT


class Coefficients:
    """Decodes the planes of mode 1, then the overflow list."""

    def __init__(self, data: bytes, m: Model, planes: Planes) -> None:
        self.d, self.m, self.planes = RangeDecoder(data), m, planes
        self.sets = Counters(ValueSet)
        self.last: dict[int, list[int]] = {}
        self.q: dict[int, list[list[int]]] = {}  # by channel: one list for each plane of mode 1
        for c in range(m.C):
            if m.planes(c, 1):
                self.channel(c)
        self.overflow = self.decode_overflow()

    def channel(self, c: int) -> None:
        m, planes = self.m, self.planes
        ks = m.planes(c, 1)
        self.steps = step_classes(m, planes, c)
        self.last[c], self.q[c] = [0] * m.N, [[0] * m.N for _ in ks]
        for k in ks:
            planes.coef[c, k] = [0] * m.N
        for i in range(m.N):
            count = self.last[c][i] = self.significant(c, i)
            for j in range(1, count + 1):
                self.q[c][j - 1][i] = self.residual(c, i, j, count)
            for j, k in enumerate(ks):
                self.integer(c, i, j, k)

    def significant(self, c: int, i: int) -> int:
        before = previous_channel(c)
        nl = self.planes.near.magnitude(i, self.last[c])
        pl = self.last[before][i] if before in self.last else 0
        h, cls = half_octaves(nl), min(15, self.steps[i])
        contexts = (h, 8 * h + min(7, pl), 8 * cls + min(7, h >> 1), half_octaves(nl + 8 * pl))
        count = self.sets["last", group_of(c)].value(self.d, contexts, signed=False)
        check(count <= len(self.q[c]), "last")
        return int(count)

    def residual(self, c: int, i: int, j: int, count: int) -> int:
        near, q, cls = self.planes.near, self.q[c][j - 1], min(15, self.steps[i])
        others = self.q.get(previous_channel(c), [])  # type: ignore[arg-type]
        p1 = self.q[c][j - 2][i] if j > 1 else 0
        p2 = others[j - 1][i] if j <= len(others) else 0
        nb, o1, o2 = near.magnitude(i, q), abs(p1), abs(p2)
        h = half_octaves(nb)
        contexts = (
            8 * h + min(7, o1),
            half_octaves(2 * nb + 12 * o1 + 8 * o2) + 16 * min(7, cls >> 1),
            8 * min(15, count) + min(7, count - j),
            8 * h + min(7, o2),
        )
        g0, g1 = sgn3(near.weighted(i, q)), sgn3(p2)
        values = self.sets["coef", group_of(c), min(j, 4)]
        return int(values.value(self.d, contexts, (g0, g1, sgn3(p1), 3 * g0 + g1), nonzero=j == count))

    def integer(self, c: int, i: int, j: int, k: int) -> None:
        near, r, beta = self.planes.near, self.planes.coef[c, k], self.m.beta[c][k]
        total = sum(near.weight[i])
        pred = (2 * beta * near.weighted(i, r) + 32 * total) // (64 * total) if total and beta else 0
        r[i] = pred + self.q[c][j][i] * 2 ** self.steps[i]
        check(abs(r[i]) <= LIMIT, "coefficient integer")

    def decode_overflow(self) -> dict[tuple[int, int], int]:
        """(number of the plane of mode 2, slot) -> value."""
        count = sum(len(self.m.planes(c, 2)) for c in range(self.m.C))
        if not count:
            return {}
        d, sets, out = self.d, [ValueSet() for _ in range(4)], {}
        n, plane, slot = sets[0].number(d, signed=False), 0, -1
        check(n <= self.m.N * count, "overflow")
        for _ in range(n):
            step = sets[1].number(d, signed=False)
            plane, slot = plane + step, -1 if step else slot
            slot += sets[2].number(d, signed=False) + 1
            check(plane < count and slot < self.m.N, "overflow")
            out[plane, slot] = sets[3].number(d)
        return out


# 5.9 VIDEO


def implied_place(p: int, width: int) -> tuple[int, int]:
    """(x, y) of place p in a tile."""
    row = width // 16
    y0, x0 = divmod(p >> 8, row)
    x0 = row - 1 - x0 if y0 % 2 else x0
    x = sum(((p >> (2 * b)) & 1) << b for b in range(4))
    y = sum(((p >> (2 * b + 1)) & 1) << b for b in range(4))
    return 16 * x0 + x, 16 * y0 + y


def video_sizes(m: Model, tiles: int) -> tuple[int, int, int, int, int]:
    """Tile width and height, columns, rows, pages."""
    width = 16 * -(-(math.isqrt(m.N - 1) + 1) // 16)
    blocks = (m.N + 255) // 256
    height = 16 * -(-blocks // (width // 16))
    cols = max(1, min(tiles, 2048 // width))
    rows = max(1, min(-(-tiles // cols), 2048 // height))
    return width, height, cols, rows, -(-tiles // (cols * rows))


def decode_video(
    data: bytes, m: Model, explicit: bool, overflow: Any, planes: Planes, luma: DecodeLuma
) -> None:
    channels = [c for c in range(m.C) if m.planes(c, 2)]
    listed = [(c, k) for c in channels for k in m.planes(c, 2)]
    width, height, cols, rows, pages = video_sizes(m, len(channels))
    check(m.atlas == (cols * width, rows * height + 2), "atlas")
    f = Fields(data)
    places = f.unpack("I", m.N) if explicit else list(range(m.N))
    check(not explicit or sorted(places) == list(range(m.N)), "layout")
    count = max(k for _, k in listed) * pages
    check(f.uv() == count, "number of pictures")
    lengths = [f.uv() for _ in range(count)]
    check(sum(lengths) <= len(data) - f.at, "pictures", "truncated")
    pictures = luma([f.take(n) for n in lengths], *m.atlas)
    check(f.at == len(data), "bytes left over in VIDEO")
    check(len(pictures) == count and all(p.shape == m.atlas[::-1] for p in pictures), "pictures")
    for number, (c, k) in enumerate(listed):
        page, tile = divmod(channels.index(c), cols * rows)
        y0, x0 = divmod(tile, cols)
        picture, out, steps = pictures[(k - 1) * pages + page], [], step_classes(m, planes, c)
        for i in range(m.N):
            x, y = implied_place(places[i], width)
            sample = clamp(int(picture[y0 * height + y, x0 * width + x]), 16, 235)
            r = (sample - 126 + m.gain * overflow.get((number, i), 0)) * 2 ** steps[i]
            check(abs(r) <= LIMIT, "video integer")
            out.append(r)
        planes.coef[c, k] = out


# 5.10 Frames


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Product of quaternions wxyz, (..., 4)."""
    aw, ax, ay, az = np.moveaxis(a, -1, 0)
    bw, bx, by, bz = np.moveaxis(b, -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def exponential(r: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3) to quaternions."""
    angle = np.linalg.norm(r, axis=-1, keepdims=True)
    return np.concatenate([np.cos(angle / 2), np.sinc(angle / (2 * np.pi)) / 2 * r], axis=-1)


def swing_twist(r: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """(N, 3), the axes (N,) -> quaternions: first the twist about its axis, then the swing."""
    twist = np.where(np.arange(3) == axis[:, None], r, 0.0)
    return multiply(exponential(r - twist), exponential(twist))


def to_quaternion(m: np.ndarray) -> np.ndarray:
    """Of a rotation matrix (3, 3), by its largest component."""
    q = np.array(
        [
            [1 + m[0, 0] + m[1, 1] + m[2, 2], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], 1 + m[0, 0] - m[1, 1] - m[2, 2], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]],
            [m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], 1 - m[0, 0] + m[1, 1] - m[2, 2], m[1, 2] + m[2, 1]],
            [m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], 1 - m[0, 0] - m[1, 1] + m[2, 2]],
        ]
    )
    row = q[int(np.argmax(np.diag(q)))]
    return np.asarray(row / np.linalg.norm(row))


def turn_of(m: np.ndarray) -> tuple[np.ndarray, float]:
    """Quaternion of the polar factor of M, and ln det M."""
    det = float(np.linalg.det(m))
    if det <= 1e-9:
        return np.array([1.0, 0, 0, 0]), 0.0
    r = m
    for _ in range(12):
        r = (r + np.linalg.inv(r).T) / 2
    return to_quaternion(r), math.log(det)


def shares(x: list[int], nodes: list[list[int]]) -> tuple[list[int], list[float]]:
    """The four nearest nodes of a slot and their weights."""
    order = sorted(range(len(nodes)), key=lambda k: (squared(x, nodes[k]), k))[:5]
    d = [squared(x, nodes[k]) for k in order]
    w = [(1 - d[j] / d[4]) ** 2 if d[4] else 0.0 for j in range(4)]
    total = sum(w)
    return order[:4], [v / total for v in w] if total > 0 else [1.0, 0.0, 0.0, 0.0]


TO_RGB = np.array(
    [
        [1 / math.sqrt(3), 1 / math.sqrt(2), 1 / math.sqrt(6)],
        [1 / math.sqrt(3), 0, -2 / math.sqrt(6)],
        [1 / math.sqrt(3), -1 / math.sqrt(2), 1 / math.sqrt(6)],
    ]
)


@dataclass
class Segment:
    """A decoded segment: `planes` the integers, `frame(t)` the float32 attributes."""

    model: Model
    ints: Planes
    side: Side | None

    def planes(self) -> dict[str, np.ndarray]:
        if self.model.soft and self.side:
            nodes = np.array(self.side.nodes)
            told = {f"node{a}": nodes[:, a] for a in range(3)} | {"motion": np.array(self.side.motion)}
        else:
            told = {"part": np.array(self.ints.part)} if self.model.P else {}
        return self.ints.named() | told

    def _amounts(self, t: int) -> np.ndarray:
        """a_c(t): (C, N)."""
        m, out = self.model, np.zeros((self.model.C, self.model.N))
        for (c, k), r in self.ints.coef.items():
            unit = m.coef_unit[c] / (m.gain if m.mode[c][k - 1] == 2 else 1)
            out[c] += np.array(r, float) * unit * self.side.bases[group_of(c)][k - 1, t]  # type: ignore[union-attr]
        return out

    def _base_quaternions(self) -> np.ndarray:
        m, out = self.model, np.zeros((self.model.N, 4))
        r = np.array([self.ints.base[c] for c in (6, 7, 8)], float).T * m.base_unit[6:9]
        turns = swing_twist(r, twist_axes(m, self.ints))
        for i, index in enumerate(self.ints.near.index):
            out[i] = multiply(out[index[0]] if index else np.array([1.0, 0, 0, 0]), turns[i])
            out[i] /= np.linalg.norm(out[i])
        return out

    def frame(self, t: int) -> dict[str, np.ndarray]:
        """means (N, 3), quats (N, 4), scales (N, 3), opacities (N,), sh (N, K, 3)."""
        m, a = self.model, self._amounts(t)
        if m.N == 0:
            shapes = {
                "means": (0, 3),
                "quats": (0, 4),
                "scales": (0, 3),
                "opacities": (0,),
                "sh": (0, m.K, 3),
            }
            return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        base = (
            np.array([self.ints.base.get(c, [0] * m.N) for c in range(m.C)], float)
            * np.array(m.base_unit)[:, None]
        )
        world = np.array(m.origin) + np.array(self.ints.x) * np.array(m.base_unit[:3])
        means, logs = world if m.soft else world + a[:3].T, (base + a)[3:6].T
        quats = multiply(self._base_quaternions(), swing_twist(a[6:9].T, twist_axes(m, self.ints)))
        if m.soft:
            means, quats = self._blend(t, means, a[:3].T, quats)
        elif m.P:
            means, logs, quats = self._move(t, means, logs, quats)
        logit = np.clip((base + a)[9], -30, 30)
        colours = (base + a)[10:].T.reshape(m.N, m.K, 3) @ TO_RGB.T
        quats = quats / np.linalg.norm(quats, axis=1, keepdims=True)
        out = {"means": means, "quats": quats, "scales": np.exp(np.clip(logs, -30, 20))}
        out |= {"opacities": 1 / (1 + np.exp(-logit)), "sh": colours}
        return {name: v.astype(np.float32) for name, v in out.items()}

    def _blend(
        self, t: int, x: np.ndarray, a: np.ndarray, quats: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        m, moves, nodes = self.model, self.side.moves[t], self.side.nodes  # type: ignore[union-attr]
        places = np.array(m.origin) + np.array(nodes) * np.array(m.base_unit[:3])
        node_turns = [turn_of(move[:, :3])[0] for move in moves]
        means, turns = np.zeros_like(x), np.zeros((m.N, 4))
        for i in range(m.N):
            near, w = shares(self.ints.x[i], nodes)
            for k, share in zip(near, w, strict=True):
                means[i] += share * (places[k] + moves[k, :, :3] @ (x[i] - places[k]) + moves[k, :, 3])
                alike = np.dot(node_turns[near[0]], node_turns[k]) >= 0
                turns[i] += (share if alike else -share) * node_turns[k]
        turns /= np.linalg.norm(turns, axis=1, keepdims=True)
        pure = np.concatenate([np.zeros((m.N, 1)), a], axis=1)
        turned = multiply(multiply(turns, pure), turns * [1, -1, -1, -1])
        return means + turned[:, 1:], multiply(turns, quats)

    def _move(self, t: int, means: np.ndarray, logs: np.ndarray, quats: np.ndarray) -> tuple[np.ndarray, ...]:
        m, means, logs, quats = self.model, means.copy(), logs.copy(), quats.copy()
        labels, x = np.array(self.ints.part), np.array(self.ints.x)
        for p in range(m.P):
            mine = np.flatnonzero(labels == p)
            if len(mine):
                z = np.array(m.origin) + x[mine].sum(axis=0) // len(mine) * np.array(m.base_unit[:3])
                move = self.side.moves[t, p]  # type: ignore[union-attr]
                turn, log_det = turn_of(move[:, :3])
                means[mine] = z + (means[mine] - z) @ move[:, :3].T + move[:, 3]
                logs[mine] += log_det / 3
                quats[mine] = multiply(turn, quats[mine])
        return means, logs, quats


# 5.11 Limits, and the whole


def check_work(m: Model, budget: int) -> None:
    coded = sum(mode > 0 for row in m.mode for mode in row)
    check(m.N * (m.C + coded) * 4 <= budget, "memory", "limit")
    check(m.atlas[0] <= 2048 and m.atlas[1] <= 2050, "atlas", "limit")


@dataclass
class Base:
    """What a segment gives those that share its base."""

    model: Model
    planes: Planes


NOTHING = Planes([], Neighbours([], [], []), [], [[] for _ in range(6)])


def read_base(position: bytes, base: bytes, m: Model, given: Planes = NOTHING) -> Base:
    """`given`: planes of the first slots, which the base segment's are."""
    planes = Planes([], Neighbours([], [], []), [0] * m.N, [[0] * m.N for _ in range(6)])
    if m.N:
        at = Positions(position, m, given)
        planes.x, planes.classes[0] = at.x, at.s
        planes.near = find_neighbours(at.x, m.cell_shift, given.near)
        decode_base(base, m, planes, given)
    return Base(m, planes)


def decode_shared_base(data: bytes, budget: int = WORK_LIMIT) -> Base:
    """The base of a segment, for `decode_segment` of those that share it. Raises BadSegment."""
    (model, _, position, base, _, _), _, shared = split(data)
    check(not shared, "a base must be a segment's own")
    m = read_model(model, shared=False)
    check_work(m, budget)
    return read_base(position, base, m)


def decode_segment(
    data: bytes, decode_luma: DecodeLuma, budget: int = WORK_LIMIT, *, base: Base | None = None
) -> Segment:
    """Decode one segment; `base`: of the segment whose base it shares. Raises BadSegment."""
    (model, side_data, position, own, coefficient, video), explicit, shared = split(data)
    check(not shared or base is not None, "segment needs the base of another, which is not at hand")
    m = read_model(model, shared)
    check_work(m, budget)
    if shared:
        assert base is not None
        adopt(m, base.model)
        planes = replace(base.planes, coef={})
        if m.N > base.model.N:
            planes = read_base(position, own, m, base.planes).planes
    else:
        planes = read_base(position, own, m).planes
    if m.N == 0:
        return Segment(m, planes, None)
    side = decode_side(side_data, m) if m.temporal else None
    if any(mode for row in m.mode for mode in row):
        overflow = Coefficients(coefficient, m, planes).overflow
        if any(2 in row for row in m.mode):
            decode_video(video, m, explicit, overflow, planes, decode_luma)
    return Segment(m, planes, side)
