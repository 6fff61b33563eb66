"""Seeds for captures without masks: points on the surfaces that pictures show, background included.

Depths along the rays of a grid of pixels are found by a plane sweep over the neighbouring views. Where many depths
explain a pixel, the farthest is taken if it may be sky, else that nearest to the depths of the sure pixels around.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter
from scipy.spatial import cKDTree

from gscodec.render.cameras import Camera
from gscodec.train.captures.lens import scale_down
from gscodec.train.captures.model import Capture, Picture, SeedPoints
from gscodec.train.kernels.sweep import REACH, UNKNOWN, sweep

__all__ = ["nearest", "swept_seeds"]

F64 = npt.NDArray[np.float64]

SIDE = 320  # pixels of the larger side that are searched at most
DEPTHS = 256
FARTHEST = 10.0  # units: whatever lies behind hardly shifts between views
BEHIND = 1.2  # of the depth of nearly all known points: a room ends about there
FREE = 0.3  # of the way from a camera to the middle of the scene: nothing is nearer
BALL = 1.3  # units before the middle: nor is anything nearer to a camera outside the ball than that
TEXTURE = 0.015  # spread of colours in a patch, 0..1, below which it matches everywhere
ALIKE = 0.06  # share of the depths by which pixels side by side may differ
NEIGHBOURS = (0, 1, 2, 4, 7, 11)  # by distance: near ones match best, far ones tell depths apart
SLACK = 0.012  # a depth explains a pixel if its cost is within this of the least
SURE = 0.1  # share of the depths up to which a pixel is sure of its own
ENDLESS = 0.03  # share of the depths, the farthest among them, from which a pixel is taken for the farthest
BAD = 0.08  # cost above which a pixel matches nowhere
AROUND = 6  # sure pixels asked for the depth of one that isn't
SPARE = 1.25  # pixels for a point that is wanted: some match nowhere
CELL = 1.5  # of the distance between the pixels: nearer than that to a known point nothing is searched


def swept_seeds(
    capture: Capture, count: int, *, frame: int, rng: np.random.Generator, known: F64 | None = None
) -> SeedPoints:
    """At most `count` points in normalised coordinates; `known` (N, 3) are there already: only gaps are filled.

    Fewer than two training views with a picture, or nothing that matches: none.
    """
    views = [v for v in capture.train_views if capture.views[v].has(frame)]
    if len(views) < 2 or count < 1:
        return SeedPoints(np.zeros((0, 3)), np.zeros((0, 3), np.uint8))
    pictures = [_small(capture.picture(v, frame)) for v in views]
    cameras = [_resized(capture.views[v].camera(frame), p) for v, p in zip(views, pictures, strict=True)]
    stack, sizes = _stacked(pictures)
    poses = np.array([np.column_stack([c.R, c.t]) for c in cameras])
    lenses = np.array([(c.fx, c.fy, c.cx, c.cy) for c in cameras])
    each = math.ceil(SPARE * count / len(views))
    means, colors = [], []
    for own, camera in enumerate(cameras):
        pixels, spacing = _grid(camera, each, rng)
        pixels = pixels if known is None else _gaps(camera, pixels, known, CELL * spacing)
        others = _neighbours(cameras, own)
        if not len(pixels) or not len(others):
            continue
        near = nearest(camera)
        inverse = np.linspace(1 / _farthest(camera, near, known), 1 / near, DEPTHS)
        costs = np.empty((len(pixels), DEPTHS), np.float32)
        sweep(stack, sizes, poses, lenses, own, pixels, others, inverse, costs)
        at, fits = _depths(pixels, costs, _textured(stack[own], pixels))
        ray = np.column_stack([(pixels - lenses[own, 2:]) / lenses[own, :2], np.ones(len(pixels))])
        means.append(((ray / inverse[at][:, None] - camera.t) @ camera.R)[fits])
        x, y = pixels[fits].astype(np.intp).T
        colors.append((stack[own, y, x] * 255 + 0.5).astype(np.uint8))
    if not means:
        return SeedPoints(np.zeros((0, 3)), np.zeros((0, 3), np.uint8))
    found, shown = np.concatenate(means), np.concatenate(colors)
    free = [
        (np.linalg.norm(found - c.centre, axis=1) > nearest(c)) | (found @ c.R[2] + c.t[2] <= 0)
        for c in cameras
    ]
    found, shown = found[np.all(free, axis=0)], shown[np.all(free, axis=0)]
    rows = rng.permutation(len(found))[:count]
    return SeedPoints(found[rows], shown[rows])


def nearest(camera: Camera) -> float:
    """How near to a camera anything is sought or kept, units: what hangs before the scene is haze to other views.

    Clearing less (FREE alone) cost capture-trio 1.3 dB of its held-out views.
    """
    to_middle = float(np.linalg.norm(camera.t))
    return max(FREE * to_middle, to_middle - BALL, 1e-2)


def _farthest(camera: Camera, near: float, known: F64 | None) -> float:
    depths = np.zeros(0) if known is None else known @ camera.R[2] + camera.t[2]
    depths = depths[depths > 0]
    return max(
        2 * near, min(FARTHEST, BEHIND * float(np.percentile(depths, 98)) if len(depths) else FARTHEST)
    )


def _textured(picture: npt.NDArray[np.float32], pixels: F64) -> npt.NDArray[np.bool_]:
    """(P,) whether the patch around each pixel shows something to match."""
    grey = picture.mean(-1)
    size = 4 * REACH + 1
    mean = uniform_filter(grey, size)
    spread = np.sqrt(np.maximum(uniform_filter(grey * grey, size) - mean * mean, 0))
    x, y = pixels.astype(np.intp).T
    return np.asarray(spread[y, x] > TEXTURE)


def _depths(
    pixels: F64, costs: npt.NDArray[np.float32], textured: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Index of each pixel's depth, and whether any depth explains it."""
    best = costs.argmin(1)
    least = costs[np.arange(len(costs)), best]
    explains = costs <= (least + SLACK)[:, None]
    fits = least < BAD
    alone = ~fits & (costs[:, 0] >= UNKNOWN)  # far away no other view shows it
    endless = alone | (fits & explains[:, 0] & (explains.mean(1) > ENDLESS))  # sky, or as good as sky
    fits |= alone
    best[endless] = 0
    sure = fits & ~endless & textured & (explains.mean(1) <= SURE)
    sure[sure] = _agree(pixels[sure], best[sure], ALIKE * costs.shape[1])
    unsure = np.flatnonzero(fits & ~sure & ~endless)
    if not sure.any() or not len(unsure):
        return best, fits
    tree = cKDTree(pixels[sure])
    near = np.asarray(tree.query(pixels[unsure], k=min(AROUND, int(sure.sum())))[1]).reshape(len(unsure), -1)
    wanted = np.sort(best[sure][near], axis=1)[:, min(1, near.shape[1] - 1)]  # plain surfaces lie behind
    away = np.abs(np.arange(costs.shape[1])[None] - wanted[:, None])
    best[unsure] = np.where(explains[unsure], away, np.inf).argmin(1)
    return best, fits


def _agree(pixels: F64, best: npt.NDArray[np.intp], most: float) -> npt.NDArray[np.bool_]:
    """(P,) whether two of the pixels around each are at about its depth."""
    if len(pixels) <= AROUND:
        return np.zeros(len(pixels), bool)
    near = np.asarray(cKDTree(pixels).query(pixels, k=AROUND + 1)[1])[:, 1:]
    return np.asarray((np.abs(best[near] - best[:, None]) <= most).sum(1) >= 2)


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
    return usable[np.argsort(away[usable], kind="stable")][[k for k in NEIGHBOURS if k < len(usable)]]
