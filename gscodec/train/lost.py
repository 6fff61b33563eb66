"""Where a frame's picture is lost: much further from what was captured than anything that its GOP's first frame shows.

Pictures are looked at in cells. A cell is lost where its error is several times the largest that the first frame has
around there, and many times what nearly all its cells have: details that training misses are missed there too, while
something that no Gaussian shows is off by more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as nn

from gscodec.train.captures.model import Capture, Picture
from gscodec.train.colour import CameraColours
from gscodec.train.gaussians import Gaussians
from gscodec.train.rasterise import render

__all__ = ["Lost", "Usual", "error_over_both", "picture_error", "usual_errors"]

CELLS = 24  # along a picture's larger side; smaller ones are lost at every edge that moves
LEAST_CELL = 4  # pixels a side
NEARLY_ALL = 0.95  # of the cells that show anything
TIMES = 10.0  # their error; capture-fox comes to 6.3 in the view that VIEWS asks for
NEAR_TIMES = 3.0  # the largest error around
FLOOR = 1e-2  # mean squared error that is never too much
WORSE = 1.5  # times an error that could not be mended: worth another try
VIEWS = 0.25  # of the views, and two, in which something is lost, or it is noise


@dataclass(frozen=True, eq=False)
class Lost:
    """What is lost of one frame, by view: mean squared errors of the lost cells (h, w), 0 elsewhere; and of pixels."""

    cells: dict[int, torch.Tensor]
    pixels: dict[int, npt.NDArray[np.bool_]]  # (H, W), within lost cells
    share: float  # lost cells of those that show anything

    @property
    def total(self) -> float:
        return sum(float(cells.sum()) for cells in self.cells.values())


@dataclass(frozen=True, eq=False)
class Usual:
    """Errors above which a cell is lost, by view (h, w), and where a view lacks the first frame."""

    limits: dict[int, torch.Tensor]
    limit: float
    kernel: str
    colours: CameraColours | None

    def lost(
        self,
        gaussians: Gaussians,
        capture: Capture,
        frame: int,
        failed: Mapping[int, torch.Tensor] | None = None,
    ) -> Lost:
        """Nothing is unless several views say so.

        `failed`: errors by view (h, w) that could not be mended; there and around nothing is lost that is not worse.
        """
        cells: dict[int, torch.Tensor] = {}
        pixels: dict[int, npt.NDArray[np.bool_]] = {}
        shown = lost = agree = 0
        views = [view for view in capture.train_views if capture.views[view].has(frame)]
        for view in views:
            error = picture_error(gaussians, capture, view, frame, self.kernel, self.colours)
            mean = _cells(error)
            limit = self.limits.get(view, torch.full_like(mean, self.limit))
            if failed and view in failed:
                limit = torch.maximum(limit, WORSE * _around(failed[view].to(limit)))
            off = mean > limit
            shown += int((mean > 0).sum())
            lost += int(off.sum())
            agree += bool(off.any())
            cells[view] = torch.where(off, mean, 0)
            side = _side(error)
            wide = off.repeat_interleave(side, 0).repeat_interleave(side, 1)[: len(error), : error.shape[1]]
            pixels[view] = (wide & (error > self.limit)).cpu().numpy()
        if agree < max(2, VIEWS * len(views)):
            return Lost({}, {}, 0.0)
        return Lost(cells, pixels, lost / max(1, shown))


def usual_errors(
    gaussians: Gaussians, capture: Capture, frame: int, kernel: str, colours: CameraColours | None
) -> Usual:
    """Of a GOP's first frame."""
    means = {
        view: _cells(picture_error(gaussians, capture, view, frame, kernel, colours))
        for view in capture.train_views
        if capture.views[view].has(frame)
    }
    known = np.concatenate([m[m > 0].cpu().numpy() for m in means.values()] or [np.zeros(0)])
    usual = float(np.quantile(known, NEARLY_ALL)) if len(known) else 0.0
    limit = max(FLOOR, TIMES * usual)
    limits = {v: (NEAR_TIMES * _around(m)).clamp(min=limit) for v, m in means.items()}
    return Usual(limits, limit, kernel, colours)


def picture_error(
    gaussians: Gaussians, capture: Capture, view: int, frame: int, kernel: str, colours: CameraColours | None
) -> torch.Tensor:
    """(H, W) squared error of what is drawn, as `error_over_both` has it."""
    with torch.no_grad():
        drawn = render(gaussians.activated(), [capture.views[view].camera(frame)], kernel=kernel)[0]
        rgb, alpha = drawn[..., :3], drawn[..., 3:]
        rgb = rgb if colours is None else colours(rgb, alpha, view)
        return error_over_both(rgb, alpha, capture.picture(view, frame), torch.square)


def error_over_both(
    rgb: torch.Tensor, alpha: torch.Tensor, picture: Picture, size: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """(H, W) of rgb (H, W, 3) and alpha (H, W, 1): `size` of the error, mean over RGB and over black and white behind.

    0 where nothing is known.
    """
    total = torch.zeros_like(rgb[..., 0])
    for background in (0.0, 1.0):
        target = torch.from_numpy(picture.over(background)).to(rgb.device)
        total += size(rgb + background * (1 - alpha) - target).mean(-1) / 2
    return total if picture.valid is None else total * torch.from_numpy(picture.valid).to(rgb.device)


def _around(cells: torch.Tensor) -> torch.Tensor:
    """(h, w) the largest of each cell and its neighbours."""
    return nn.max_pool2d(cells[None, None], 3, 1, 1)[0, 0]


def _side(error: torch.Tensor) -> int:
    return max(LEAST_CELL, round(max(error.shape) / CELLS))


def _cells(error: torch.Tensor) -> torch.Tensor:
    """Means of (H, W) over square cells, those at the right and below smaller perhaps."""
    side = _side(error)
    return nn.avg_pool2d(error[None, None], side, ceil_mode=True, count_include_pad=False)[0, 0]
