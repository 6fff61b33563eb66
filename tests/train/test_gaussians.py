"""Back in the capture's world a model looks the same through the capture's own cameras."""

from __future__ import annotations

import numpy as np
import pytest

from gscodec.render.cameras import look_at
from gscodec.render.projection import rotation_matrices
from gscodec.render.rasterize import rasterize
from gscodec.train.captures.model import Normalisation

torch = pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")


@pytest.mark.parametrize("coefficients", [1, 4])
def test_the_inverse_of_the_normalisation_keeps_the_picture(coefficients: int) -> None:
    from gscodec.train.gaussians import Gaussians, to_splats
    from gscodec.train.rasterise import render

    rng = np.random.default_rng(5)
    turn = rotation_matrices(rng.normal(size=(1, 4)))[0]
    normalisation = Normalisation(0.4, turn, np.array([0.2, -0.1, 0.3]))
    shapes = ((80, 3), (80, 4), (80, 3), (80,), (80, coefficients, 3))
    arrays = [rng.normal(0, 0.4, shape) for shape in shapes]
    arrays[2] -= 2.5
    gaussians = Gaussians(*(torch.tensor(a, dtype=torch.float32) for a in arrays))
    world = look_at(
        np.array([4.0, -5.0, 3.0]), np.array([-1.0, 0.2, 0.4]), np.array([0.0, 0.0, 1.0]), 0.9, 64
    )
    trained = render(gaussians.activated(), [normalisation.camera(world)])[0, ..., :3].numpy()
    splats = to_splats(gaussians, normalisation, (0.0, 0.0, 1.0), "classic")
    assert trained.max() > 0.1
    assert np.abs(rasterize(splats, world)[0] - trained).max() < 2e-3
