"""Levels to luma pictures and back on the GPU (cuda/pack.cu), bit for bit as `atlas` does on the CPU."""

from __future__ import annotations

import ctypes
from ctypes import c_int32, c_int64

import numpy as np

from gscodec.base import cuda
from gscodec.codec.payloads.atlas import GUARD_ROWS, LEVEL_MAX, LEVEL_MIN, LEVEL_ZERO, Atlas

__all__ = ["pack_on_gpu", "unpack_on_gpu"]


class _Atlas(ctypes.Structure):
    _fields_ = [("slots", c_int64)] + [
        (name, c_int32) for name in ("width", "height", "cols", "rows", "guard", "pictures")
    ]


def _run(function: str, atlas: Atlas, source: np.ndarray, out: np.ndarray, times: np.ndarray | None) -> None:
    tiles = atlas.tiles()
    place = _Atlas(atlas.slots, atlas.width, atlas.height, atlas.cols, atlas.rows, GUARD_ROWS, atlas.pictures)
    cuda.call(
        cuda.load("pack"), function, ctypes.byref(place), np.array([LEVEL_MIN, LEVEL_ZERO, LEVEL_MAX], np.int32),
        c_int64(len(tiles)), tiles, source, out, times,
    )  # fmt: skip


def pack_on_gpu(wanted: np.ndarray, atlas: Atlas, times: np.ndarray | None = None) -> np.ndarray:
    """As `pack_levels`. times: None, or float32 (2,) filled with milliseconds of the pass and of a copy as large."""
    width, height = atlas.size
    out = np.empty((atlas.pictures, height, width), np.uint8)
    _run("gs_pack", atlas, np.ascontiguousarray(wanted, np.float64), out, times)
    return out


def unpack_on_gpu(pictures: np.ndarray, atlas: Atlas, times: np.ndarray | None = None) -> np.ndarray:
    """As `unpack_levels` for the layout that is implied; times as in `pack_on_gpu`."""
    out = np.empty((len(atlas.video), atlas.slots), np.int64)
    _run("gs_unpack", atlas, np.ascontiguousarray(pictures), out, times)
    return out
