"""What a picture would lose without each Gaussian, against pictures drawn without it; cameras all around."""

from __future__ import annotations

import numpy as np
import pytest

from gscodec.render.rasterize import rasterize
from gscodec.render.sensitivity import sensitivity_cameras
from gscodec.render.views import orbit
from gscodec.render.visibility import all_round_cameras, losses_without
from gscodec.splats.model import Splats


def ball(n: int, radius: float, opacity: float, size: float, seed: int = 0) -> Splats:
    """n round Gaussians spread over a sphere, of all colours."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(n, 3))
    means *= radius / np.linalg.norm(means, axis=1, keepdims=True)
    return Splats(
        means=means.astype(np.float32),
        quats=np.tile(np.array([1, 0, 0, 0], np.float32), (n, 1)),
        scales=np.full((n, 3), size, np.float32),
        opacities=np.full(n, opacity, np.float32),
        sh=rng.normal(scale=0.5, size=(n, 1, 3)).astype(np.float32),
    )


def joined(a: Splats, b: Splats) -> Splats:
    arrays = ("means", "quats", "scales", "opacities", "sh")
    return Splats(**{name: np.concatenate([getattr(a, name), getattr(b, name)]) for name in arrays})


def squared_error(a: Splats, b: Splats, camera: object, kernel: str) -> float:
    """Summed over pixels and RGB, mean over black and white."""
    (x, p), (y, q) = (rasterize(s, camera, kernel=kernel) for s in (a, b))  # type: ignore[arg-type]
    x, y = x.astype(np.float64), y.astype(np.float64)
    change = x - y - (p.astype(np.float64) - q)[..., None]
    return float(0.5 * ((x - y) ** 2).sum() + 0.5 * (change**2).sum())


@pytest.mark.parametrize("kernel", ["classic", "compensated"])
def test_losses_are_those_of_pictures_without_a_gaussian(kernel: str) -> None:
    splats = ball(30, 1.0, 0.6, 0.2)
    cameras = sensitivity_cameras(splats, None, seed=0, size=48, count=3)
    got = losses_without(splats, cameras, kernel=kernel)
    for i in range(0, 30, 7):
        without = splats.take(np.delete(np.arange(30), i))
        want = max(squared_error(splats, without, camera, kernel) for camera in cameras)
        assert got[i] == pytest.approx(want, rel=2e-3, abs=1e-5)


def test_what_a_shell_hides_is_lost_by_no_camera() -> None:
    splats = joined(ball(1500, 1.0, 0.99, 0.12), ball(20, 0.3, 0.9, 0.05, seed=1))
    losses = losses_without(splats, all_round_cameras(splats, seed=0, size=64, count=12), kernel="classic")
    assert losses[1500:].max() < 1e-6
    assert np.median(losses[:1500]) > 1e-3


def test_cameras_look_from_all_sides() -> None:
    splats = ball(100, 1.0, 0.9, 0.1)
    frame = orbit(splats)
    cameras = all_round_cameras(splats, seed=3, size=64, count=48)
    directions = np.stack([(c.centre - frame.centre) for c in cameras]) / frame.radius
    distances = np.linalg.norm(directions, axis=1)
    assert set(np.round(distances, 6)) == {1.2, 1.7, 2.2}
    directions /= distances[:, None]
    rng = np.random.default_rng(0)
    asked = rng.normal(size=(200, 3))
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    assert (asked @ directions.T).max(axis=1).min() > np.cos(np.deg2rad(25))
    assert all(np.allclose(c.R @ c.R.T, np.eye(3)) for c in cameras)
    assert all(np.allclose((c.R @ frame.centre + c.t)[:2], 0, atol=1e-9) for c in cameras)
