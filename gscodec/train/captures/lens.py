"""Lenses: how real cameras bend rays, by the models that calibration tools write, and pictures made straight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gscodec.base.jit import njit

__all__ = ["MAX_SIDE", "Lens", "scale_down", "straighten", "straightening_map"]

U8 = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

MAX_SIDE = 1 << 16  # pixels
FOLD_SAMPLES = 4096  # of the radius, in the search for where a polynomial turns back


@dataclass(frozen=True, slots=True)
class Lens:
    """Intrinsics in pixels, the centre of the first pixel at (0.5, 0.5), and a distortion model.

    model      params (trailing ones may be left out)
    brown      k1 k2 p1 p2 k3 k4 k5 k6: radial (1+k1 r2+k2 r4+k3 r6)/(1+k4 r2+k5 r4+k6 r6) and tangential, OpenCV's order
    fisheye    k1 k2 k3 k4: theta (1+k1 theta2+...), OpenCV's fisheye (Kannala-Brandt)
    fov        omega: atan(2 r tan(omega/2))/omega (Devernay, Faugeras)
    thin_prism k1 k2 p1 p2 k3 k4 s1 s2: COLMAP's THIN_PRISM_FISHEYE
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    model: str = "brown"
    params: tuple[float, ...] = ()

    @property
    def straight(self) -> bool:
        """Whether it is a pinhole already."""
        return self.model == "brown" and not any(self.params)

    def distort(self, rays: F64) -> F64:
        """Where rays (..., 2), x/z and y/z, fall in the picture: (..., 2) pixels."""
        bent = MODELS[self.model](rays, *self.params)
        return np.asarray(bent * (self.fx, self.fy) + (self.cx, self.cy))


def _brown(
    rays: F64, k1: float = 0, k2: float = 0, p1: float = 0, p2: float = 0,
    k3: float = 0, k4: float = 0, k5: float = 0, k6: float = 0,
) -> F64:  # fmt: skip
    x, y = rays[..., 0], rays[..., 1]
    r2 = x * x + y * y
    radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    return np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        ],
        axis=-1,
    )


def _fisheye(rays: F64, k1: float = 0, k2: float = 0, k3: float = 0, k4: float = 0) -> F64:
    r = np.linalg.norm(rays, axis=-1, keepdims=True)
    theta = np.arctan(r)
    t2 = theta * theta
    bent = theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))
    return np.asarray(rays * np.where(r > 1e-12, bent / np.maximum(r, 1e-12), 1.0))


def _fov(rays: F64, omega: float = 0) -> F64:
    r = np.linalg.norm(rays, axis=-1, keepdims=True)
    wide = 2 * np.tan(omega / 2)
    if abs(wide) < 1e-12:
        return rays
    return np.asarray(
        rays * np.where(r > 1e-12, np.arctan(r * wide) / (np.maximum(r, 1e-12) * omega), wide / omega)
    )


def _thin_prism(
    rays: F64, k1: float = 0, k2: float = 0, p1: float = 0, p2: float = 0,
    k3: float = 0, k4: float = 0, s1: float = 0, s2: float = 0,
) -> F64:  # fmt: skip
    u = _fisheye(rays)
    x, y = u[..., 0], u[..., 1]
    r2 = x * x + y * y
    radial = r2 * (k1 + r2 * (k2 + r2 * (k3 + r2 * k4)))
    return np.stack(
        [
            x + x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + s1 * r2,
            y + y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y + s2 * r2,
        ],
        axis=-1,
    )


MODELS: dict[str, Callable[..., F64]] = {
    "brown": _brown,
    "fisheye": _fisheye,
    "fov": _fov,
    "thin_prism": _thin_prism,
}


def straightening_map(lens: Lens) -> F32:
    """(H, W, 2) float32: where each pixel centre of the pinhole picture of the same intrinsics lies in the bent one.

    NaN where the bent picture shows nothing, and beyond the radius at which the model's polynomial turns back.
    """
    x = (np.arange(lens.width) + 0.5 - lens.cx) / lens.fx
    y = (np.arange(lens.height) + 0.5 - lens.cy) / lens.fy
    rays = np.stack(np.meshgrid(x, y), axis=-1)
    places = lens.distort(rays)
    seen = ((places >= 0) & (places <= (lens.width, lens.height))).all(axis=-1)
    seen &= np.hypot(rays[..., 0], rays[..., 1]) < _fold(lens, float(np.hypot(abs(x).max(), abs(y).max())))
    places[~seen] = np.nan
    return places.astype(np.float32)


def _fold(lens: Lens, reach: float) -> float:
    """The ray's x/z up to which the radial part of the model grows; infinite where it does so up to `reach`."""
    radii = np.linspace(0, reach, FOLD_SAMPLES)
    flat = (
        [*lens.params[:2], 0.0, 0.0, *lens.params[4:]]
        if lens.model in ("brown", "thin_prism")
        else lens.params
    )
    bent = MODELS[lens.model](np.stack([radii, np.zeros_like(radii)], axis=-1), *flat)[:, 0]
    back = np.flatnonzero(np.diff(bent) <= 0)
    return float(radii[back[0]]) if len(back) else np.inf


