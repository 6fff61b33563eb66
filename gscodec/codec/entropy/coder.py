"""Binary range coder with mixed contexts (SPEC.md 5.3, 5.4), one kernel for both directions.

The range coder is the carry-propagating one of LZMA (Martin 1979; I. Pavlov's layout). A bit's probability is the
logistic mix of four adaptive counters (Mahoney, "Adaptive weighing of context models", 2005), in integers only.
Each kernel takes the bit to write and returns the bit: when reading, the argument is ignored. So writer and reader
can't drift apart in their contexts.
"""

from __future__ import annotations

import numpy as np

from gscodec.base.errors import BadInput, Truncated
from gscodec.base.jit import njit

__all__ = ["Coder", "code_bit", "code_mixed", "code_raw", "code_value", "quantise", "sgn3"]

# Indices into the state vector.
LOW, RANGE, CODE, CACHE, PENDING, POS, WRITING, ERROR = range(8)
ERR_NONE, ERR_TRUNCATED, ERR_FULL, ERR_BAD = range(4)

TOP = 1 << 24
MASK32 = 0xFFFFFFFF

# One set of counters (SPEC.md 5.4): offsets into the counter array.
FAMILY = 128
ZERO, UNARY = 0, 4 * FAMILY
SIGN = UNARY + 4 * FAMILY * 14
EXP = SIGN + 4 * 16
MANT = EXP + 32
SET_SIZE = MANT + 32
SELECT = 4
SET_WEIGHTS = (4 + 14 * 4) * SELECT + 4
WEIGHT_START = 19661  # 0.3 in 16.16
WEIGHT_LIMIT = 524287

SQUASH_POINTS = np.array(
    [
        1,
        2,
        4,
        6,
        10,
        17,
        27,
        45,
        74,
        120,
        194,
        311,
        488,
        747,
        1102,
        1546,
        2048,
        2550,
        2994,
        3349,
        3608,
        3785,
        3902,
    ]
    + [3976, 4022, 4051, 4069, 4079, 4086, 4090, 4092, 4094, 4095],
    dtype=np.int64,
)


def _squash_table() -> np.ndarray:
    x = np.arange(-2048, 2048) + 2048
    j, f = x >> 7, x & 127
    return ((SQUASH_POINTS[j] * (128 - f) + SQUASH_POINTS[j + 1] * f + 64) >> 7).astype(np.int32)


def _stretch_table(squash: np.ndarray) -> np.ndarray:
    x = np.searchsorted(squash[1:], np.arange(4096), side="left") - 2047
    return np.minimum(x, 2047).astype(np.int32)


