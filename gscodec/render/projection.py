"""From Gaussians to ellipses on the picture, and which tiles they touch. Formulae: gsplat's EWA projection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gscodec.base.jit import njit
from gscodec.render.cameras import Camera
from gscodec.splats.model import Splats

__all__ = ["BLUR", "MIN_ALPHA", "NEAR", "TILE", "Projection", "project", "sh_basis"]

F64 = npt.NDArray[np.float64]

TILE = 16
BLUR = 0.3  # pixel^2 added to the projected covariance
NEAR = 0.01
MIN_ALPHA = 1 / 255
MAX_ALPHA = 0.99
MIN_TRANSMITTANCE = 1e-4
EXTENT = 3.33  # standard deviations after which alpha 1 falls to MIN_ALPHA
MIN_RHO = 0.005  # of the compensated kernel
EDGE = 0.15  # of the picture's size: how far outside the Jacobian's point is clamped


@dataclass(frozen=True, slots=True)
class Projection:
    """N Gaussians on one picture (float64), and the depth-sorted list of each tile."""

    visible: npt.NDArray[np.bool_]
    depth: F64  # (N,)
    mean: F64  # (N, 2) pixels
    cov: F64  # (N, 3) xx, xy, yy with BLUR
    conic: F64  # (N, 3) inverse of cov
    opacity: F64  # (N,) with compensation
    rho: F64  # (N,) compensation factor, 1 for the classic kernel
    color: F64  # (N, 3) clamped at 0
    basis: F64  # (N, K) spherical harmonics of the viewing direction
    jacobian: F64  # (N, 2, 3) picture by camera coordinates
    starts: npt.NDArray[np.int64]  # (tiles + 1,)
    members: npt.NDArray[np.int32]  # Gaussians by tile, near ones first


def sh_basis(d: F64, count: int) -> F64:
    """(N, count) real spherical harmonics of unit directions d (N, 3), INRIA's order and signs."""
    x, y, z = d.T
    out = [np.full(len(d), 0.28209479177387814)]
    if count > 1:
        out += [-0.4886025119 * y, 0.4886025119 * z, -0.4886025119 * x]
    if count > 4:
        out += [
            1.0925484306 * x * y,
            -1.0925484306 * y * z,
            0.9461746958 * z * z - 0.3153915652,
            -1.0925484306 * x * z,
            0.5462742153 * (x * x - y * y),
        ]
    if count > 9:
        out += [
            -0.5900435899 * y * (3 * x * x - y * y),
            2.8906114426 * x * y * z,
            y * (0.4570457995 - 2.2852289973 * z * z),
            z * (1.8658816629 * z * z - 1.1195289978),
            x * (0.4570457995 - 2.2852289973 * z * z),
            1.4453057213 * z * (x * x - y * y),
            -0.5900435899 * x * (x * x - 3 * y * y),
        ]
    return np.stack(out, axis=1)


def rotation_matrices(quats: npt.NDArray[np.floating]) -> F64:
    """(N, 3, 3) of wxyz quaternions (normalised here)."""
    q = quats.astype(np.float64)
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


@njit(error_model="numpy")
def _flatten(means, quats, scales, turn, shift, fx, fy, left, right, top, bottom, points, jacobian, cov):
    """Fill points (N, 3) in camera coordinates, jacobian (N, 2, 3), cov (N, 3) xx, xy, yy on the picture, without BLUR.

    The Jacobian's point is clamped to left..right, top..bottom (tangents): far outside it says nothing of the picture.
    """
    for i in range(means.shape[0]):
        for a in range(3):
            points[i, a] = (
                turn[a, 0] * means[i, 0] + turn[a, 1] * means[i, 1] + turn[a, 2] * means[i, 2] + shift[a]
            )
        z = points[i, 2] if points[i, 2] > NEAR else 1.0
        jx, jy = fx / z, fy / z
        jxz = -jx * min(max(points[i, 0] / z, left), right)
        jyz = -jy * min(max(points[i, 1] / z, top), bottom)
        jacobian[i, 0, 0], jacobian[i, 0, 1], jacobian[i, 0, 2] = jx, 0.0, jxz
        jacobian[i, 1, 0], jacobian[i, 1, 1], jacobian[i, 1, 2] = 0.0, jy, jyz
        w, x, y, v = (
            np.float64(quats[i, 0]),
            np.float64(quats[i, 1]),
            np.float64(quats[i, 2]),
            np.float64(quats[i, 3]),
        )
        norm = np.sqrt(w * w + x * x + y * y + v * v)
        w, x, y, v = w / norm, x / norm, y / norm, v / norm
        xx, xy, yy = 0.0, 0.0, 0.0
        for a in range(3):
            if a == 0:
                r0, r1, r2 = 1 - 2 * (y * y + v * v), 2 * (x * y + w * v), 2 * (x * v - w * y)
            elif a == 1:
                r0, r1, r2 = 2 * (x * y - w * v), 1 - 2 * (x * x + v * v), 2 * (y * v + w * x)
            else:
                r0, r1, r2 = 2 * (x * v + w * y), 2 * (y * v - w * x), 1 - 2 * (x * x + y * y)
            c0 = turn[0, 0] * r0 + turn[0, 1] * r1 + turn[0, 2] * r2
            c1 = turn[1, 0] * r0 + turn[1, 1] * r1 + turn[1, 2] * r2
            c2 = turn[2, 0] * r0 + turn[2, 1] * r1 + turn[2, 2] * r2
            flat_x, flat_y = (jx * c0 + jxz * c2) * scales[i, a], (jy * c1 + jyz * c2) * scales[i, a]
            xx, xy, yy = xx + flat_x * flat_x, xy + flat_x * flat_y, yy + flat_y * flat_y
        cov[i, 0], cov[i, 1], cov[i, 2] = xx, xy, yy


