"""Series over time: the DCT, and how nodes' motion is told from other nodes' (SEGMENT.md 5.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gscodec.codec.segment import Model

if TYPE_CHECKING:
    from gscodec.codec.planes import Planes

__all__ = ["carried", "cosines", "dct", "nearest_earlier", "node_series", "part_units"]


def cosines(model: Model, count: int) -> np.ndarray:
    """(count, T): the DCT basis of a group. The base is the mean, unless it is another segment's."""
    first = 0 if model.shared else 1
    return dct(model.frames)[first : first + count]


def nearest_earlier(places: np.ndarray) -> np.ndarray:
    """(K,) int64: of each node at places (K, 3) the nearest one before it, ties: the lowest number; 0 for the first."""
    apart = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    apart[np.triu_indices(len(places))] = np.iinfo(np.int64).max
    return np.asarray(apart.argmin(axis=1)) if len(places) else np.zeros(0, np.int64)


def carried(planes: Planes, near: int, node: int) -> np.ndarray:
    """(12, T): the motion of node `near` at the place of `node`, which is told relative to it."""
    arm = (planes.places[node] - planes.places[near]) * planes.model.base_unit[:3].astype(np.float64)
    out = planes.part_series[near].copy()
    out[3::4] += np.einsum("abk,b->ak", out.reshape(3, 4, -1)[:, :3], arm)
    return out


def node_series(planes: Planes, earlier: np.ndarray) -> np.ndarray:
    """(K, 12, T) DCT coefficients of the nodes' motion."""
    planes.part_series = planes.node_steps * part_units(planes.model)
    for k in range(1, planes.model.parts):
        planes.part_series[k] += carried(planes, earlier[k], k)
    return planes.part_series


def part_units(model: Model) -> np.ndarray:
    """(12, 1) units of the entries of M | b, row by row."""
    linear, translation = model.part_unit
    return np.array([*[linear] * 3, translation] * 3)[:, None]


def dct(t: int) -> np.ndarray:
    """(T, T) orthonormal DCT-II, row k."""
    k, i = np.mgrid[0:t, 0:t]
    d = np.sqrt(2.0 / t) * np.cos(np.pi * (2 * i + 1) * k / (2 * t))
    d[0] = 1 / np.sqrt(t)
    return np.asarray(d, dtype=np.float64)