SQUASH = _squash_table()  # index x + 2048
STRETCH = _stretch_table(SQUASH)
HALF_OCTAVES = np.array(
    [0]
    + [
        min(15, 2 * x.bit_length() - 1 + (x >> (x.bit_length() - 2) & 1 if x > 1 else 0))
        for x in range(1, 129)
    ],
    dtype=np.uint8,
)  # Q of SPEC.md 5.4; from 128 on it is 15
RATE = (655360 // (10 * np.arange(256) + 16)).astype(np.int64)


@njit
def _put(st, buf, byte):
    if st[POS] >= 0:  # the first byte is always 0 and not written
        if st[POS] >= buf.shape[0]:
            st[ERROR] = ERR_FULL
            return
        buf[st[POS]] = byte
    st[POS] += 1


@njit
def _shift_low(st, buf):
    low = st[LOW]
    if low < 0xFF000000 or low > MASK32:
        carry = low >> 32
        byte = st[CACHE]
        while st[PENDING] > 0:
            _put(st, buf, (byte + carry) & 0xFF)
            byte = 0xFF
            st[PENDING] -= 1
        st[CACHE] = (low >> 24) & 0xFF
    st[PENDING] += 1
    st[LOW] = (low & 0x00FFFFFF) << 8


@njit
def _renormalise(st, buf):
    while st[RANGE] < TOP:
        st[RANGE] = (st[RANGE] << 8) & MASK32
        if st[WRITING]:
            _shift_low(st, buf)
        elif st[POS] < buf.shape[0]:
            st[CODE] = ((st[CODE] << 8) | buf[st[POS]]) & MASK32
            st[POS] += 1
        else:
            st[CODE] = (st[CODE] << 8) & MASK32
            st[ERROR] = ERR_TRUNCATED


@njit
def _code(st, buf, p, bit):
    bound = (st[RANGE] >> 12) * p
    if not st[WRITING]:
        bit = 1 if st[CODE] < bound else 0
    if bit:
        st[RANGE] = bound
    else:
        st[RANGE] -= bound
        st[CODE] -= bound * (1 - st[WRITING])
        st[LOW] += bound * st[WRITING]
    if st[RANGE] < TOP:
        _renormalise(st, buf)
    return bit


@njit
def code_raw(st, buf, bit):
    """One bit of probability 1/2."""
    half = st[RANGE] >> 1
    st[RANGE] = half
    if st[WRITING]:
        st[LOW] += half * bit
    else:
        bit = 1 if st[CODE] >= half else 0
        st[CODE] -= half * bit
    if half < TOP:
        _renormalise(st, buf)
    return bit


@njit
def _learn(counters, i, both, bit):
    """Counter i holds p << 8 | n (one word, one cache line); `both` is its value before."""
    n, p = both & 255, both >> 8
    target = 65535 if bit else 0
    p += ((target - p) * RATE[n]) >> 16
    counters[i] = (p << 8) | min(n + 1, 255)


@njit
def code_bit(st, buf, counters, i, bit):
    """A simple bit: one counter."""
    both = np.int64(counters[i])
    bit = _code(st, buf, min(max(both >> 12, 1), 4095), bit)
    _learn(counters, i, both, bit)
    return bit


@njit
def code_mixed(st, buf, counters, weight, i0, i1, i2, i3, w, bit):
    """A mixed bit: counters i0..i3 (indices), weights w..w+3."""
    b0, b1, b2, b3 = (
        np.int64(counters[i0]),
        np.int64(counters[i1]),
        np.int64(counters[i2]),
        np.int64(counters[i3]),
    )
    s0, s1 = np.int64(STRETCH[b0 >> 12]), np.int64(STRETCH[b1 >> 12])
    s2, s3 = np.int64(STRETCH[b2 >> 12]), np.int64(STRETCH[b3 >> 12])
    dot = s0 * weight[w] + s1 * weight[w + 1] + s2 * weight[w + 2] + s3 * weight[w + 3]
    x = min(max(dot >> 16, -2047), 2047)
    p = min(max(np.int64(SQUASH[x + 2048]), 1), 4095)
    bit = _code(st, buf, p, bit)
    e = ((bit << 12) - p) * 3
    weight[w] = min(max(weight[w] + ((s0 * e + 4096) >> 13), -WEIGHT_LIMIT), WEIGHT_LIMIT)
    weight[w + 1] = min(max(weight[w + 1] + ((s1 * e + 4096) >> 13), -WEIGHT_LIMIT), WEIGHT_LIMIT)
    weight[w + 2] = min(max(weight[w + 2] + ((s2 * e + 4096) >> 13), -WEIGHT_LIMIT), WEIGHT_LIMIT)
    weight[w + 3] = min(max(weight[w + 3] + ((s3 * e + 4096) >> 13), -WEIGHT_LIMIT), WEIGHT_LIMIT)
    _learn(counters, i0, b0, bit)
    _learn(counters, i1, b1, bit)
    _learn(counters, i2, b2, bit)
    _learn(counters, i3, b3, bit)
    return bit


@njit
def _code_large(st, buf, counters, base, m):
    """Exp-Golomb of m - 14 >= 1 beyond the unary part; returns m."""
    r = m - 14
    bits = 0
    if st[WRITING]:
        while (r >> (bits + 1)) > 0:
            bits += 1
    e = 0
    while code_bit(st, buf, counters, base + EXP + min(e, 31), 1 if e < bits else 0):
        e += 1
        if e > 20:
            st[ERROR] = ERR_BAD
            return 15
    out = 1
    for i in range(e - 1, -1, -1):
        bit = (r >> i) & 1
        if i >= e - 2:
            bit = code_bit(st, buf, counters, base + MANT + i, bit)
        else:
            bit = code_raw(st, buf, bit)
        out = 2 * out + bit
    return out + 14


@njit
def code_value(st, buf, counters, weight, index, c0, c1, c2, c3, g0, g1, g2, g3, signed, nonzero, value):
    """A value (SPEC.md 5.4) of set `index` under contexts c and sign contexts g; returns it."""
    base, wsign = index * SET_SIZE, index * SET_WEIGHTS
    wbase = wsign + 4 + 60 * min(3, (c0 + 4) >> 3)
    a = -value if value < 0 else value
    if not nonzero:
        z = base + ZERO
        some = code_mixed(
            st, buf, counters, weight, z + c0, z + FAMILY + c1, z + 2 * FAMILY + c2, z + 3 * FAMILY + c3, wbase,
            1 if a > 0 else 0,
        )  # fmt: skip
        if some == 0:
            return 0
    m = 1
    u0 = base + UNARY + c0 * 14
    u1 = base + UNARY + (FAMILY + c1) * 14
    u2 = base + UNARY + (2 * FAMILY + c2) * 14
    u3 = base + UNARY + (3 * FAMILY + c3) * 14
    for u in range(14):
        more = code_mixed(
            st, buf, counters, weight, u0 + u, u1 + u, u2 + u, u3 + u, wbase + 4 + 4 * u, 1 if a > m else 0
        )
        if more == 0:
            break
        m += 1
    if m == 15:
        m = _code_large(st, buf, counters, base, a)
    if not signed:
        return m
    g = base + SIGN
    negative = code_mixed(
        st,
        buf,
        counters,
        weight,
        g + g0,
        g + 16 + g1,
        g + 32 + g2,
        g + 48 + g3,
        wsign,
        1 if value < 0 else 0,
    )
    return -m if negative else m


@njit
def quantise(x):
    """Q of SPEC.md 5.4: a magnitude x >= 0 in half octaves, 0..15."""
    return np.int64(HALF_OCTAVES[min(x, HALF_OCTAVES.shape[0] - 1)])


@njit
def sgn3(x):
    """0, 1, 2 for negative, zero, positive."""
    return 1 + (1 if x > 0 else 0) - (1 if x < 0 else 0)


@njit
def _flush(st, buf):
    for _ in range(5):
        _shift_low(st, buf)


class Coder:
    """One range-coded section with its contexts. `data` given: reads; else writes into a buffer of `capacity`."""

    def __init__(self, counters: int, weights: int, *, data: bytes | None = None, capacity: int = 0) -> None:
        self.state = np.zeros(8, np.int64)
        self.state[RANGE] = MASK32
        self.counters = np.full(counters, 32768 << 8, np.uint32)
        self.weight = np.full(weights, WEIGHT_START, np.int64)
        self.writing = data is None
        self.state[WRITING] = self.writing
        if data is None:
            self.buf = np.zeros(capacity, np.uint8)
            self.state[PENDING], self.state[POS] = 1, -1
            return
        self.buf = np.frombuffer(bytearray(data), np.uint8)  # writable: one kernel serves both directions
        if len(data) < 4:
            raise Truncated("range-coded section shorter than four bytes", length=len(data))
        self.state[CODE], self.state[POS] = int.from_bytes(data[:4], "big"), 4

    @property
    def args(self) -> tuple[np.ndarray, ...]:
        """What the kernels take first: state, buffer, counters, weights."""
        return self.state, self.buf, self.counters, self.weight

    @property
    def written(self) -> int:
        """Bytes so far, about."""
        return int(self.state[POS] + self.state[PENDING])

    def check(self, section: str) -> None:
        """Raise what the kernels noted."""
        error = int(self.state[ERROR])
        if error == ERR_TRUNCATED:
            raise Truncated("section ends too early", section=section)
        if error == ERR_BAD:
            raise BadInput("value out of range", section=section)
        if error == ERR_FULL:
            raise AssertionError(f"{section}: output buffer too small")

    def finish(self) -> bytes:
        """The bytes written."""
        _flush(self.state, self.buf)
        self.check("output")
        return self.buf[: self.state[POS]].tobytes()


def sets(n: int) -> tuple[int, int]:
    """Counters and weights that n sets take."""
    return n * SET_SIZE, n * SET_WEIGHTS
