"""What trained splats look like beside the captured pictures of the views held out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from gscodec.render.cameras import Camera
from gscodec.render.metrics import Picture, mse_to_psnr
from gscodec.render.rasterize import rasterize
from gscodec.splats.model import Splats
from gscodec.train.captures.model import Capture
from gscodec.train.rasterise import Attributes, render

__all__ = ["drawn", "held_out_psnr", "kernel_of"]

FAR_DB = 100.0


def kernel_of(splats: Splats) -> str:
    return "compensated" if splats.antialiased else "classic"


def held_out_psnr(capture: Capture, splats: Splats, frame: int, kernel: str | None = None) -> list[float]:
    """PSNR of splats in the capture's world over the whole picture on black, dB, one a held-out view.

    Pixels that are not valid don't count; pictures clipped, not rounded. `kernel`: None as the splats say.
    """
    kernel = kernel or kernel_of(splats)
    out = []
    for view in capture.test_views:
        if capture.views[view].has(frame):
            camera = capture.normalisation.inverse.camera(capture.views[view].camera(frame))
            picture = capture.picture(view, frame)
            error = (np.clip(drawn(splats, camera, kernel)[0], 0, 1) - picture.over(0.0)) ** 2
            error = error if picture.valid is None else error[picture.valid]
            out.append(min(FAR_DB, mse_to_psnr(float(np.mean(error.astype(np.float64))))))
    return out


def drawn(splats: Splats, camera: Camera, kernel: str) -> Picture:
    """(H, W, 3) on black and (H, W) alpha; the analytic kernel is the trainer's alone."""
    if kernel != "analytic":
        return rasterize(splats, camera, kernel=kernel)
    arrays = (splats.means, splats.quats, splats.scales, splats.opacities, splats.sh)
    attributes = Attributes(*(torch.from_numpy(a.copy()) for a in arrays))
    picture: npt.NDArray[np.float32] = np.asarray(render(attributes, [camera], kernel=kernel)[0].numpy())
    return picture[..., :3], picture[..., 3]
