"""Gaussians as samples (Kheradmand et al. 2024, "3D Gaussian Splatting as Markov Chain Monte Carlo"): dead ones are moved
onto opaque ones so that the picture stays, and faint ones walk at random until they find something to show.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch

from gscodec.train.gaussians import NAMES, Gaussians, turned

__all__ = ["DEAD", "GONE", "grow", "make_room", "relocate", "shared_opacity", "shared_scale", "take", "walk"]

PER_SLOT = (*NAMES, "masks")  # groups of the optimiser whose tensors have a row a Gaussian
DEAD = 0.005  # opacity under which a Gaussian is moved (the paper's)
GONE = math.log(DEAD / 10)  # logit of one that is to be moved
MOST = 51  # Gaussians at one place: more make no difference
OPAQUE = 1 - 1e-4  # nearer to 1 the sums of eq. 9 cancel to nothing in float64
STEEP, FAINT = 100.0, 0.995  # only what lets 0.995 of the light through walks
WALK = 5e4  # of the position rate; the paper's 5e5 goes with rates ten times smaller


def shared_opacity(opacity: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """Opacity of each of `count` coincident Gaussians that together let through what one of `opacity` does (eq. 9)."""
    return 1 - (1 - opacity) ** (1 / count)


@cache
def _terms(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Factors and powers of the double sum of eq. 9, by k: sum over i of C(i-1, k), (-1)^k / sqrt(k+1)."""
    k = np.arange(count)
    choose = np.array([sum(math.comb(i, int(n)) for i in range(int(n), count)) for n in k], np.float64)
    factor = choose * (-1.0) ** k / np.sqrt(k + 1)
    return torch.from_numpy(factor), torch.from_numpy(k + 1)


def shared_scale(opacity: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """The factor on the scales that keeps a line through the middle of `count` Gaussians as opaque as it was (eq. 9)."""
    out = torch.ones_like(opacity, dtype=torch.float64)
    new = shared_opacity(opacity.double(), count.double())
    for n in torch.unique(count).tolist():
        if n > 1:
            rows = count == n
            factor, power = _terms(int(n))
            total = (factor.to(new.device) * new[rows, None] ** power.to(new.device)).sum(1)
            out[rows] = opacity[rows].double() / total
    return out.to(opacity.dtype)


def relocate(gaussians: Gaussians, adam: torch.optim.Adam, generator: torch.Generator) -> int:
    """Move dead Gaussians onto others, drawn by opacity; all at one place share opacity and scale. Returns how many.

    `adam` has a group for every tensor that has a row a Gaussian.
    """
    with torch.no_grad():
        opacity = torch.sigmoid(gaussians.logits).clamp(max=OPAQUE)
        dead = torch.nonzero(opacity < DEAD)[:, 0]
        if not len(dead) or len(dead) == len(opacity):
            return 0
        weight = torch.where(opacity < DEAD, 0.0, opacity).cpu()
        source = torch.multinomial(weight, len(dead), True, generator=generator).to(dead.device)
        make_room(gaussians, source)
        for group in adam.param_groups:
            if group["name"] in PER_SLOT:
                tensor = group["params"][0]
                tensor[dead] = tensor[source]
                for value in adam.state.get(tensor, {}).values():
                    if value.ndim:
                        value[dead] = value[source] = 0
    return len(dead)


def make_room(gaussians: Gaussians, source: torch.Tensor) -> None:
    """Rows `source` (M,), one several times perhaps, share opacity and scale with M more that will be where they are."""
    opacity = torch.sigmoid(gaussians.logits).clamp(max=OPAQUE)
    count = (1 + torch.bincount(source, minlength=len(opacity))).clamp(max=MOST)
    factor = shared_scale(opacity, count)
    shared = shared_opacity(opacity, count).clamp(min=DEAD)
    crowded = torch.unique(source)
    gaussians.logits[crowded] = torch.logit(shared[crowded])
    gaussians.log_scales[crowded] += torch.log(factor[crowded])[:, None]


def take(leaves: dict[str, torch.Tensor], adam: torch.optim.Adam, rows: torch.Tensor) -> None:
    """Put `rows` (M,) of each leaf with a row a Gaussian in its place, the optimiser's moments with them."""
    for group in adam.param_groups:
        if group["name"] in PER_SLOT:
            old = group["params"][0]
            new = old.detach()[rows].clone().requires_grad_()
            moments = adam.state.pop(old, {})
            if moments:
                adam.state[new] = {k: v[rows].clone() if v.ndim else v for k, v in moments.items()}
            group["params"][0] = leaves[group["name"]] = new


def grow(leaves: dict[str, torch.Tensor], adam: torch.optim.Adam, count: int) -> None:
    """Append `count` dead Gaussians; `relocate` gives them a place."""
    n = len(leaves["logits"])
    rows = torch.cat([torch.arange(n), torch.zeros(count, dtype=torch.int64)]).to(leaves["logits"].device)
    take(leaves, adam, rows)
    with torch.no_grad():
        leaves["logits"][n:] = GONE


def walk(gaussians: Gaussians, rate: float, generator: torch.Generator) -> None:
    """Random steps of the positions along each covariance, of faint Gaussians only (eq. 8).

    No further than one standard deviation: eq. 8 goes with its square, so large ones would fly across the scene.
    """
    with torch.no_grad():
        light = 1 - torch.sigmoid(gaussians.logits)
        size = rate * WALK * torch.sigmoid(STEEP * (light - FAINT))
        rows = torch.nonzero(size > 1e-6 * rate * WALK)[:, 0]
        if not len(rows):
            return
        q = torch.nn.functional.normalize(gaussians.quats[rows], dim=1)
        scale = torch.exp(gaussians.log_scales[rows])
        step = torch.randn(len(rows), 3, generator=generator).to(q.device)
        local = torch.minimum(size[rows, None] * scale**2, scale) * turned(
            q * q.new_tensor([1.0, -1, -1, -1]), step
        )
        gaussians.means[rows] += turned(q, local)
