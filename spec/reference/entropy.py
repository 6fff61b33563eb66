"""Range decoder, adaptive bits and values (SEGMENT.md 5.3, 5.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spec.reference.model import check

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
