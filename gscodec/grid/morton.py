"""Morton (Z-order) codes: three dimensions for points, two for cells of a block."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["morton_decode2", "morton_order", "spread3"]

BITS = 21  # a coordinate; three of them fill 63 bits

I64 = npt.NDArray[np.int64]

# (shift, mask): each step halves the runs of bits and doubles the gaps between them.
_SPREAD = (
    (32, 0x001F00000000FFFF),
    (16, 0x001F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)
_GATHER = ((1, 0x33333333), (2, 0x0F0F0F0F), (4, 0x00FF00FF), (8, 0x0000FFFF))


def spread3(values: I64) -> I64:
    """Two zero bits between neighbouring bits of each value (int64, 0 .. 2^21 - 1)."""
    out = values & ((1 << BITS) - 1)
    for shift, mask in _SPREAD:
        out = (out | (out << shift)) & mask
    return out


def morton_decode2(codes: I64) -> tuple[I64, I64]:
    """(x, y) of 2D codes (int64, 0 .. 2^32 - 1): x from the even bits, y from the odd ones."""

    def gather(bits: I64) -> I64:
        out = bits & 0x55555555
        for shift, mask in _GATHER:
            out = (out | (out >> shift)) & mask
        return out

    return gather(codes), gather(codes >> 1)


def morton_order(points: npt.ArrayLike) -> I64:
    """Rows of points (N, 3) in Morton order of their bounding cube; ties keep the order of rows. int64 (N,).

    One scale for all axes, so that a step along the curve means the same distance on each.
    """
    p = np.asarray(points, dtype=np.float64)
    if p.shape[0] == 0:
        return np.zeros(0, dtype=np.int64)
    low = p.min(axis=0)
    extent = float((p.max(axis=0) - low).max())
    top = (1 << BITS) - 1
    lattice = np.floor((p - low) * (top / extent if extent > 0 else 0.0)).astype(np.int64)
    lattice = np.clip(lattice, 0, top)
    codes = spread3(lattice[:, 0]) | (spread3(lattice[:, 1]) << 1) | (spread3(lattice[:, 2]) << 2)
    return np.argsort(codes, kind="stable").astype(np.int64)
