"""The passes of the self-organising sort on the GPU (cuda/sort.cu), bit for bit as on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_int64, c_uint64

import numpy as np
import numpy.typing as npt

from gscodec.base import cuda

__all__ = ["swap_on_gpu"]


def swap_on_gpu(
    grid: npt.NDArray[np.float32],
    slot: npt.NDArray[np.int64],
    mask: npt.NDArray[np.float32],
    steps: Sequence[tuple[int, int]],
    rounds: int,
    state: npt.NDArray[np.uint64],
    orders: npt.NDArray[np.int64],
) -> None:
    """Rearrange slot (H * W,) in place by the features grid (H, W, F); mask (H, W, 1): 1 where a slot lies.

    steps: blur radius and window of each radius; state (1,): the seed; orders (24, 4). Raises MissingDependency
    without a GPU or nvcc, GscodecError where the GPU fails.
    """
    height, width, features = grid.shape
    filled = np.zeros((height + 1, width + 1), np.int64)
    filled[1:, 1:] = mask[:, :, 0].astype(np.int64).cumsum(0).cumsum(1)
    cuda.call(
        cuda.load("sort"), "gs_sort", c_int64(width), c_int64(height), c_int64(features), mask, filled,
        c_int64(len(steps)), np.array(steps, np.int64), c_int64(rounds), c_uint64(int(state[0])),
        orders.astype(np.int8), grid, slot,
    )  # fmt: skip
