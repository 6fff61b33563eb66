"""The renderer once more, in float64, one pixel at a time, without tiles: the truth that the fast one is held to."""

from __future__ import annotations

import numpy as np

from gscodec.render.cameras import Camera

Y0, Y1 = 0.28209479177387814, 0.4886025119029199


def rotation(q: np.ndarray) -> np.ndarray:
    w, x, y, z = q / np.linalg.norm(q)
    return np.array(
        [
            [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
        ]
    )


def color_of(sh: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Degrees 0 and 1."""
    c = Y0 * sh[0]
    if len(sh) > 1:
        x, y, z = direction
        c = c + Y1 * (-y * sh[1] + z * sh[2] - x * sh[3])
    return np.maximum(c + 0.5, 0)


def ellipse(mean, quat, scale, camera: Camera):  # type: ignore[no-untyped-def]
    """(u, v, depth, covariance without blur)."""
    p = camera.R @ mean + camera.t
    m = rotation(quat) @ np.diag(scale)
    cov = camera.R @ m @ m.T @ camera.R.T
    lim = []
    for a, (f, c, side) in enumerate(
        ((camera.fx, camera.cx, camera.width), (camera.fy, camera.cy, camera.height))
    ):
        low, high = -(c / f + 0.15 * side / f), (side - c) / f + 0.15 * side / f
        lim.append(p[2] * min(max(p[a] / p[2], low), high))
    j = np.array(
        [
            [camera.fx / p[2], 0, -camera.fx * lim[0] / p[2] ** 2],
            [0, camera.fy / p[2], -camera.fy * lim[1] / p[2] ** 2],
        ]
    )
    return camera.fx * p[0] / p[2] + camera.cx, camera.fy * p[1] / p[2] + camera.cy, p[2], j @ cov @ j.T


def render(arrays: dict[str, np.ndarray], camera: Camera, kernel: str = "classic") -> np.ndarray:
    """(H, W, 4) float64: colour over black, alpha. arrays: means, quats, scales, opacities, sh."""
    items = []
    for i in range(len(arrays["means"])):
        if (camera.R @ arrays["means"][i] + camera.t)[2] <= 0.01:
            continue
        u, v, depth, cov = ellipse(arrays["means"][i], arrays["quats"][i], arrays["scales"][i], camera)
        blurred = cov + 0.3 * np.eye(2)
        o = arrays["opacities"][i]
        if kernel == "compensated":
            o = o * np.sqrt(max(0.005**2, np.linalg.det(cov) / np.linalg.det(blurred)))
        if o < 1 / 255:
            continue
        eye = -camera.R.T @ camera.t
        d = arrays["means"][i] - eye
        color = color_of(arrays["sh"][i], d / np.linalg.norm(d))
        items.append((depth, np.array([u, v]), np.linalg.inv(blurred), o, color))
    items.sort(key=lambda item: item[0])
    out = np.zeros((camera.height, camera.width, 4))
    for y in range(camera.height):
        for x in range(camera.width):
            t = 1.0
            for _, mean, conic, o, color in items:
                d = mean - (x + 0.5, y + 0.5)
                alpha = min(0.99, o * np.exp(-0.5 * d @ conic @ d))
                if alpha < 1 / 255:
                    continue
                if t * (1 - alpha) <= 1e-4:
                    break
                out[y, x, :3] += alpha * t * color
                t *= 1 - alpha
            out[y, x, 3] = 1 - t
    return out
