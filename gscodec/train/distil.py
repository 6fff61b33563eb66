"""Spherical harmonics to a lower degree: a student of the same shapes learns the colours that its teacher shows.

LightGaussian (Fan et al. 2024, section 3.3): pictures of pseudo views, training cameras that are shifted at random, so
that the student doesn't learn by heart what a few places see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from gscodec.render.cameras import Camera
from gscodec.train.captures.model import Capture
from gscodec.train.gaussians import Gaussians
from gscodec.train.losses import photometric
from gscodec.train.rasterise import render

__all__ = ["Report", "distil", "pseudo_view"]

Report = Callable[[int, float], None]

SHIFT = 0.05  # standard deviation, of the way to the middle of the scene
RATE = 2e-3


def pseudo_view(camera: Camera, rng: np.random.Generator) -> Camera:
    """The same camera from a place nearby."""
    way = rng.normal(0, SHIFT * float(np.linalg.norm(camera.centre)), 3)
    return replace(camera, t=camera.t - camera.R @ way)


def distil(
    teacher: Gaussians,
    capture: Capture,
    frame: int,
    kernel: str,
    degree: int,
    iterations: int,
    rng: np.random.Generator,
    report: Report | None = None,
) -> Gaussians:
    """The teacher with SH of `degree`; places, shapes and opacities are the teacher's, bit for bit."""
    student, teacher = teacher.fixed(), teacher.fixed()
    student.sh = student.sh[:, : (degree + 1) ** 2].clone().requires_grad_()
    adam = torch.optim.Adam([student.sh], lr=RATE, eps=1e-15)
    views = [v for v in capture.train_views if capture.views[v].has(frame)]
    for _ in range(iterations):
        camera = pseudo_view(capture.views[int(rng.choice(views))].camera(frame), rng)
        with torch.no_grad():
            target = render(teacher.activated(), [camera], kernel=kernel)[0, ..., :3]
        loss = photometric(render(student.activated(), [camera], kernel=kernel)[0, ..., :3], target)
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        if report:
            report(1, float(loss.detach()))
    return student.fixed()
