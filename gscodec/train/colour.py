"""Cameras differ in exposure and white balance: an affine map of colours for each, learnt beside the Gaussians."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from gscodec.base.errors import UNREADABLE
from gscodec.train.captures.model import Capture
from gscodec.train.store import load_arrays, not_ours, save_arrays

__all__ = ["RATE", "CameraColours"]

RATE = 2e-3
NEAR_IDENTITY = 0.02  # weight of the squared distance from it


@dataclass
class CameraColours:
    """shown = colour @ matrix + offset, one of each for every training view; their mean is the identity.

    A view that was held out is shown as the Gaussians are.
    """

    views: tuple[int, ...]
    matrices: torch.Tensor  # (V, 3, 3)
    offsets: torch.Tensor  # (V, 3)

    @classmethod
    def identity(cls, views: list[int], device: str) -> CameraColours:
        """Leaves with gradients."""
        matrices = torch.eye(3, device=device).repeat(len(views), 1, 1).requires_grad_()
        return cls(tuple(views), matrices, torch.zeros(len(views), 3, device=device).requires_grad_())

    def tensors(self) -> dict[str, torch.Tensor]:
        return {"matrices": self.matrices, "offsets": self.offsets}

    def fixed(self) -> CameraColours:
        return CameraColours(self.views, self.matrices.detach().clone(), self.offsets.detach().clone())

    def save(self, path: Path) -> None:
        save_arrays(path, self.tensors())

    @classmethod
    def load(cls, path: Path, capture: Capture, device: str) -> CameraColours:
        """Of the capture's training views. Raises BadInput where the file isn't one of ours."""
        arrays, views = load_arrays(path, "the cameras' colours"), tuple(capture.train_views)
        try:
            matrices, offsets = (torch.from_numpy(arrays[n]).to(device) for n in ("matrices", "offsets"))
            if matrices.shape != (len(views), 3, 3) or offsets.shape != (len(views), 3):
                raise ValueError("of other cameras")
        except UNREADABLE as error:
            raise not_ours(path, "the cameras' colours") from error
        return cls(views, matrices, offsets)

    def __call__(self, picture: torch.Tensor, alpha: torch.Tensor, view: int) -> torch.Tensor:
        """A picture (H, W, 3) over black as `view`'s camera shows it; alpha (H, W, 1) weighs the offset."""
        row = self.views.index(view)
        out: torch.Tensor = picture @ self.matrices[row] + alpha * self.offsets[row]
        return out

    def strain(self) -> torch.Tensor:
        """What being away from the identity costs."""
        away = (self.matrices - torch.eye(3, device=self.matrices.device)).square().sum((1, 2))
        return NEAR_IDENTITY * (away + self.offsets.square().sum(1)).mean()

    def centre(self) -> None:
        """Make the mean over the cameras the identity again: what all share belongs to the Gaussians."""
        with torch.no_grad():
            self.matrices += torch.eye(3, device=self.matrices.device) - self.matrices.mean(0)
            self.offsets -= self.offsets.mean(0)
