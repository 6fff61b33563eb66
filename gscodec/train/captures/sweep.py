"""Seeds for captures without masks: points on the surfaces that pictures show, background included.

Depths along the rays of a grid of pixels are found by a plane sweep over the neighbouring views. Where many depths
explain a pixel (sky, walls), the one nearest to that of the sure pixels around is taken.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from gscodec.render.cameras import Camera
from gscodec.train.captures.lens import scale_down
from gscodec.train.captures.model import Capture, Picture, SeedPoints
from gscodec.train.kernels.sweep import sweep

__all__ = ["swept_seeds"]

F64 = npt.NDArray[np.float64]

SIDE = 320  # pixels of the larger side that are searched at most
DEPTHS = 256
NEAREST, FARTHEST = 0.2, 20.0  # of the way to the scene's middle; units
NEIGHBOURS = 6
SLACK = 0.012  # a depth explains a pixel if its cost is within this of the least
SURE = 0.1  # share of the depths up to which a pixel is sure of its own
BAD = 0.08  # cost above which a pixel matches nowhere
AROUND = 6  # sure pixels asked for the depth of one that isn't
CELL = 1.5  # of the distance between the pixels: nearer than that to a known point nothing is searched


def swept_seeds(
    capture: Capture, count: int, *, frame: int, rng: np.random.Generator, known: F64 | None = None
) -> SeedPoints:
    """At most `count` points in normalised coordinates; `known` (N, 3) are there already: only gaps are filled.

    Fewer than two training views with a picture, or nothing that matches: none.
    """
    views = [v for v in capture.train_views if capture.views[v].has(frame)]
    if len(views) < 2:
        return SeedPoints(np.zeros((0, 3)), np.zeros((0, 3), np.uint8))
    pictures = [_small(capture.picture(v, frame)) for v in views]
    cameras = [_resized(capture.views[v].camera(frame), p) for v, p in zip(views, pictures, strict=True)]
    stack, sizes = _stacked(pictures)
    poses = np.array([np.column_stack([c.R, c.t]) for c in cameras])
    lenses = np.array([(c.fx, c.fy, c.cx, c.cy) for c in cameras])
    each = -(-count // len(views))
    means, colors = [], []
    for own, camera in enumerate(cameras):
        pixels, spacing = _grid(camera, each, rng)
        pixels = pixels if known is None else _gaps(camera, pixels, known, CELL * spacing)
        others = _neighbours(cameras, own)
        if not len(pixels) or not len(others):
            continue
        to_middle = max(float(camera.t[2]), float(np.linalg.norm(camera.t)) / 2, 1e-3)
        inverse = np.linspace(1 / FARTHEST, 1 / (NEAREST * to_middle), DEPTHS)
        costs = np.empty((len(pixels), DEPTHS), np.float32)
        sweep(stack, sizes, poses, lenses, own, pixels, others, inverse, costs)
        at, fits = _depths(pixels, costs)
        ray = np.column_stack([(pixels - lenses[own, 2:]) / lenses[own, :2], np.ones(len(pixels))])
        means.append(((ray / inverse[at][:, None] - camera.t) @ camera.R)[fits])
        x, y = pixels[fits].astype(np.intp).T
        colors.append((stack[own, y, x] * 255 + 0.5).astype(np.uint8))
    if not means:
        return SeedPoints(np.zeros((0, 3)), np.zeros((0, 3), np.uint8))
    found, shown = np.concatenate(means), np.concatenate(colors)
    rows = rng.permutation(len(found))[:count]
    return SeedPoints(found[rows], shown[rows])


def _depths(
    pixels: F64, costs: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Index of each pixel's depth, and whether any depth explains it."""
    best = costs.argmin(1)
    least = costs[np.arange(len(costs)), best]
    explains = costs <= (least + SLACK)[:, None]
    fits = least < BAD
    sure = fits & (explains.mean(1) <= SURE)
    unsure = np.flatnonzero(fits & ~sure)
    if not sure.any() or not len(unsure):
        return best, fits
    tree = cKDTree(pixels[sure])
    near = np.asarray(tree.query(pixels[unsure], k=min(AROUND, int(sure.sum())))[1]).reshape(len(unsure), -1)
    wanted = np.median(best[sure][near], axis=1)
    away = np.abs(np.arange(costs.shape[1])[None] - wanted[:, None])
    best[unsure] = np.where(explains[unsure], away, np.inf).argmin(1)
    return best, fits


def _small(picture: Picture) -> Picture:
    height, width = picture.rgb.shape[:2]
    shrink = SIDE / max(height, width)
    if shrink >= 1:
        return picture
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    return Picture(*scale_down(picture.rgb, None, None, size))


def _resized(camera: Camera, picture: Picture) -> Camera:
    height, width = picture.rgb.shape[:2]
    sx, sy = width / camera.width, height / camera.height
    return Camera(
        camera.R, camera.t, camera.fx * sx, camera.fy * sy, camera.cx * sx, camera.cy * sy, width, height
    )


def _stacked(pictures: list[Picture]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """(V, H, W, 3) float32 0..1, room at the right and below where one is smaller, and (V, 2) width and height."""
    sizes = np.array([p.rgb.shape[1::-1] for p in pictures], np.int64)
    stack = np.zeros((len(pictures), sizes[:, 1].max(), sizes[:, 0].max(), 3), np.float32)
    for place, picture in zip(stack, pictures, strict=True):
        height, width = picture.rgb.shape[:2]
        place[:height, :width] = picture.rgb / np.float32(255)
    return stack, sizes


def _grid(camera: Camera, count: int, rng: np.random.Generator) -> tuple[F64, float]:
    """About `count` pixels (P, 2), x and y, one somewhere in each square of a grid; and the squares' side."""
    side = max(1.0, float(np.sqrt(camera.width * camera.height / count)))
    x, y = np.meshgrid(np.arange(0, camera.width, side), np.arange(0, camera.height, side))
    pixels = np.stack([x.ravel(), y.ravel()], axis=1)
    pixels = np.floor(pixels + side * rng.random(pixels.shape)) + 0.5
    return pixels[(pixels[:, 0] < camera.width) & (pixels[:, 1] < camera.height)], side


def _gaps(camera: Camera, pixels: F64, known: F64, reach: float) -> F64:
    """Those pixels with no known point within `reach` pixels."""
    p = known @ camera.R.T + camera.t
    p = p[p[:, 2] > 1e-3]
    if not len(p):
        return pixels
    shown = p[:, :2] / p[:, 2:] * (camera.fx, camera.fy) + (camera.cx, camera.cy)
    return pixels[np.asarray(cKDTree(shown).query(pixels)[0]) > reach]


def _neighbours(cameras: list[Camera], own: int) -> npt.NDArray[np.int64]:
    """The nearest views that look the same way within 60 degrees and stand elsewhere."""
    away = np.array([np.linalg.norm(c.centre - cameras[own].centre) for c in cameras])
    along = np.array([c.R[2] @ cameras[own].R[2] for c in cameras])
    usable = np.flatnonzero((along > 0.5) & (away > 1e-6))
    return usable[np.argsort(away[usable], kind="stable")][:NEIGHBOURS]
