"""Whether GOPs that were trained apart show where they meet: the temporal measure across borders and inside.

Of each two consecutive frames, how the held-out views change in the pictures as drawn against how they change as
captured (the project's measure, render/measure.py): a jump that the scene does not make lowers it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gscodec.render.measure import change_psnr
from gscodec.render.metrics import Picture
from gscodec.splats.model import Splats
from gscodec.train.captures.model import Capture
from gscodec.train.scores import drawn

__all__ = ["Seams", "measure_seams"]


@dataclass(frozen=True)
class Seams:
    """dB, one a pair of frames, the mean over its views; `border` by the frame that begins a GOP."""

    inside: dict[int, float] = field(default_factory=dict)
    border: dict[int, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Means, and how border pairs stand against those inside; nothing where there are no pairs."""
        out: dict[str, Any] = {}
        for name, pairs in (("inside", self.inside), ("border", self.border)):
            if pairs:
                out[name] = float(np.mean(list(pairs.values())))
        if len(out) == 2:
            out["difference"] = out["border"] - out["inside"]
        return out


def measure_seams(
    capture: Capture, frames: range, shown: Iterable[Splats], starts: Iterable[int], kernel: str
) -> Seams:
    """`shown`: splats in the capture's world, one for each of `frames`; `starts`: first frames of GOPs.

    Pixels that are not valid in both pictures don't count, nor do views that lack one. Two frames are held at a time.
    """
    seams, borders = Seams(), set(starts)
    before: dict[int, tuple[Picture, Picture, Any]] = {}
    for frame, splats in zip(frames, shown, strict=True):
        now = {
            v: _pair(capture, splats, v, frame, kernel)
            for v in capture.test_views
            if capture.views[v].has(frame)
        }
        values = []
        for view in now.keys() & before.keys():
            (*a, seen_a), (*b, seen_b) = before[view], now[view]
            values.append(change_psnr((a[0], a[1]), (b[0], b[1]), seen_a & seen_b))
        if values:
            (seams.border if frame in borders else seams.inside)[frame] = float(np.mean(values))
        before = now
    return seams


def _pair(
    capture: Capture, splats: Splats, view: int, frame: int, kernel: str
) -> tuple[Picture, Picture, np.ndarray]:
    """What was captured and what is drawn, over black with alpha; and where something is known."""
    picture = capture.picture(view, frame)
    rgb = picture.over(0.0)
    alpha = np.ones(rgb.shape[:2], np.float32)
    if picture.mask is not None:
        alpha = picture.mask.astype(np.float32) / np.float32(255)
    camera = capture.normalisation.inverse.camera(capture.views[view].camera(frame))
    valid = np.ones(rgb.shape[:2], np.bool_) if picture.valid is None else picture.valid
    return (rgb, alpha), drawn(splats, camera, kernel), valid
