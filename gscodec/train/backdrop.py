"""What lies beyond the training views' edges: a coarse shell behind everything, so that a viewer's sky has no holes."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial import cKDTree

from gscodec.train.captures.model import Capture
from gscodec.train.captures.seeds import seen_colors
from gscodec.train.gaussians import Gaussians, from_colours
from gscodec.train.prune import contribution

__all__ = ["hang_backdrop"]

F64 = npt.NDArray[np.float64]

PLACES = 1500  # on the whole sphere: 5 degrees apart
BEHIND = 1.1  # of the distance of nearly all Gaussians from the middle
AROUND = math.radians(30)  # beyond what some view shows, that far a shell is hung
MOST = 0.05  # of the slots
WIDTH, OPACITY = 0.7, 0.98  # of the places' distance; nearly solid
NEAR = 6  # shown places that lend their colour
LEVEL = 4.0  # a difference of height counts as so much more: skies and horizons lie in layers


def hang_backdrop(gaussians: Gaussians, capture: Capture, frame: int, kernel: str) -> Gaussians:
    """The same number of Gaussians: those that contribute least make room for the shell.

    Only directions that no training view shows, near ones that some does, with colours from there.
    """
    reach = float(np.percentile(np.linalg.norm(gaussians.means.detach().cpu().numpy(), axis=1), 99))
    ways = _sphere(PLACES)
    places = BEHIND * max(1.0, reach) * ways
    colors, shown = seen_colors(capture, places, frame)
    if shown.all() or not shown.any():
        return gaussians
    away = np.asarray(cKDTree(ways[shown]).query(ways[~shown])[0])
    wanted = np.flatnonzero(away < 2 * math.sin(AROUND / 2))
    wanted = wanted[np.argsort(away[wanted], kind="stable")][: int(MOST * len(gaussians.means))]
    if not len(wanted):
        return gaussians
    lent = _lent(ways[shown], colors[shown], ways[~shown][wanted], np.array(capture.up))
    spacing = math.sqrt(4 * math.pi / PLACES) * BEHIND * max(1.0, reach)
    size = np.full(len(wanted), WIDTH * spacing)
    shell = from_colours(
        places[~shown][wanted], lent, size, OPACITY, gaussians.sh.shape[1], gaussians.means.device
    )
    light = contribution(gaussians, capture, frame, kernel)
    rows = torch.sort(light, stable=True).indices[: len(wanted)]
    out = gaussians.fixed()
    for name, tensor in out.tensors().items():
        tensor[rows] = getattr(shell, name)
    return out


def _lent(ways: F64, colors: npt.NDArray[np.uint8], wanted: F64, up: F64) -> F64:
    """(M, 3) colours for unit vectors `wanted` from those of `ways` around, of the same height above all."""
    stretched, asked = (w + (LEVEL - 1) * (w @ up)[:, None] * up for w in (ways, wanted))
    away, near = cKDTree(stretched).query(asked, k=min(NEAR, len(ways)))
    away, near = (np.asarray(a).reshape(len(wanted), -1) for a in (away, near))
    weight = 1 / np.maximum(away, 1e-6)
    return np.asarray((colors[near] * weight[..., None]).sum(1) / weight.sum(1, keepdims=True))


def _sphere(count: int) -> F64:
    """(N, 3) unit vectors, evenly spread (golden spiral)."""
    k = np.arange(count) + 0.5
    z, turn = 1 - 2 * k / count, math.pi * (1 + math.sqrt(5)) * k
    flat = np.sqrt(1 - z * z)
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), z], axis=1)
