"""Differentiable rendering for training: one autograd function over the CPU kernels, gsplat on CUDA behind the same call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gscodec.base.errors import Misuse
from gscodec.render.cameras import Camera
from gscodec.train.kernels import blend as tiles
from gscodec.train.kernels import project as geometry
from gscodec.train.kernels.analytic import blend_analytic, blend_analytic_backward

__all__ = ["KERNELS", "Attributes", "render"]

KERNELS = {"classic": geometry.CLASSIC, "compensated": geometry.COMPENSATED, "analytic": geometry.ANALYTIC}
F = np.float32


@dataclass
class Attributes:
    """Activated attributes of N Gaussians as tensors, gsplat's names; quaternions wxyz need not be unit."""

    means: torch.Tensor  # (N, 3)
    quats: torch.Tensor  # (N, 4)
    scales: torch.Tensor  # (N, 3) linear
    opacities: torch.Tensor  # (N,)
    sh: torch.Tensor  # (N, K, 3)

    def tensors(self) -> tuple[torch.Tensor, ...]:
        return self.means, self.quats, self.scales, self.opacities, self.sh


def render(attributes: Attributes, cameras: list[Camera], *, kernel: str = "classic") -> torch.Tensor:
    """(B, H, W, 4): colour over black and alpha of cameras of one size. CUDA tensors are drawn by gsplat.

    Raises Misuse where gsplat lacks the kernel.
    """
    if attributes.means.is_cuda:
        if kernel == "analytic":
            raise Misuse("the analytic kernel is drawn on the CPU", kernel=kernel)
        return _gsplat(attributes, cameras, kernel)
    pictures = [_Draw.apply(camera, KERNELS[kernel], *attributes.tensors()) for camera in cameras]
    return torch.stack(pictures)


class _Draw(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, camera: Camera, kernel: int, *tensors: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        arrays = [np.ascontiguousarray(t.detach().numpy(), F) for t in tensors]
        n = len(arrays[0])
        shape, depth, reach = np.zeros((n, geometry.SHAPE), F), np.zeros(n, F), np.zeros((n, 2), F)
        lens = np.array([camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height])
        place = (np.ascontiguousarray(camera.R), np.ascontiguousarray(camera.t), lens, kernel)
        geometry.project(*arrays, *place, shape, depth, reach)
        window = np.array([0, 0, camera.width, camera.height])
        starts, members = tiles.bin_tiles(np.argsort(depth, kind="stable"), shape, reach, window)
        picture = np.zeros((camera.height, camera.width, 4), F)
        forward = blend_analytic if kernel == geometry.ANALYTIC else tiles.blend
        forward(starts, members, shape, reach, window, picture)
        ctx.held = (arrays, place, shape, reach, window, starts, members, picture)
        return torch.from_numpy(picture)

    @staticmethod
    def backward(ctx: Any, v_picture: torch.Tensor) -> Any:  # type: ignore[override]
        arrays, place, shape, reach, window, starts, members, picture = ctx.held
        rows, by_shape = np.empty((len(members), geometry.SHAPE), F), np.zeros_like(shape)
        v = np.ascontiguousarray(v_picture.numpy(), F)
        backward = blend_analytic_backward if place[-1] == geometry.ANALYTIC else tiles.blend_backward
        backward(starts, members, shape, reach, window, picture, v, rows)
        tiles.gather(members, rows, by_shape)
        gradients = [np.zeros_like(a) for a in arrays]
        geometry.project_backward(*arrays, *place, reach, by_shape, *gradients)
        return (None, None, *map(torch.from_numpy, gradients))


def _gsplat(attributes: Attributes, cameras: list[Camera], kernel: str) -> torch.Tensor:
    """The same by gsplat's CUDA rasteriser (not measured on a GPU)."""
    from gsplat import rasterization

    device = attributes.means.device
    views = np.tile(np.eye(4), (len(cameras), 1, 1))
    lenses = np.tile(np.eye(3), (len(cameras), 1, 1))
    for view, lens, c in zip(views, lenses, cameras, strict=True):
        view[:3, :3], view[:3, 3] = c.R, c.t
        lens[0, 0], lens[1, 1], lens[0, 2], lens[1, 2] = c.fx, c.fy, c.cx, c.cy
    rgb, alpha, _ = rasterization(
        attributes.means, attributes.quats, attributes.scales, attributes.opacities, attributes.sh,
        torch.tensor(views, dtype=torch.float32, device=device),
        torch.tensor(lenses, dtype=torch.float32, device=device),
        cameras[0].width, cameras[0].height,
        sh_degree=round(attributes.sh.shape[1] ** 0.5) - 1, packed=False,
        rasterize_mode="antialiased" if kernel == "compensated" else "classic",
    )  # fmt: skip
    return torch.cat([rgb, alpha], dim=-1)