def straighten(rgb: U8, mask: U8 | None, places: F32) -> tuple[U8, U8 | None, Bool]:
    """Pictures sampled at `places` (H, W, 2): RGB, mask, and where anything is known (H, W).

    Catmull-Rom interpolation (Keys 1981, a = -1/2): bilinear would blur what is learnt. A mask weighs the colours.
    """
    channels = np.dstack([rgb, mask]) if mask is not None else rgb
    out = np.zeros((*places.shape[:2], channels.shape[2]), np.uint8)
    _sample(np.ascontiguousarray(channels), places, out, mask is not None)
    valid = np.isfinite(places[..., 0])
    return (
        np.ascontiguousarray(out[..., :3]),
        np.ascontiguousarray(out[..., 3]) if mask is not None else None,
        valid,
    )


@njit
def _sample(picture, places, out, weighed):
    """Fills out (H, W, C) uint8; where `weighed`, channel 3 weighs the others."""
    height, width, n = picture.shape
    wx, wy = np.empty(4), np.empty(4)
    total = np.empty(n)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            u, v = places[i, j, 0] - 0.5, places[i, j, 1] - 0.5
            if np.isnan(u):
                continue
            j0, i0 = int(np.floor(u)), int(np.floor(v))
            _weights(u - j0, wx)
            _weights(v - i0, wy)
            total[:] = 0.0
            for a in range(4):
                row = min(max(i0 + a - 1, 0), height - 1)
                for b in range(4):
                    column = min(max(j0 + b - 1, 0), width - 1)
                    w = wy[a] * wx[b]
                    if weighed:
                        total[3] += w * picture[row, column, 3]
                        w *= picture[row, column, 3]
                    for c in range(3):
                        total[c] += w * picture[row, column, c]
            for c in range(3):
                x = total[c]
                if weighed:
                    x = x / total[3] if total[3] > 0.0 else 0.0
                out[i, j, c] = np.uint8(min(255.0, max(0.0, np.floor(x + 0.5))))
            if weighed:
                out[i, j, 3] = np.uint8(min(255.0, max(0.0, np.floor(total[3] + 0.5))))


@njit
def _weights(t, w):
    """Catmull-Rom weights of the four samples around; the second is at t = 0."""
    w[0] = ((-0.5 * t + 1.0) * t - 0.5) * t
    w[1] = (1.5 * t - 2.5) * t * t + 1.0
    w[2] = ((-1.5 * t + 2.0) * t + 0.5) * t
    w[3] = (0.5 * t - 0.5) * t * t


def scale_down(
    rgb: U8, mask: U8 | None, valid: Bool | None, size: tuple[int, int]
) -> tuple[U8, U8 | None, Bool | None]:
    """Pictures averaged over areas to `size` (width, height); a mask weighs the colours; valid where all is."""
    known = None if valid is None else np.asarray(_average(valid, size) > 1 - 1e-4)
    if mask is None:
        return _round(_average(rgb, size)), None, known
    weight = _average(mask, size)
    color = _average(rgb * mask.astype(np.float32)[..., None], size)
    return _round(color / np.maximum(weight, np.float32(1e-6))[..., None]), _round(weight), known


def _average(picture: npt.NDArray[Any], size: tuple[int, int]) -> F32:
    """(h, w, ...) float32: each output pixel is the mean of the area that it covers."""
    height, width = picture.shape[:2]
    samples = np.ascontiguousarray(picture.view(np.uint8) if picture.dtype == np.bool_ else picture)
    out = np.empty((size[1], size[0], samples.size // (height * width)), np.float32)
    _mean_areas(samples.reshape(height, width, -1), *_cover(height, size[1]), *_cover(width, size[0]), out)
    return out.reshape(size[1], size[0], *picture.shape[2:])


@njit
def _mean_areas(picture, top, of_rows, left, of_columns, out):
    """Fills out (h, w, C): rows top[i] + a weighed by of_rows[i, a], columns alike."""
    height, width, channels = picture.shape
    total = np.empty(channels)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            total[:] = 0.0
            for a in range(of_rows.shape[1]):
                row = min(top[i] + a, height - 1)
                for b in range(of_columns.shape[1]):
                    weight = of_rows[i, a] * of_columns[j, b]
                    column = min(left[j] + b, width - 1)
                    for c in range(channels):
                        total[c] += weight * picture[row, column, c]
            for c in range(channels):
                out[i, j, c] = total[c]


def _cover(n_in: int, n_out: int) -> tuple[npt.NDArray[np.int64], F64]:
    """First input sample (n_out,) under each output sample, and the shares (n_out, K) of those from it on; they sum to 1."""
    edges = np.arange(n_out + 1) * (n_in / n_out)
    first = np.floor(edges[:-1]).astype(np.int64)
    inputs = first[:, None] + np.arange(int(np.max(np.ceil(edges[1:]) - first)))
    low, high = np.maximum(edges[:-1, None], inputs), np.minimum(edges[1:, None], inputs + 1.0)
    return first, np.maximum(high - low, 0) * (n_out / n_in)


def _round(picture: npt.NDArray[np.floating[Any]]) -> U8:
    return np.asarray(np.clip(np.floor(picture + np.float32(0.5)), 0, 255), np.uint8)
