"""Projection of Gaussians and its gradient, one Gaussian at a time; formulae as in render/projection.

Shapes on the picture are rows of nine numbers: mean x, y; the conic a, b, c;
opacity; colour r, g, b. Gradients have the same rows. The analytic kernel has the covariance xx, xy, yy in place of
the conic.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from gscodec.base.jit import njit
from gscodec.render.projection import BLUR, EDGE, EXTENT, MIN_ALPHA, MIN_RHO, NEAR

__all__ = ["ANALYTIC", "CLASSIC", "COMPENSATED", "SHAPE", "project", "project_backward"]

CLASSIC, COMPENSATED, ANALYTIC = 0, 1, 2
THIN = 1e-4  # pixel^2 added to the covariance of the analytic kernel: no direction is without extent
CORNER = 0.71  # pixels from a pixel's centre to its corner
SHAPE = 9  # numbers of a Gaussian on the picture

C0 = 0.28209479177387814
C1 = 0.4886025119
C2 = (1.0925484306, 0.9461746958, 0.3153915652, 0.5462742153)
C3 = (0.5900435899, 2.8906114426, 0.4570457995, 2.2852289973, 1.8658816629, 1.1195289978, 1.4453057213)


@njit
def _basis(x, y, z, count, out):
    """Real spherical harmonics of a unit direction, as render.projection.sh_basis."""
    out[0] = C0
    if count > 1:
        out[1], out[2], out[3] = -C1 * y, C1 * z, -C1 * x
    if count > 4:
        out[4], out[5], out[6] = C2[0] * x * y, -C2[0] * y * z, C2[1] * z * z - C2[2]
        out[7], out[8] = -C2[0] * x * z, C2[3] * (x * x - y * y)
    if count > 9:
        out[9], out[10] = -C3[0] * y * (3 * x * x - y * y), C3[1] * x * y * z
        out[11], out[12] = y * (C3[2] - C3[3] * z * z), z * (C3[4] * z * z - C3[5])
        out[13], out[14] = x * (C3[2] - C3[3] * z * z), C3[6] * z * (x * x - y * y)
        out[15] = -C3[0] * x * (x * x - 3 * y * y)


@njit
def _basis_slope(x, y, z, v, count):
    """Gradient by the direction of sum_k v[k] basis_k: three numbers."""
    gx = gy = gz = 0.0
    if count > 1:
        gx, gy, gz = -C1 * v[3], -C1 * v[1], C1 * v[2]
    if count > 4:
        gx += C2[0] * (y * v[4] - z * v[7]) + 2 * C2[3] * x * v[8]
        gy += C2[0] * (x * v[4] - z * v[5]) - 2 * C2[3] * y * v[8]
        gz += -C2[0] * (y * v[5] + x * v[7]) + 2 * C2[1] * z * v[6]
    if count > 9:
        rim = C3[2] - C3[3] * z * z
        gx += -C3[0] * 6 * x * y * v[9] + C3[1] * y * z * v[10] + rim * v[13] + 2 * C3[6] * z * x * v[14]
        gx += -C3[0] * 3 * (x * x - y * y) * v[15]
        gy += -C3[0] * 3 * (x * x - y * y) * v[9] + C3[1] * x * z * v[10] + rim * v[11]
        gy += -2 * C3[6] * z * y * v[14] + C3[0] * 6 * x * y * v[15]
        gz += C3[1] * x * y * v[10] - 2 * C3[3] * z * (y * v[11] + x * v[13])
        gz += (3 * C3[4] * z * z - C3[5]) * v[12] + C3[6] * (x * x - y * y) * v[14]
    return gx, gy, gz


@njit
def _turn(q, out):
    """Rotation matrix of a quaternion wxyz; returns its norm."""
    norm = np.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    n = 1.0 / max(norm, 1e-12)
    w, x, y, z = q[0] * n, q[1] * n, q[2] * n, q[3] * n
    out[0, 0], out[0, 1], out[0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
    out[1, 0], out[1, 1], out[1, 2] = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
    out[2, 0], out[2, 1], out[2, 2] = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)
    return norm


@njit
def _flatten(p, turn, scale, view, lens, jacobian, world, flat):
    """Fill the Jacobian (2, 3), world = view R S (3, 3) and flat = jacobian world (2, 3)."""
    fx, fy, cx, cy, w, h = lens[0], lens[1], lens[2], lens[3], lens[4], lens[5]
    z = p[2]
    mx, my = EDGE * w / fx, EDGE * h / fy
    tx = z * min(max(p[0] / z, -(cx / fx + mx)), (w - cx) / fx + mx)
    ty = z * min(max(p[1] / z, -(cy / fy + my)), (h - cy) / fy + my)
    jacobian[0, 0], jacobian[0, 1], jacobian[0, 2] = fx / z, 0.0, -fx * tx / (z * z)
    jacobian[1, 0], jacobian[1, 1], jacobian[1, 2] = 0.0, fy / z, -fy * ty / (z * z)
    for a in range(3):
        for b in range(3):
            world[a, b] = (
                view[a, 0] * turn[0, b] + view[a, 1] * turn[1, b] + view[a, 2] * turn[2, b]
            ) * scale[b]
    for a in range(2):
        for b in range(3):
            flat[a, b] = jacobian[a, a] * world[a, b] + jacobian[a, 2] * world[2, b]


@njit(parallel=True)
def project(means, quats, scales, opacities, sh, view, shift, lens, kernel, shape, depth, reach):
    """Fill shape (N, 9), depth (N,) and reach (N, 2) pixels (negative: not on the picture).

    view (3, 3), shift (3,): world to camera; lens (6,): fx, fy, cx, cy, width, height.
    """
    count = sh.shape[1]
    centre = -(view.T @ shift)
    for i in prange(means.shape[0]):
        reach[i, 0] = reach[i, 1] = -1.0
        p, turn = np.empty(3), np.empty((3, 3))
        for a in range(3):
            p[a] = view[a, 0] * means[i, 0] + view[a, 1] * means[i, 1] + view[a, 2] * means[i, 2] + shift[a]
        depth[i] = p[2]
        if p[2] <= NEAR or opacities[i] < MIN_ALPHA:
            continue
        jacobian, world, flat = np.empty((2, 3)), np.empty((3, 3)), np.empty((2, 3))
        _turn(quats[i], turn)
        _flatten(p, turn, scales[i], view, lens, jacobian, world, flat)
        xx = flat[0, 0] ** 2 + flat[0, 1] ** 2 + flat[0, 2] ** 2
        xy = flat[0, 0] * flat[1, 0] + flat[0, 1] * flat[1, 1] + flat[0, 2] * flat[1, 2]
        yy = flat[1, 0] ** 2 + flat[1, 1] ** 2 + flat[1, 2] ** 2
        opacity = float(opacities[i])
        before = xx * yy - xy * xy
        xx += BLUR
        yy += BLUR
        det = xx * yy - xy * xy
        if kernel == COMPENSATED:
            opacity *= np.sqrt(max(MIN_RHO**2, before / det))
            if opacity < MIN_ALPHA:
                continue
        if kernel == ANALYTIC:
            shape[i, 2], shape[i, 3], shape[i, 4] = xx - BLUR + THIN, xy, yy - BLUR + THIN
        else:
            shape[i, 2], shape[i, 3], shape[i, 4] = yy / det, -xy / det, xx / det
        shape[i, 0], shape[i, 1] = lens[0] * p[0] / p[2] + lens[2], lens[1] * p[1] / p[2] + lens[3]
        shape[i, 5] = opacity
        extent = min(EXTENT, np.sqrt(2 * np.log(255 * opacity)))
        room = CORNER if kernel == ANALYTIC else 0.0
        reach[i, 0], reach[i, 1] = extent * np.sqrt(xx) + room, extent * np.sqrt(yy) + room
        dx, dy, dz = means[i, 0] - centre[0], means[i, 1] - centre[1], means[i, 2] - centre[2]
        n = 1.0 / max(np.sqrt(dx * dx + dy * dy + dz * dz), 1e-12)
        basis = np.empty(16)
        _basis(dx * n, dy * n, dz * n, count, basis)
        for c in range(3):
            value = 0.5
            for k in range(count):
                value += basis[k] * sh[i, k, c]
            shape[i, 6 + c] = max(0.0, value)


@njit
def _covariance_gradient(v, xx, xy, yy, opacity, kernel, out):
    """Gradient by the covariance before blur, symmetric: out = xx, xy (each off-diagonal place), yy."""
    if kernel == ANALYTIC:
        out[0], out[1], out[2] = v[2], 0.5 * v[3], v[4]
        return
    before = xx * yy - xy * xy
    fx, fy = xx + BLUR, yy + BLUR
    det = fx * fy - xy * xy
    a, b, c = fy / det, -xy / det, fx / det
    ga, gb, gc = v[2], 0.5 * v[3], v[4]
    out[0] = -(a * (ga * a + gb * b) + b * (gb * a + gc * b))
    out[1] = -(a * (ga * b + gb * c) + b * (gb * b + gc * c))
    out[2] = -(b * (ga * b + gb * c) + c * (gb * b + gc * c))
    if kernel == COMPENSATED and before > MIN_RHO**2 * det:
        factor = 0.5 * np.sqrt(before / det) * v[5] * opacity
        out[0] += factor * (yy / before - a)
        out[1] += factor * (-xy / before - b)
        out[2] += factor * (xx / before - c)


@njit(parallel=True)
def project_backward(
    means, quats, scales, opacities, sh, view, shift, lens, kernel, reach, v, v_means, v_quats, v_scales, v_opacities, v_sh
):  # fmt: skip
    """Add to the gradients by the attributes what v (N, 9), the gradients by the picture's shapes, imply."""
    count = sh.shape[1]
    centre = -(view.T @ shift)
    for i in prange(means.shape[0]):
        if reach[i, 0] < 0:
            continue
        p, turn, cov = np.empty(3), np.empty((3, 3)), np.empty(3)
        for a in range(3):
            p[a] = view[a, 0] * means[i, 0] + view[a, 1] * means[i, 1] + view[a, 2] * means[i, 2] + shift[a]
        jacobian, world, flat = np.empty((2, 3)), np.empty((3, 3)), np.empty((2, 3))
        norm = max(_turn(quats[i], turn), 1e-12)
        _flatten(p, turn, scales[i], view, lens, jacobian, world, flat)
        xx = flat[0, 0] ** 2 + flat[0, 1] ** 2 + flat[0, 2] ** 2
        xy = flat[0, 0] * flat[1, 0] + flat[0, 1] * flat[1, 1] + flat[0, 2] * flat[1, 2]
        yy = flat[1, 0] ** 2 + flat[1, 1] ** 2 + flat[1, 2] ** 2
        _covariance_gradient(v[i], xx, xy, yy, opacities[i], kernel, cov)
        rho = 1.0
        if kernel == COMPENSATED:
            det = (xx + BLUR) * (yy + BLUR) - xy * xy
            rho = np.sqrt(max(MIN_RHO**2, (xx * yy - xy * xy) / det))
        v_opacities[i] += v[i, 5] * rho
        # by flat = jacobian world, then by its two factors
        v_flat = np.empty((2, 3))
        for b in range(3):
            v_flat[0, b] = 2 * (cov[0] * flat[0, b] + cov[1] * flat[1, b])
            v_flat[1, b] = 2 * (cov[1] * flat[0, b] + cov[2] * flat[1, b])
        point = np.empty(3)
        _point_gradient(p, lens, v[i], v_flat, world, point)
        g = np.empty((3, 3))  # by R S, then by R
        for a in range(3):
            for b in range(3):
                g[a, b] = 0.0
                for c in range(2):
                    row = jacobian[c, c] * view[c, a] + jacobian[c, 2] * view[2, a]
                    g[a, b] += row * v_flat[c, b]
        for b in range(3):
            total = 0.0
            for a in range(3):
                total += g[a, b] * turn[a, b]
                g[a, b] *= scales[i, b]
            v_scales[i, b] += total
        _quaternion_gradient(quats[i], norm, g, v_quats[i])
        for a in range(3):
            v_means[i, a] += view[0, a] * point[0] + view[1, a] * point[1] + view[2, a] * point[2]
        _colour_gradient(means[i], centre, sh[i], v[i], count, v_means[i], v_sh[i])


