"""The trainable form of Gaussians (logs and logits), and the way back to Splats in the capture's world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gscodec.codec.model import rotation
from gscodec.splats.model import Splats
from gscodec.train.captures.model import Normalisation, SeedPoints
from gscodec.train.rasterise import Attributes

__all__ = [
    "NAMES", "Y0", "Gaussians", "conjugate", "from_colours", "from_seeds", "product", "to_splats", "turned",
]  # fmt: skip

F64 = npt.NDArray[np.float64]

Y0 = 0.28209479177387814
NAMES = ("means", "quats", "log_scales", "logits", "sh")
START_OPACITY = 0.3
LARGEST = 0.05  # of a Gaussian's distance, to begin with


@dataclass
class Gaussians:
    """N Gaussians as float32 tensors, normalised coordinates."""

    means: torch.Tensor  # (N, 3)
    quats: torch.Tensor  # (N, 4) wxyz, not necessarily unit
    log_scales: torch.Tensor  # (N, 3)
    logits: torch.Tensor  # (N,)
    sh: torch.Tensor  # (N, K, 3)

    def tensors(self) -> dict[str, torch.Tensor]:
        return {name: getattr(self, name) for name in NAMES}

    def trainable(self) -> Gaussians:
        """A copy whose tensors are leaves with gradients."""
        return Gaussians(*(t.detach().clone().requires_grad_() for t in self.tensors().values()))

    def fixed(self) -> Gaussians:
        return Gaussians(*(t.detach().clone() for t in self.tensors().values()))

    def take(self, rows: torch.Tensor) -> Gaussians:
        """Copies of `rows` (M,)."""
        return Gaussians(*(t.detach()[rows] for t in self.tensors().values()))

    def extended(self, count: int) -> Gaussians:
        """A copy with `count` more rows of zeros."""
        return Gaussians(
            *(torch.cat([t, t.new_zeros(count, *t.shape[1:])]) for t in self.fixed().tensors().values())
        )

    def activated(self) -> Attributes:
        return Attributes(
            self.means, self.quats, torch.exp(self.log_scales), torch.sigmoid(self.logits), self.sh
        )


def from_seeds(seeds: SeedPoints, sh_degree: int, device: str) -> Gaussians:
    """One round Gaussian a point, as large as the way to its nearest neighbours, at most a twentieth of its distance.

    Distances count from the middle of the scene, and there as 1: what is far is larger.
    """
    from scipy.spatial import cKDTree

    n = len(seeds.means)
    reach = np.asarray(cKDTree(seeds.means).query(seeds.means, k=min(4, n))[0]).reshape(n, -1)[:, 1:]
    most = LARGEST * np.maximum(1, np.linalg.norm(seeds.means, axis=1))
    size = np.clip(reach.mean(axis=1) if reach.shape[1] else most, 2e-3, most)
    return from_colours(seeds.means, seeds.colors, size, START_OPACITY, (sh_degree + 1) ** 2, device)


def from_colours(
    means: F64,
    colors: npt.NDArray[Any],
    size: F64,
    opacity: float,
    coefficients: int,
    device: str | torch.device,
) -> Gaussians:
    """Round ones, the same from all sides; means (N, 3), colors (N, 3) 0..255, size (N,) standard deviation."""
    n = len(means)
    sh = np.zeros((n, coefficients, 3))
    sh[:, 0] = (colors / 255 - 0.5) / Y0
    quats = np.tile([1.0, 0, 0, 0], (n, 1))
    logits = np.full(n, np.log(opacity / (1 - opacity)))
    logs = np.repeat(np.log(size)[:, None], 3, axis=1)
    arrays = (means, quats, logs, logits, sh)
    return Gaussians(*(torch.tensor(a, dtype=torch.float32, device=device) for a in arrays))


def to_splats(
    gaussians: Gaussians, normalisation: Normalisation, up: tuple[float, float, float], kernel: str
) -> Splats:
    """In the capture's world: the inverse of the normalisation applied to positions, shapes and SH of degree 1."""
    back = normalisation.inverse
    m, q, s, o, sh = (t.detach().cpu().numpy().astype(np.float64) for t in gaussians.activated().tensors())
    turn = np.broadcast_to(rotation.from_matrix(back.R[None]), q.shape)
    quats = rotation.multiply(turn, q / np.linalg.norm(q, axis=1, keepdims=True))
    sh = sh.copy()
    if sh.shape[1] == 4:  # degree 1 is a vector, spelled -y, z, -x
        vector = np.stack([-sh[:, 3], -sh[:, 1], sh[:, 2]], axis=1)
        vector = np.einsum("ab,nbc->nac", back.R, vector)
        sh[:, 1], sh[:, 2], sh[:, 3] = -vector[:, 1], vector[:, 2], -vector[:, 0]
    x, y, z = (float(v) for v in back.R @ np.array(up))
    arrays = [np.ascontiguousarray(a, np.float32) for a in (back.apply(m), quats, s * back.scale, o, sh)]
    return Splats(
        means=arrays[0], quats=arrays[1], scales=arrays[2], opacities=arrays[3], sh=arrays[4], up=(x, y, z),
        antialiased=kernel == "compensated",
    )  # fmt: skip


def turned(q: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Vectors x (..., 3) turned by unit quaternions q (..., 4), wxyz."""
    v = q[..., 1:].expand_as(x)
    c = 2 * torch.linalg.cross(v, x)
    out: torch.Tensor = x + q[..., :1] * c + torch.linalg.cross(v, c)
    return out


def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Quaternion product, rows wxyz."""
    w, v, x, u = a[:, :1], a[:, 1:], b[:, :1], b[:, 1:]
    return torch.cat([w * x - (v * u).sum(1, keepdim=True), w * u + x * v + torch.linalg.cross(v, u)], dim=1)


def conjugate(q: torch.Tensor) -> torch.Tensor:
    """The inverse of unit quaternions (N, 4), wxyz."""
    return q * q.new_tensor([1.0, -1, -1, -1])