def project(splats: Splats, camera: Camera, kernel: str) -> Projection:
    """Project every Gaussian. kernel: `classic`, or `compensated` (opacity times sqrt(det before / det after))."""
    n, means = len(splats), splats.means.astype(np.float64)
    p, j, before = np.empty((n, 3)), np.empty((n, 2, 3)), np.empty((n, 3))
    w, h, fx, fy, cx, cy = camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy
    mx, my = EDGE * w / fx, EDGE * h / fy
    _flatten(
        means, splats.quats, splats.scales.astype(np.float64), camera.R.astype(np.float64), camera.t.astype(np.float64),
        float(fx), float(fy), -(cx / fx + mx), (w - cx) / fx + mx, -(cy / fy + my), (h - cy) / fy + my, p, j, before,
    )  # fmt: skip
    ahead = p[:, 2] > NEAR
    z = np.where(ahead, p[:, 2], 1.0)
    xx, xy, yy = before[:, 0] + BLUR, before[:, 1], before[:, 2] + BLUR
    det = xx * yy - xy * xy
    opacity = splats.opacities.astype(np.float64)
    rho = np.ones_like(opacity)
    if kernel == "compensated":
        det_before = np.maximum(before[:, 0] * before[:, 2] - xy * xy, 0.0)
        rho = np.sqrt(np.maximum(MIN_RHO**2, det_before / np.maximum(det, 1e-30)))
        opacity = opacity * rho
    visible = ahead & (det > 0) & (opacity >= MIN_ALPHA)
    safe = np.where(det > 0, det, 1.0)
    mean = np.stack([fx * p[:, 0] / z + cx, fy * p[:, 1] / z + cy], axis=1)
    way = means - camera.centre
    basis = sh_basis(way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-12), splats.sh.shape[1])
    color = np.maximum(0.0, np.einsum("nk,nkc->nc", basis, splats.sh) + 0.5)
    cov2, conic = np.stack([xx, xy, yy], axis=1), np.stack([yy, -xy, xx], axis=1) / safe[:, None]
    order = np.argsort(p[:, 2].astype(np.float32), kind="stable")
    starts, members = _tiles(order, visible, mean, cov2, opacity, w, h)
    return Projection(visible, p[:, 2], mean, cov2, conic, opacity, rho, color, basis, j, starts, members)


@njit
def _box(mean, cov, opacity, tiles_x, tiles_y):
    """Tiles that a Gaussian's rectangle touches: x0, x1, y0, y1."""
    extent = min(EXTENT, np.sqrt(2 * np.log(255 * opacity)))
    rx, ry = np.ceil(extent * np.sqrt(cov[0])), np.ceil(extent * np.sqrt(cov[2]))
    x0 = max(0, int(np.floor(max(mean[0] - rx, -1e6) / TILE)))
    x1 = min(tiles_x, int(np.floor(min(mean[0] + rx, 1e6) / TILE)) + 1)
    y0 = max(0, int(np.floor(max(mean[1] - ry, -1e6) / TILE)))
    y1 = min(tiles_y, int(np.floor(min(mean[1] + ry, 1e6) / TILE)) + 1)
    return x0, x1, y0, y1


@njit
def _tiles(order, visible, mean, cov, opacity, width, height):
    """Counting sort of Gaussians by tile; inside a tile the order of depth stays."""
    tiles_x, tiles_y = (width + TILE - 1) // TILE, (height + TILE - 1) // TILE
    starts = np.zeros(tiles_x * tiles_y + 1, np.int64)
    for i in range(visible.shape[0]):
        if visible[i]:
            x0, x1, y0, y1 = _box(mean[i], cov[i], opacity[i], tiles_x, tiles_y)
            for y in range(y0, y1):
                for x in range(x0, x1):
                    starts[y * tiles_x + x + 1] += 1
    starts = np.cumsum(starts)
    fill = starts[:-1].copy()
    members = np.empty(starts[-1], np.int32)
    for k in range(order.shape[0]):
        i = order[k]
        if visible[i]:
            x0, x1, y0, y1 = _box(mean[i], cov[i], opacity[i], tiles_x, tiles_y)
            for y in range(y0, y1):
                for x in range(x0, x1):
                    members[fill[y * tiles_x + x]] = i
                    fill[y * tiles_x + x] += 1
    return starts, members
