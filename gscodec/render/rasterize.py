"""The forward rasteriser: 16 x 16 tiles, front to back, gsplat's thresholds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import prange

from gscodec.base.jit import njit
from gscodec.render.cameras import Camera
from gscodec.render.projection import MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE, TILE, Projection, project
from gscodec.render.spans import reach_of, rows_of, span_of
from gscodec.splats.model import Splats

__all__ = ["draw", "rasterize"]

F32 = npt.NDArray[np.float32]


def _blend(starts, members, mean, conic, opacity, color, width, height):
    """(H, W, 4) float32: colour over black, alpha. Each tile is drawn by one thread, so repeatable."""
    out = np.zeros((height, width, 4), np.float32)
    tiles_x = (width + TILE - 1) // TILE
    half, one = np.float32(0.5), np.float32(1.0)
    for tile in prange(starts.shape[0] - 1):
        x0, y0 = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
        x1, y1 = min(x0 + TILE, width), min(y0 + TILE, height)
        light = np.ones((TILE, TILE), np.float32)  # that gets through so far; 0: no more is looked at
        waiting = (x1 - x0) * (y1 - y0)
        for k in range(starts[tile], starts[tile + 1]):
            if waiting == 0:
                break
            i = members[k]
            mx, my = np.float64(mean[i, 0]), np.float64(mean[i, 1])
            xx, xy, yy = np.float64(conic[i, 0]), np.float64(conic[i, 1]), np.float64(conic[i, 2])
            reach = reach_of(opacity[i])
            first, last = rows_of(my, xx, xy, yy, reach, y0, y1)
            for y in range(first, last):
                dy = mean[i, 1] - (np.float32(y) + half)
                left_x, right_x = span_of(mx, my, xx, xy, yy, reach, y, x0, x1)
                for x in range(left_x, right_x):
                    t = light[y - y0, x - x0]
                    if t == np.float32(0.0):
                        continue
                    dx = mean[i, 0] - (np.float32(x) + half)
                    s = half * (conic[i, 0] * dx * dx + conic[i, 2] * dy * dy) + conic[i, 1] * dx * dy
                    if s < np.float32(0.0):
                        continue
                    alpha = min(np.float32(MAX_ALPHA), opacity[i] * np.exp(-s))
                    if alpha < np.float32(MIN_ALPHA):
                        continue
                    left = t * (one - alpha)
                    if left <= np.float32(MIN_TRANSMITTANCE):
                        out[y, x, 3] = one - t
                        light[y - y0, x - x0] = np.float32(0.0)
                        waiting -= 1
                        continue
                    w = alpha * t
                    out[y, x, 0] += w * color[i, 0]
                    out[y, x, 1] += w * color[i, 1]
                    out[y, x, 2] += w * color[i, 2]
                    light[y - y0, x - x0] = left
        for y in range(y0, y1):
            for x in range(x0, x1):
                if light[y - y0, x - x0] > np.float32(0.0):
                    out[y, x, 3] = one - light[y - y0, x - x0]
    return out


_blend_together, _blend_alone = njit(parallel=True)(_blend), njit(_blend)


def draw(p: Projection, camera: Camera, *, alone: bool = False) -> F32:
    """(H, W, 4) float32 of a projection: premultiplied colour, alpha.

    `alone`: in the caller's thread. numba's own threads must not be entered from two of ours at once.
    """
    f = np.float32
    blend = _blend_alone if alone else _blend_together
    picture = blend(
        p.starts, p.members, p.mean.astype(f), p.conic.astype(f), p.opacity.astype(f), p.color.astype(f),
        camera.width, camera.height,
    )  # fmt: skip
    return np.asarray(picture, np.float32)


def rasterize(
    splats: Splats, camera: Camera, *, kernel: str = "classic", background: float = 0.0, alone: bool = False
) -> tuple[F32, F32]:
    """(rgb (H, W, 3), alpha (H, W)), float32, composited on a grey `background` (0 black, 1 white), not clipped.

    `alone`: see `draw`.
    """
    picture = draw(project(splats, camera, kernel), camera, alone=alone)
    rgb, alpha = picture[..., :3].copy(), picture[..., 3].copy()
    if background:
        rgb += np.float32(background) * (1 - alpha[..., None])
    return rgb, alpha
