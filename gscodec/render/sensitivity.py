"""How much the picture changes with each parameter of each Gaussian: the exact diagonal of J'J.

A pixel's colour depends on a Gaussian through its alpha (and its colour), and alpha through the mean, covariance and
opacity on the picture: six numbers. For each Gaussian and view M = sum over pixels |dC/dalpha|^2 v v' with v the six
derivatives of alpha; then each parameter's sensitivity is j' M j, with j the derivative of the six by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gscodec.base.jit import njit
from gscodec.base.threads import ahead, processors
from gscodec.render.cameras import Camera, look_at
from gscodec.render.cuda import sum_on_gpu
from gscodec.render.moments import F64, Sums, sum_view
from gscodec.render.projection import BLUR, MIN_RHO, Projection, project, rotation_matrices
from gscodec.render.views import measured_directions, orbit
from gscodec.render.zone import zone_cameras
from gscodec.splats.model import Splats

__all__ = ["Sensitivity", "measure_sensitivity", "sensitivity", "sensitivity_cameras"]

KEEP_AWAY = np.deg2rad(10.0)  # from the views that `eval` measures


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Squared picture derivative, summed over pixels and RGB; mean over black and white and over cameras."""

    means: F64  # (N, 3) world axes
    log_scales: F64  # (N, 3)
    rotations: F64  # (N, 3): R' = R exp(d), d about the Gaussian's own axes, radians
    logits: F64  # (N,)
    colors: F64  # (N, K): one channel of SH coefficient k
    pixels: float  # mean foreground pixels of a view

    def take(self, rows: npt.NDArray[np.int64]) -> Sensitivity:
        """Of the given Gaussians, in the given order."""
        return Sensitivity(
            self.means[rows], self.log_scales[rows], self.rotations[rows], self.logits[rows], self.colors[rows],
            self.pixels,
        )  # fmt: skip


def measure_sensitivity(splats: Splats, cameras: list[Camera], *, kernel: str, device: str) -> Sensitivity:
    """Measure at `cameras` on a device, `cpu` or `cuda`; raises MissingDependency where it lacks what it needs."""
    if device == "cuda":
        return sensitivity(splats, cameras, kernel=kernel, sums=sum_on_gpu)
    return sensitivity(splats, cameras, kernel=kernel)


def sensitivity(
    splats: Splats,
    cameras: list[Camera],
    *,
    kernel: str = "classic",
    sums: Callable[[Projection, F64, Camera], Sums] | None = None,
) -> Sensitivity:
    """Measure at `cameras`. Arrays of N; kernel as in `rasterize`; sums: of one view, in place of the CPU's."""
    n, k = len(splats), splats.sh.shape[1]
    out = Sensitivity(
        np.zeros((n, 3)), np.zeros((n, 3)), np.zeros((n, 3)), np.zeros(n), np.zeros((n, k)), 0.0
    )  # fmt: skip
    pixels = 0.0
    # One view a thread; the sums are taken in the order of the cameras, so they don't depend on the threads.
    for one in ahead(
        lambda camera: _measure_view(splats, camera, kernel, sums or sum_view), cameras, processors()
    ):
        pixels += one.pixels
        for name in ("means", "log_scales", "rotations", "logits", "colors"):
            getattr(out, name)[:] += getattr(one, name) / len(cameras)
    return replace(out, pixels=pixels / len(cameras))


def _measure_view(
    splats: Splats, camera: Camera, kernel: str, sums: Callable[[Projection, F64, Camera], Sums]
) -> Sensitivity:
    """Of one view."""
    p = project(splats, camera, kernel)
    moments, weights, seen = sums(p, _fade(splats, p), camera)
    n = len(moments)
    means, log_scales, rotations, logits = np.empty((n, 3)), np.empty((n, 3)), np.empty((n, 3)), np.empty(n)
    _to_parameters(
        p.jacobian, camera.R.astype(np.float64), rotation_matrices(splats.quats), splats.scales.astype(np.float64),
        moments, means, log_scales, rotations, logits,
    )  # fmt: skip
    return Sensitivity(means, log_scales, rotations, logits, weights[:, None] * p.basis**2, float(seen))


