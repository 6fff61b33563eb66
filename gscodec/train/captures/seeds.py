"""Where Gaussians start: the capture's points and what a plane sweep finds in their gaps, or the hull of its masks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from gscodec.render.cameras import Camera
from gscodec.train.captures.model import Capture, SeedPoints
from gscodec.train.captures.structure import triangulated
from gscodec.train.captures.sweep import swept_seeds

__all__ = ["CUBE", "GRID", "MASK_ON", "carve", "seed_points", "seen_colors", "visual_hull", "volume_seeds"]

F64 = npt.NDArray[np.float64]

GRID = 96  # cells a side of the hull's cube
CUBE = 1.3  # half its side; the region of interest has radius 1
AGREE = 0.95  # of the views that see a cell must have it in their masks: masks have holes
MASK_ON = 32  # alpha from which a pixel counts: thin parts are half transparent


def seed_points(capture: Capture, count: int, *, frame: int = 0, seed: int = 0) -> SeedPoints:
    """At most `count` points in normalised coordinates, at least one.

    Masked captures: their own points, else their masks' hull. Others: their own points or pycolmap's, about half of the
    count, and what a plane sweep finds where those leave gaps, background included. Where there is nothing of that kind, random
    places that most cameras see.
    """
    rng = np.random.default_rng(seed)
    points = capture.points
    if points is not None and not len(points.means):
        points = None
    if capture.masked:
        points = points or visual_hull(capture, frame)
        if len(points.means):
            rows = rng.choice(len(points.means), count, replace=len(points.means) < count)
            return SeedPoints(points.means[rows], points.colors[rows])
        return volume_seeds(capture, count, frame=frame, rng=rng)
    points = points or triangulated(capture, frame)
    if points is None:
        found = swept_seeds(capture, count, frame=frame, rng=rng)
        return found if len(found.means) else volume_seeds(capture, count, frame=frame, rng=rng)
    gaps = swept_seeds(capture, count // 2, frame=frame, rng=rng, known=points.means)
    rows = rng.permutation(len(points.means))[: count - len(gaps.means)]
    return SeedPoints(
        np.concatenate([points.means[rows], gaps.means]), np.concatenate([points.colors[rows], gaps.colors])
    )


def visual_hull(capture: Capture, frame: int = 0, grid: int = GRID) -> SeedPoints:
    """Centres of the hull's surface cells, coloured by the median of the views that have them in their masks.

    Empty where masks agree on nothing: then calibration or masks are wrong.
    """
    views = [v for v in capture.train_views if capture.views[v].has(frame)]
    masks = ((v, capture.picture(v, frame).mask) for v in views)  # one at a time is in memory
    shown = ((v, mask >= MASK_ON) for v, mask in masks if mask is not None)
    surface = carve(capture, shown, frame, need=len(views) // 2, agree=AGREE, grid=grid)
    return SeedPoints(surface, _colors(capture, surface, frame, views))


def carve(
    capture: Capture,
    shown: Iterable[tuple[int, npt.NDArray[np.bool_]]],
    frame: int,
    *,
    need: int,
    agree: float,
    grid: int = GRID,
) -> F64:
    """(M, 3) centres of the surface cells of what views show, each with a map (H, W) of where it does.

    A cell is full if `need` of the views see it, two at least, and a share `agree` of those show it.
    """
    axis = (np.arange(grid) + 0.5) * (2 * CUBE / grid) - CUBE
    cells = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    inside, seen = np.zeros(len(cells), np.int32), np.zeros(len(cells), np.int32)
    for view, where in shown:
        rows, columns, visible = _project(capture.views[view].camera(frame), cells)
        seen += visible
        inside[visible] += where[rows[visible], columns[visible]]
    full = ((seen >= max(2, need)) & (inside >= agree * seen)).reshape(grid, grid, grid)
    padded = np.pad(full, 1)
    middle = slice(1, -1)
    buried = full.copy()
    for dim in range(3):
        for shift in (slice(None, -2), slice(2, None)):
            buried &= padded[tuple(shift if d == dim else middle for d in range(3))]
    surface: F64 = cells[(full & ~buried).reshape(-1)]
    return surface


def volume_seeds(capture: Capture, count: int, *, frame: int = 0, rng: np.random.Generator) -> SeedPoints:
    """Random points where most training cameras look, nearer ones denser: half in the ball, half out to 8 radii."""
    views = [v for v in capture.train_views if capture.views[v].has(frame)]
    found: list[F64] = []
    need = max(1, len(views) // 4)
    for _ in range(50):
        way = rng.normal(size=(4 * count, 3))
        way /= np.linalg.norm(way, axis=1, keepdims=True)
        near = rng.random(len(way)) < 0.5
        radius = np.where(near, np.cbrt(rng.random(len(way))), 8 ** rng.random(len(way)))
        points = way * radius[:, None]
        seen = np.zeros(len(points), np.int32)
        for view in views:
            seen += _project(capture.views[view].camera(frame), points)[2]
        found.append(points[seen >= need])
        if sum(map(len, found)) >= count:
            break
    means = np.concatenate(found)[:count]
    return SeedPoints(means, _colors(capture, means, frame, views))


def _project(
    camera: Camera, points: F64
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Row, column and whether it is in the picture, of each point (N, 3)."""
    p = points @ camera.R.T + camera.t
    z = np.where(p[:, 2] > 1e-6, p[:, 2], np.inf)
    u, v = camera.fx * p[:, 0] / z + camera.cx, camera.fy * p[:, 1] / z + camera.cy
    visible = (p[:, 2] > 1e-6) & (u >= 0) & (u < camera.width) & (v >= 0) & (v < camera.height)
    clip = np.clip
    return (
        clip(v, 0, camera.height - 1).astype(np.intp), clip(u, 0, camera.width - 1).astype(np.intp), np.asarray(visible),
    )  # fmt: skip


def seen_colors(
    capture: Capture, points: F64, frame: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """(N, 3) median over the training views that show each point, grey where none does, and (N,) whether one does."""
    views = [v for v in capture.train_views if capture.views[v].has(frame)]
    shown = np.zeros(len(points), bool)
    for view in views:
        shown |= _project(capture.views[view].camera(frame), points)[2]
    return _colors(capture, points, frame, views), shown


def _colors(capture: Capture, points: F64, frame: int, views: list[int]) -> npt.NDArray[np.uint8]:
    """(N, 3) median over the views that show each point; grey where none does."""
    samples = np.full((len(views), len(points), 3), np.nan, np.float32)
    for i, view in enumerate(views):
        picture = capture.picture(view, frame)
        rows, columns, visible = _project(capture.views[view].camera(frame), points)
        if picture.mask is not None:
            visible &= picture.mask[rows, columns] >= MASK_ON
        samples[i, visible] = picture.rgb[rows[visible], columns[visible]]
    unseen = np.isnan(samples).all(axis=0)
    samples[0][unseen] = 128
    return np.nanmedian(samples, axis=0).astype(np.uint8)