@njit
def _point_gradient(p, lens, v, v_flat, world, out):
    """By the point in camera coordinates: through the mean on the picture and through the Jacobian."""
    out[0] = out[1] = out[2] = 0.0
    z = p[2]
    for a in range(2):
        f, c, side = lens[a], lens[2 + a], lens[4 + a]
        out[a] += v[a] * f / z
        out[2] -= v[a] * f * p[a] / (z * z)
        v_direct = v_flat[a, 0] * world[a, 0] + v_flat[a, 1] * world[a, 1] + v_flat[a, 2] * world[a, 2]
        v_slope = v_flat[a, 0] * world[2, 0] + v_flat[a, 1] * world[2, 1] + v_flat[a, 2] * world[2, 2]
        out[2] -= v_direct * f / (z * z)
        margin = EDGE * side / f
        slope, low, high = p[a] / z, -(c / f + margin), (side - c) / f + margin
        if slope < low or slope > high:
            out[2] += v_slope * f * min(max(slope, low), high) / (z * z)
        else:
            out[a] -= v_slope * f / (z * z)
            out[2] += v_slope * 2 * f * p[a] / (z * z * z)


@njit
def _quaternion_gradient(q, norm, g, out):
    """Add the gradient by a quaternion that is normalised on use, from g (3, 3) by its matrix."""
    w, x, y, z = q[0] / norm, q[1] / norm, q[2] / norm, q[3] / norm
    vw = 2 * (x * (g[2, 1] - g[1, 2]) + y * (g[0, 2] - g[2, 0]) + z * (g[1, 0] - g[0, 1]))
    vx = 2 * (y * (g[0, 1] + g[1, 0]) + z * (g[0, 2] + g[2, 0]) + w * (g[2, 1] - g[1, 2]))
    vx -= 4 * x * (g[1, 1] + g[2, 2])
    vy = 2 * (x * (g[0, 1] + g[1, 0]) + z * (g[1, 2] + g[2, 1]) + w * (g[0, 2] - g[2, 0]))
    vy -= 4 * y * (g[0, 0] + g[2, 2])
    vz = 2 * (x * (g[0, 2] + g[2, 0]) + y * (g[1, 2] + g[2, 1]) + w * (g[1, 0] - g[0, 1]))
    vz -= 4 * z * (g[0, 0] + g[1, 1])
    along = vw * w + vx * x + vy * y + vz * z
    out[0] += (vw - along * w) / norm
    out[1] += (vx - along * x) / norm
    out[2] += (vy - along * y) / norm
    out[3] += (vz - along * z) / norm


@njit
def _colour_gradient(mean, centre, sh, v, count, v_mean, v_sh):
    """Add the gradients by SH and, through the viewing direction, by the mean; none where colour is clamped at 0."""
    dx, dy, dz = mean[0] - centre[0], mean[1] - centre[1], mean[2] - centre[2]
    n = 1.0 / max(np.sqrt(dx * dx + dy * dy + dz * dz), 1e-12)
    dx, dy, dz = dx * n, dy * n, dz * n
    basis, by_basis = np.empty(16), np.zeros(16)
    _basis(dx, dy, dz, count, basis)
    for c in range(3):
        value = 0.5
        for k in range(count):
            value += basis[k] * sh[k, c]
        if value > 0:
            for k in range(count):
                v_sh[k, c] += basis[k] * v[6 + c]
                by_basis[k] += sh[k, c] * v[6 + c]
    if count > 1:
        gx, gy, gz = _basis_slope(dx, dy, dz, by_basis, count)
        along = gx * dx + gy * dy + gz * dz
        v_mean[0] += (gx - along * dx) * n
        v_mean[1] += (gy - along * dy) * n
        v_mean[2] += (gz - along * dz) * n
