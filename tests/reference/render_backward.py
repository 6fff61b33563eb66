"""The rasteriser's gradients once more, by plain loops over tiles: what training's kernels are held to. Formulae: gsplat's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gscodec.base.jit import njit
from gscodec.render.cameras import Camera
from gscodec.render.projection import (
    BLUR,
    EDGE,
    MAX_ALPHA,
    MIN_ALPHA,
    MIN_RHO,
    MIN_TRANSMITTANCE,
    TILE,
    Projection,
    project,
    rotation_matrices,
    sh_basis,
)
from gscodec.render.rasterize import draw
from gscodec.splats.model import Splats

__all__ = ["Gradients", "rasterize_backward"]

F64 = npt.NDArray[np.float64]

DIRECTION_STEP = (
    1e-5  # of the central difference of the SH basis: cubic polynomials, so the error is its square
)


@dataclass(frozen=True, slots=True)
class Gradients:
    """By attribute, shapes as in Splats; scales linear, quaternions as given (not normalised)."""

    means: F64
    quats: F64
    scales: F64
    opacities: F64
    sh: F64


@njit
def _accumulate(starts, members, mean, conic, opacity, color, picture, v_rgb, v_alpha, out):
    """out (N, 9): gradients by mean 2, conic 3, opacity 1, colour 3. Tiles in order, so repeatable."""
    height, width = picture.shape[0], picture.shape[1]
    tiles_x = (width + TILE - 1) // TILE
    for tile in range(starts.shape[0] - 1):
        x0, y0 = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
        for y in range(y0, min(y0 + TILE, height)):
            for x in range(x0, min(x0 + TILE, width)):
                t, r, g, b = 1.0, 0.0, 0.0, 0.0
                vr, vg, vb = v_rgb[y, x, 0], v_rgb[y, x, 1], v_rgb[y, x, 2]
                for k in range(starts[tile], starts[tile + 1]):
                    i = members[k]
                    dx, dy = mean[i, 0] - (x + 0.5), mean[i, 1] - (y + 0.5)
                    s = 0.5 * (conic[i, 0] * dx * dx + conic[i, 2] * dy * dy) + conic[i, 1] * dx * dy
                    if s < 0:
                        continue
                    free = opacity[i] * np.exp(-s)
                    alpha = min(MAX_ALPHA, free)
                    if alpha < MIN_ALPHA:
                        continue
                    left = t * (1 - alpha)
                    if left <= MIN_TRANSMITTANCE:
                        break
                    w = alpha * t
                    r, g, b = r + w * color[i, 0], g + w * color[i, 1], b + w * color[i, 2]
                    out[i, 6] += w * vr
                    out[i, 7] += w * vg
                    out[i, 8] += w * vb
                    if free <= MAX_ALPHA:
                        rest = 1.0 / (1 - alpha)
                        va = vr * (t * color[i, 0] - (picture[y, x, 0] - r) * rest)
                        va += vg * (t * color[i, 1] - (picture[y, x, 1] - g) * rest)
                        va += vb * (t * color[i, 2] - (picture[y, x, 2] - b) * rest)
                        va += v_alpha[y, x] * (1.0 - picture[y, x, 3]) * rest
                        vs = -alpha * va
                        out[i, 0] += vs * (conic[i, 0] * dx + conic[i, 1] * dy)
                        out[i, 1] += vs * (conic[i, 1] * dx + conic[i, 2] * dy)
                        out[i, 2] += vs * 0.5 * dx * dx
                        out[i, 3] += vs * dx * dy
                        out[i, 4] += vs * 0.5 * dy * dy
                        out[i, 5] += va * alpha / opacity[i]
                    t = left


def rasterize_backward(
    splats: Splats, camera: Camera, v_rgb: F64, v_alpha: F64, *, kernel: str = "classic"
) -> Gradients:
    """Gradients of a loss with derivatives v_rgb (H, W, 3) by the colour over black and v_alpha (H, W) by alpha."""
    p = project(splats, camera, kernel)
    picture = draw(p, camera).astype(np.float64)
    v = np.zeros((len(splats), 9))
    _accumulate(
        p.starts, p.members, p.mean, p.conic, p.opacity, p.color, picture, v_rgb.astype(np.float64),
        v_alpha.astype(np.float64), v,
    )  # fmt: skip
    v_cov = _conic_to_covariance(p, v[:, 2:5])
    v_opacity = v[:, 5] * p.rho
    if kernel == "compensated":
        v_cov += _compensation(p, v[:, 5] * splats.opacities)
    v_point, v_shape = _covariance_to_shape(splats, camera, p, v[:, :2], v_cov)
    v_means, v_sh = _color(splats, camera, p, v[:, 6:])
    quats, scales = _shape_to_parameters(splats, v_shape)
    return Gradients(v_means + v_point @ camera.R, quats, scales, v_opacity, v_sh)


def _conic_to_covariance(p: Projection, v: F64) -> F64:
    """(N, 2, 2): -K V K. The off-diagonal is one scalar, so half of its gradient stands at each place."""
    k = np.stack([p.conic[:, [0, 1]], p.conic[:, [1, 2]]], axis=1)
    g = np.stack([np.stack([v[:, 0], v[:, 1] / 2], 1), np.stack([v[:, 1] / 2, v[:, 2]], 1)], axis=1)
    return np.asarray(-k @ g @ k)


def _compensation(p: Projection, v_rho: F64) -> F64:
    """(N, 2, 2) through rho = sqrt(det before / det after): rho / 2 (K before - K after); none at rho's floor."""
    xx, xy, yy = p.cov.T
    before = (xx - BLUR) * (yy - BLUR) - xy * xy
    safe = np.where(p.rho > MIN_RHO, before, 1.0)
    inverse = (
        np.stack([np.stack([yy - BLUR, -xy], 1), np.stack([-xy, xx - BLUR], 1)], axis=1) / safe[:, None, None]
    )
    after = np.stack([p.conic[:, [0, 1]], p.conic[:, [1, 2]]], axis=1)
    factor = np.where(p.rho > MIN_RHO, 0.5 * p.rho * v_rho, 0.0)
    return np.asarray(factor[:, None, None] * (inverse - after))


