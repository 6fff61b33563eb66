"""The forward rasteriser: 16 x 16 tiles, front to back, gsplat's thresholds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import prange

from gscodec.base.jit import njit
from gscodec.render.cameras import Camera
from gscodec.render.projection import MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE, TILE, Projection, project
from gscodec.splats.model import Splats

__all__ = ["draw", "rasterize"]

F32 = npt.NDArray[np.float32]


@njit(parallel=True)
def _blend(starts, members, mean, conic, opacity, color, width, height):
    """(H, W, 4) float32: colour over black, alpha. Each tile is drawn by one thread, so repeatable."""
    out = np.zeros((height, width, 4), np.float32)
    tiles_x = (width + TILE - 1) // TILE
    half, one = np.float32(0.5), np.float32(1.0)
    for tile in prange(starts.shape[0] - 1):
        x0, y0 = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
        for y in range(y0, min(y0 + TILE, height)):
            for x in range(x0, min(x0 + TILE, width)):
                px, py = np.float32(x) + half, np.float32(y) + half
                t = one
                r = g = b = np.float32(0.0)
                for k in range(starts[tile], starts[tile + 1]):
                    i = members[k]
                    dx, dy = mean[i, 0] - px, mean[i, 1] - py
                    s = half * (conic[i, 0] * dx * dx + conic[i, 2] * dy * dy) + conic[i, 1] * dx * dy
                    if s < np.float32(0.0):
                        continue
                    alpha = min(np.float32(MAX_ALPHA), opacity[i] * np.exp(-s))
                    if alpha < np.float32(MIN_ALPHA):
                        continue
                    left = t * (one - alpha)
                    if left <= np.float32(MIN_TRANSMITTANCE):
                        break
                    w = alpha * t
                    r += w * color[i, 0]
                    g += w * color[i, 1]
                    b += w * color[i, 2]
                    t = left
                out[y, x, 0], out[y, x, 1], out[y, x, 2], out[y, x, 3] = r, g, b, one - t
    return out


def draw(p: Projection, camera: Camera) -> F32:
    """(H, W, 4) float32 of a projection: premultiplied colour, alpha."""
    f = np.float32
    picture = _blend(
        p.starts, p.members, p.mean.astype(f), p.conic.astype(f), p.opacity.astype(f), p.color.astype(f),
        camera.width, camera.height,
    )  # fmt: skip
    return np.asarray(picture, np.float32)


def rasterize(
    splats: Splats, camera: Camera, *, kernel: str = "classic", background: float = 0.0
) -> tuple[F32, F32]:
    """(rgb (H, W, 3), alpha (H, W)), float32, composited on a grey `background` (0 black, 1 white), not clipped."""
    picture = draw(project(splats, camera, kernel), camera)
    rgb, alpha = picture[..., :3].copy(), picture[..., 3].copy()
    if background:
        rgb += np.float32(background) * (1 - alpha[..., None])
    return rgb, alpha