def _fade(splats: Splats, p: Projection) -> F64:
    """(N, 4) derivatives of log(opacity rho) by the covariance (xx, xy, yy; 0 at rho's floor) and by the logit.

    log rho = (log det before - log det after) / 2, so its derivative is half the difference of the two inverses.
    Where the kernel is classic, rho is 1 and does not vary.
    """
    out = np.zeros((len(p.rho), 4))
    out[:, 3] = 1 - splats.opacities.astype(np.float64)
    varies = p.visible & (p.rho > MIN_RHO) & (p.rho < 1)
    xx, xy, yy = p.cov[varies].T - np.array([[BLUR], [0.0], [BLUR]])
    before = np.stack([yy, -2 * xy, xx], axis=1) / (xx * yy - xy * xy)[:, None]
    out[varies, :3] = 0.5 * (before - p.conic[varies] * [1, 2, 1])
    return out


@njit
def _to_parameters(jacobian, turn, axes, scales, moments, means, log_scales, rotations, logits):
    """j' M j of every parameter, M of six numbers by its upper triangle, moments (N, 21); means, log_scales and rotations
    (N, 3) and logits (N,) out. Covariance by the flattened axes g_a = J R_c R e_a."""
    to_picture, flat, j = np.empty((2, 3)), np.empty((2, 3)), np.empty(3)
    for i in range(moments.shape[0]):
        m = moments[i]
        for a in range(3):
            for r in range(2):
                to_picture[r, a] = jacobian[i, r, r] * turn[r, a] + jacobian[i, r, 2] * turn[2, a]
        for a in range(3):
            for r in range(2):
                flat[r, a] = (
                    to_picture[r, 0] * axes[i, 0, a]
                    + to_picture[r, 1] * axes[i, 1, a]
                    + to_picture[r, 2] * axes[i, 2, a]
                )
        for a in range(3):
            x, y = to_picture[0, a], to_picture[1, a]
            means[i, a] = m[0] * x * x + 2 * m[1] * x * y + m[6] * y * y
            x, y = flat[0, a] * scales[i, a], flat[1, a] * scales[i, a]
            j[0], j[1], j[2] = 2 * x * x, 2 * x * y, 2 * y * y
            log_scales[i, a] = _by_covariance(m, j)
            b, c = (a + 1) % 3, (a + 2) % 3
            d = scales[i, b] * scales[i, b] - scales[i, c] * scales[i, c]
            j[0] = 2 * flat[0, b] * flat[0, c]
            j[1] = flat[0, b] * flat[1, c] + flat[1, b] * flat[0, c]
            j[2] = 2 * flat[1, b] * flat[1, c]
            rotations[i, a] = d * d * _by_covariance(m, j)
        logits[i] = m[20]


@njit
def _by_covariance(m, j):
    """j' M j over the covariance's block of moments m (21,); j (3,) of xx, xy, yy."""
    square = m[11] * j[0] * j[0] + m[15] * j[1] * j[1] + m[18] * j[2] * j[2]
    return square + 2 * (m[12] * j[0] * j[1] + m[13] * j[0] * j[2] + m[16] * j[1] * j[2])


ELEVATIONS = np.deg2rad([-12.0, 12.0, 12.0, 38.0, 50.0, 12.0])
DISTANCES = (2.2, 2.2, 1.4, 2.2, 2.2, 3.0)  # in radii
FIELD_OF_VIEW = np.pi / 4


def sensitivity_cameras(
    splats: Splats, zone: list[dict[str, Any]] | None, *, seed: int, size: int, count: int
) -> list[Camera]:
    """`count` seeded cameras: in the viewers' zone where there is one, else on orbits, away from `test` views."""
    if zone:
        return zone_cameras(zone, seed=seed, size=size, count=count)
    out: list[Camera] = []
    start, i = np.random.default_rng(seed).random(), 0
    frame = orbit(splats)
    while len(out) < count:
        azimuth = 2 * np.pi * ((start + i * 0.6180339887) % 1)
        direction = frame.direction(azimuth, float(ELEVATIONS[i % 6]))
        if min(np.arccos(np.clip(direction @ d, -1, 1)) for d in measured_directions(frame)) > KEEP_AWAY:
            eye = frame.centre + frame.radius * DISTANCES[(i // 2) % 6] * direction
            out.append(look_at(eye, frame.centre, frame.up, FIELD_OF_VIEW, size))
        i += 1
    return out