def _covariance_to_shape(
    splats: Splats, camera: Camera, p: Projection, v_mean: F64, v_cov: F64
) -> tuple[F64, F64]:
    """(gradient by the camera-space point (N, 3), by the shape matrix R S (N, 3, 3))."""
    points = splats.means.astype(np.float64) @ camera.R.T + camera.t
    z = np.where(p.depth > 0, points[:, 2], 1.0)
    shape = rotation_matrices(splats.quats) * splats.scales.astype(np.float64)[:, None, :]
    world = camera.R @ shape
    flat = p.jacobian @ world
    v_flat = 2 * v_cov @ flat
    v_jacobian = v_flat @ np.swapaxes(world, 1, 2)
    v_shape = camera.R.T @ np.swapaxes(p.jacobian, 1, 2) @ v_flat
    v = np.zeros_like(points)
    for a, (f, c, side) in enumerate(
        ((camera.fx, camera.cx, camera.width), (camera.fy, camera.cy, camera.height))
    ):
        margin = EDGE * side / f
        slope = points[:, a] / z
        held = (slope < -(c / f + margin)) | (slope > (side - c) / f + margin)
        t = z * np.clip(slope, -(c / f + margin), (side - c) / f + margin)
        v[:, a] += v_mean[:, a] * f / z - np.where(held, 0.0, f / z**2) * v_jacobian[:, a, 2]
        v[:, 2] += -v_mean[:, a] * f * points[:, a] / z**2 - v_jacobian[:, a, a] * f / z**2
        v[:, 2] += np.where(held, 1.0, 2.0) * f * t / z**3 * v_jacobian[:, a, 2]
    v[~p.visible] = 0.0
    v_shape[~p.visible] = 0.0
    return v, v_shape


def _shape_to_parameters(splats: Splats, v_shape: F64) -> tuple[F64, F64]:
    """(by quaternions (N, 4), by scales (N, 3)) from the gradient by R S."""
    raw = splats.quats.astype(np.float64)
    norm = np.linalg.norm(raw, axis=1, keepdims=True)
    w, x, y, z = (raw / norm).T
    v_scales = (rotation_matrices(splats.quats) * v_shape).sum(axis=1)
    g = v_shape * splats.scales.astype(np.float64)[:, None, :]
    v = np.stack(
        [
            2
            * (z * (g[:, 1, 0] - g[:, 0, 1]) + y * (g[:, 0, 2] - g[:, 2, 0]) + x * (g[:, 2, 1] - g[:, 1, 2])),
            2
            * (y * (g[:, 0, 1] + g[:, 1, 0]) + z * (g[:, 0, 2] + g[:, 2, 0]) + w * (g[:, 2, 1] - g[:, 1, 2]))
            - 4 * x * (g[:, 1, 1] + g[:, 2, 2]),
            2
            * (x * (g[:, 0, 1] + g[:, 1, 0]) + z * (g[:, 1, 2] + g[:, 2, 1]) + w * (g[:, 0, 2] - g[:, 2, 0]))
            - 4 * y * (g[:, 0, 0] + g[:, 2, 2]),
            2
            * (x * (g[:, 0, 2] + g[:, 2, 0]) + y * (g[:, 1, 2] + g[:, 2, 1]) + w * (g[:, 1, 0] - g[:, 0, 1]))
            - 4 * z * (g[:, 0, 0] + g[:, 1, 1]),
        ],
        axis=1,
    )
    unit = raw / norm
    return (v - (v * unit).sum(axis=1, keepdims=True) * unit) / norm, v_scales


def _color(splats: Splats, camera: Camera, p: Projection, v_color: F64) -> tuple[F64, F64]:
    """(by means through the viewing direction (N, 3), by SH (N, K, 3)); none where the colour was clamped at 0."""
    v = np.where(p.color > 0, v_color, 0.0)
    v_sh = p.basis[:, :, None] * v[:, None, :]
    way = splats.means.astype(np.float64) - camera.centre
    length = np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-12)
    d = way / length
    by_basis = np.einsum("nkc,nc->nk", splats.sh.astype(np.float64), v)
    v_d = np.zeros_like(d)
    for a in range(3):
        step = np.zeros(3)
        step[a] = DIRECTION_STEP
        change = (sh_basis(d + step, p.basis.shape[1]) - sh_basis(d - step, p.basis.shape[1])) / (
            2 * DIRECTION_STEP
        )
        v_d[:, a] = (by_basis * change).sum(axis=1)
    return (v_d - (v_d * d).sum(axis=1, keepdims=True) * d) / length, v_sh
