"""What a picture would lose without each Gaussian, from all around: who is hidden from everywhere is not worth bytes.

A pixel's colour is linear in each Gaussian's alpha, so the squared error of leaving one out is exactly
(alpha dC/dalpha)^2, but for what the transmittance cut hides (MIN_TRANSMITTANCE).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gscodec.base.jit import njit
from gscodec.base.threads import ahead, processors
from gscodec.render.cameras import Camera, look_at
from gscodec.render.moments import slope_by_alpha
from gscodec.render.projection import MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE, TILE, project
from gscodec.render.rasterize import draw
from gscodec.render.sensitivity import FIELD_OF_VIEW
from gscodec.render.views import orbit
from gscodec.splats.model import Splats

__all__ = ["all_round_cameras", "losses_without"]

F64 = npt.NDArray[np.float64]

GOLDEN = 0.6180339887
DISTANCES = (1.2, 2.2, 1.7)  # in radii
STEEP = 0.95  # sine of the elevation from which on a camera's own up is not the scene's


@njit
def _accumulate(starts, members, mean, conic, opacity, color, picture, out):
    """Add to out (N,) each Gaussian's squared error where it is left out, over the pixels of one picture."""
    height, width = picture.shape[0], picture.shape[1]
    tiles_x = (width + TILE - 1) // TILE
    for tile in range(starts.shape[0] - 1):
        x0, y0 = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
        for y in range(y0, min(y0 + TILE, height)):
            for x in range(x0, min(x0 + TILE, width)):
                t, r, g, b = 1.0, 0.0, 0.0, 0.0
                for k in range(starts[tile], starts[tile + 1]):
                    i = members[k]
                    dx, dy = mean[i, 0] - (x + 0.5), mean[i, 1] - (y + 0.5)
                    s = 0.5 * (conic[i, 0] * dx * dx + conic[i, 2] * dy * dy) + conic[i, 1] * dx * dy
                    if s < 0:
                        continue
                    alpha = min(MAX_ALPHA, opacity[i] * np.exp(-s))
                    if alpha < MIN_ALPHA:
                        continue
                    left = t * (1 - alpha)
                    if left <= MIN_TRANSMITTANCE:
                        break
                    w = alpha * t
                    r, g, b = r + w * color[i, 0], g + w * color[i, 1], b + w * color[i, 2]
                    end = picture[y, x]
                    slope = slope_by_alpha(t, color[i], r, g, b, end[0], end[1], end[2], 1.0 - end[3], alpha)
                    out[i] += alpha * alpha * slope
                    t = left


def losses_without(splats: Splats, cameras: list[Camera], *, kernel: str) -> F64:
    """(N,) squared error, summed over pixels and RGB, mean over black and white, of the camera that would miss each
    Gaussian most. In the units of Sensitivity."""
    out = np.zeros(len(splats))
    for one in ahead(lambda camera: _losses_in(splats, camera, kernel), cameras, processors()):
        np.maximum(out, one, out=out)
    return out


def _losses_in(splats: Splats, camera: Camera, kernel: str) -> F64:
    p = project(splats, camera, kernel)
    picture = draw(p, camera, alone=True).astype(np.float64)
    out = np.zeros(len(splats))
    _accumulate(p.starts, p.members, p.mean, p.conic, p.opacity, p.color, picture, out)
    return out


def all_round_cameras(splats: Splats, *, seed: int, size: int, count: int) -> list[Camera]:
    """`count` cameras spread evenly over the whole sphere about a frame, from below too, near and far."""
    frame, start = orbit(splats), np.random.default_rng(seed).random()
    out = []
    for i in range(count):
        rise = 1 - (2 * i + 1) / count
        direction = frame.direction(2 * np.pi * ((start + i * GOLDEN) % 1), float(np.arcsin(rise)))
        up = frame.up if abs(rise) < STEEP else frame.first
        eye = frame.centre + frame.radius * DISTANCES[i % len(DISTANCES)] * direction
        out.append(look_at(eye, frame.centre, up, FIELD_OF_VIEW, size))
    return out
