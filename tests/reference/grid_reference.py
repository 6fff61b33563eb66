"""The slow twins of gscodec.grid's kernels: plain loops over the definitions, for tests only."""

from __future__ import annotations

from itertools import permutations

import numpy as np


def morton3(x: int, y: int, z: int) -> int:
    """The 3D Morton code, bit by bit."""
    return sum(((v >> bit) & 1) << (3 * bit + axis) for bit in range(21) for axis, v in enumerate((x, y, z)))


def place_to_cell(place: int, slots: int) -> int:
    """Raster index of a place, sentence by sentence as SPEC.md 5.9 has it."""
    side = int(np.ceil(np.sqrt(slots)))
    width = 16 * -(-side // 16)
    blocks_a_row = width // 16
    block, inner = divmod(place, 256)
    row, column = divmod(block, blocks_a_row)
    if row % 2 == 1:
        column = blocks_a_row - 1 - column
    x = sum(((inner >> (2 * bit)) & 1) << bit for bit in range(4))
    y = sum(((inner >> (2 * bit + 1)) & 1) << bit for bit in range(4))
    return (16 * row + y) * width + 16 * column + x


def box_blur(values: np.ndarray, mask: np.ndarray, radius: int) -> np.ndarray:
    """Two means over the window of 2 radius + 1 cells a side, padding left out. (H, W, F), (H, W)."""
    height, width = mask.shape
    for _ in range(2):
        out = np.zeros_like(values, dtype=np.float64)
        for y in range(height):
            for x in range(width):
                window = np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
                if mask[y, x]:
                    out[y, x] = values[window][mask[window]].mean(axis=0)
        values = out
    return values


def best_order(values: np.ndarray, targets: np.ndarray) -> tuple[int, ...]:
    """The order of four values (4, F) that differs least from the targets (4, F); the first of equals."""

    def error(order: tuple[int, ...]) -> float:
        return float(sum(np.square(values[i] - targets[j]).sum() for j, i in enumerate(order)))

    return min(permutations(range(4)), key=error)
