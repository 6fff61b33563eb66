"""Where places lie in a plane, and values of slots on it and back (SPEC.md 5.9).

A *place* is a number 0..N-1; a place has a cell of the plane. Which slot sits at which place is a
permutation: the identity for an implied layout, the self-organised one otherwise. Cells without a place are
padding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gscodec.base.errors import Misuse
from gscodec.grid.morton import morton_decode2

__all__ = ["BLOCK", "GridLayout", "check_places", "from_plane", "grid_layout", "to_plane"]

BLOCK = 16  # cells a side: a macroblock of H.264

I64 = npt.NDArray[np.int64]
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class GridLayout:
    """The plane for a number of slots; blocks of 16 x 16 in snake rows, Z-order inside a block."""

    slots: int
    width: int  # cells, a multiple of 16
    height: int
    cells: I64  # (N,) raster index y * width + x of each place

    def mask(self) -> npt.NDArray[np.bool_]:
        """(height, width): True where a place lies, False on padding."""
        out = np.zeros(self.height * self.width, dtype=np.bool_)
        out[self.cells] = True
        return out.reshape(self.height, self.width)


@lru_cache(maxsize=8)
def grid_layout(slots: int) -> GridLayout:
    """The layout of `slots` >= 0 slots; its arrays are shared and read-only."""
    width = BLOCK * max(1, math.ceil(math.ceil(math.sqrt(slots)) / BLOCK))
    columns = width // BLOCK
    height = BLOCK * max(1, math.ceil(math.ceil(slots / BLOCK**2) / columns))
    place = np.arange(slots, dtype=np.int64)
    row, column = np.divmod(place >> 8, columns)
    column = np.where(row & 1, columns - 1 - column, column)  # snake: consecutive blocks touch
    x, y = morton_decode2(place & 255)
    cells = (row * BLOCK + y) * width + column * BLOCK + x
    cells.flags.writeable = False
    return GridLayout(slots, width, height, cells)


def check_places(places: npt.ArrayLike, slots: int) -> I64:
    """The places as int64 (N,); Misuse where they are no permutation of 0..N-1."""
    out = np.asarray(places, dtype=np.int64)
    if out.shape != (slots,) or not np.array_equal(np.sort(out), np.arange(slots)):
        raise Misuse("places are not a permutation of the slots", slots=slots, shape=out.shape)
    return out


def to_plane(values: Array, places: I64 | None = None, fill: float = 0) -> Array:
    """Values of slots (N, ...) as a plane (H, W, ...) of the same dtype; padding holds `fill`.

    places: int64 (N,) place of each slot; None for the implied layout (slot i at place i).
    """
    layout = grid_layout(values.shape[0])
    cells = layout.cells if places is None else layout.cells[places]
    plane = np.full((layout.height * layout.width, *values.shape[1:]), fill, dtype=values.dtype)
    plane[cells] = values
    return plane.reshape(layout.height, layout.width, *values.shape[1:])


def from_plane(plane: Array, slots: int, places: I64 | None = None) -> Array:
    """The inverse of `to_plane`: values of slots (N, ...) from a plane (H, W, ...); padding is left out."""
    layout = grid_layout(slots)
    if plane.shape[:2] != (layout.height, layout.width):
        raise Misuse("plane does not fit the slots", slots=slots, plane=plane.shape[:2])
    cells = layout.cells if places is None else layout.cells[places]
    return plane.reshape(layout.height * layout.width, *plane.shape[2:])[cells]
