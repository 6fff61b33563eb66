"""Errors, the frame of a segment and MODEL (SEGMENT.md 5.1, 5.2)."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import Any

LIMIT = 1 << 30


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
