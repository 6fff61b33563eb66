"""PSNR and SSIM over the foreground (DESIGN section 5, "The measure")."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["FOREGROUND", "PSNR_CAP", "foreground", "psnr", "ssim"]

F32 = npt.NDArray[np.float32]
Picture = tuple[F32, F32]  # rgb over black (H, W, 3), alpha (H, W)

FOREGROUND = 1 / 255
PSNR_CAP = 100.0
SSIM_SIGMA = 1.5
SSIM_RADIUS = 5  # 11 x 11
C1, C2 = 0.01**2, 0.03**2


def foreground(a: Picture, b: Picture) -> npt.NDArray[np.bool_]:
    """(H, W): pixels where either picture has alpha above 1/255."""
    return np.asarray((a[1] > FOREGROUND) | (b[1] > FOREGROUND))


def over(picture: Picture, background: float) -> F32:
    """(H, W, 3) on grey, clipped to 0..1."""
    rgb, alpha = picture
    return np.asarray(np.clip(rgb + np.float32(background) * (1 - alpha[..., None]), 0, 1))


def mse_to_psnr(mse: float) -> float:
    return min(PSNR_CAP, -10 * float(np.log10(max(mse, 1e-30))))


def psnr(a: Picture, b: Picture) -> float:
    """dB; squared error averaged over black and white and RGB, capped at 100."""
    seen = foreground(a, b)
    if not seen.any():
        return PSNR_CAP
    errors = [np.mean((over(a, g)[seen].astype(np.float64) - over(b, g)[seen]) ** 2) for g in (0.0, 1.0)]
    return mse_to_psnr(float(np.mean(errors)))


def ssim(a: Picture, b: Picture) -> float:
    """Mean over foreground pixels, channels, black and white; 11 x 11 Gaussian window of sigma 1.5."""
    seen = foreground(a, b)
    if not seen.any():
        return 1.0
    crop = _reach(seen)
    a, b, seen = (a[0][crop], a[1][crop]), (b[0][crop], b[1][crop]), seen[crop]
    return float(np.mean([_ssim_map(over(a, g), over(b, g))[seen].mean() for g in (0.0, 1.0)]))


def _reach(seen: npt.NDArray[np.bool_]) -> tuple[slice, slice]:
    """The rows and columns that windows of seen pixels reach: leaving the others out changes nothing."""
    spans = [np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0)]
    rows, columns = (slice(max(0, int(s[0]) - SSIM_RADIUS), int(s[-1]) + SSIM_RADIUS + 1) for s in spans)
    return rows, columns


def _ssim_map(x: F32, y: F32) -> npt.NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter

    def blur(v: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        sigma = (SSIM_SIGMA, SSIM_SIGMA, 0)
        return np.asarray(gaussian_filter(v.astype(np.float64), sigma, radius=(SSIM_RADIUS, SSIM_RADIUS, 0)))

    mx, my = blur(x), blur(y)
    xx, yy, xy = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    return np.asarray((2 * mx * my + C1) * (2 * xy + C2) / ((mx * mx + my * my + C1) * (xx + yy + C2)))
