"""The renderer against its float64 twin; gradients and sensitivities against finite differences; the measure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gscodec.render import metrics
from gscodec.render.cameras import Camera, look_at
from gscodec.render.measure import compare, measured_frames
from gscodec.render.metrics import psnr, ssim
from gscodec.render.rasterize import rasterize
from gscodec.render.sensitivity import KEEP_AWAY, sensitivity, sensitivity_cameras
from gscodec.render.views import measured_directions, named_views, orbit
from gscodec.splats.model import Splats
from tests.reference.render_backward import rasterize_backward
from tests.reference.render_reference import render

SIZE = 20


def scene(n: int = 6, seed: int = 0, spread: float = 0.5) -> dict[str, np.ndarray]:
    """Soft Gaussians well inside the picture, alphas away from every threshold."""
    rng = np.random.default_rng(seed)
    q = rng.normal(size=(n, 4))
    return {
        "means": rng.uniform(-spread, spread, (n, 3)),
        "quats": q / np.linalg.norm(q, axis=1, keepdims=True),
        "scales": rng.uniform(0.25, 0.6, (n, 3)),
        "opacities": rng.uniform(0.2, 0.6, n),
        "sh": rng.uniform(-0.3, 0.5, (n, 4, 3)),
    }


def splats_of(arrays: dict[str, np.ndarray]) -> Splats:
    return Splats(**{k: v.astype(np.float32) for k, v in arrays.items()})


def camera(size: int = SIZE) -> Camera:
    return look_at(np.array([0.4, -0.3, -2.5]), np.zeros(3), np.array([0.0, -1.0, 0.0]), np.pi / 4, size)


@pytest.mark.parametrize("kernel", ["classic", "compensated"])
def test_pictures_equal_the_reference(kernel: str) -> None:
    arrays = scene(30, spread=1.0)
    arrays["scales"] *= 0.2
    want = render(arrays, camera(40), kernel)
    rgb, alpha = rasterize(splats_of(arrays), camera(40), kernel=kernel)
    differs = np.abs(np.concatenate([rgb, alpha[..., None]], 2) - want).max(axis=2) > 1 / 255
    assert differs.mean() <= 0.001


def test_gaussians_behind_the_camera_are_not_drawn() -> None:
    arrays = scene()
    arrays["means"][:, 2] -= 10
    assert rasterize(splats_of(arrays), camera())[1].max() == 0


def test_an_empty_scene_is_background() -> None:
    rgb, _ = rasterize(splats_of(scene(0)), camera(), background=1.0)
    assert (rgb == 1).all()


@pytest.mark.parametrize("kernel", ["classic", "compensated"])
def test_gradients_equal_finite_differences(kernel: str) -> None:
    arrays = {k: v.astype(np.float32).astype(np.float64) for k, v in scene(4, seed=3).items()}
    rng = np.random.default_rng(1)
    v = rng.normal(size=(SIZE, SIZE, 4))
    got = rasterize_backward(splats_of(arrays), camera(), v[..., :3], v[..., 3], kernel=kernel)
    for name in ("means", "quats", "scales", "opacities", "sh"):
        want = np.zeros_like(arrays[name])
        for at in np.ndindex(want.shape):
            sides = []
            for h in (1e-5, -1e-5):
                moved = {k: a.copy() for k, a in arrays.items()}
                moved[name][at] += h
                sides.append((render(moved, camera(), kernel) * v).sum())
            want[at] = (sides[0] - sides[1]) / 2e-5
        error = np.abs(getattr(got, name) - want)
        assert np.quantile(error, 0.95) < 2e-3 * max(1.0, np.abs(want).max()), name


@pytest.mark.parametrize("kernel, size", [("classic", 1.0), ("compensated", 1.0), ("compensated", 0.15)])
def test_sensitivity_equals_squared_finite_differences(kernel: str, size: float) -> None:
    arrays = {k: v.astype(np.float32).astype(np.float64) for k, v in scene(3, seed=5).items()}
    arrays["scales"] = (arrays["scales"] * size).astype(np.float32).astype(np.float64)
    got = sensitivity(splats_of(arrays), [camera()], kernel=kernel)
    base = render(arrays, camera(), kernel)

    def change(moved: dict[str, np.ndarray], h: float) -> float:
        d = (render(moved, camera(), kernel) - base) / h
        white = d[..., :3] - d[..., 3:]
        return float(0.5 * ((d[..., :3] ** 2).sum() + (white**2).sum()))

    for i in range(3):
        for a in range(3):
            moved = {k: v.copy() for k, v in arrays.items()}
            moved["scales"][i, a] *= np.exp(1e-4)
            assert got.log_scales[i, a] == pytest.approx(change(moved, 1e-4), rel=0.05)
        moved = {k: v.copy() for k, v in arrays.items()}
        o = moved["opacities"][i]
        moved["opacities"][i] += 1e-4
        assert got.logits[i] == pytest.approx(change(moved, 1e-4) * (o * (1 - o)) ** 2, rel=0.05)
        moved = {k: v.copy() for k, v in arrays.items()}
        moved["sh"][i, 0, 1] += 1e-4
        assert got.colors[i, 0] == pytest.approx(change(moved, 1e-4), rel=0.05)


def test_sensitivity_does_not_depend_on_threads() -> None:
    splats = splats_of(scene(20))
    a, b = (sensitivity(splats, [camera()] * 4) for _ in range(2))
    assert np.array_equal(a.means, b.means)


def test_sensitivity_views_keep_away_from_the_measured_ones() -> None:
    splats = splats_of(scene(50))
    frame = orbit(splats)
    for c in sensitivity_cameras(splats, None, seed=3, size=64, count=40):
        d = (c.centre - frame.centre) / np.linalg.norm(c.centre - frame.centre)
        assert min(np.arccos(np.clip(d @ e, -1, 1)) for e in measured_directions(frame)) > KEEP_AWAY


def test_the_first_view_looks_from_world_x() -> None:
    frame = orbit(splats_of(scene(50)))
    view = named_views(frame, "test")[0]
    assert np.allclose((view.centre - frame.centre) / np.linalg.norm(view.centre - frame.centre), [1, 0, 0])
    assert [len(named_views(frame, n)) for n in ("test", "close", "low")] == [12, 4, 4]


def test_metrics_of_equal_pictures_are_their_caps() -> None:
    picture = rasterize(splats_of(scene()), camera())
    assert psnr(picture, picture) == 100.0 and ssim(picture, picture) == pytest.approx(1.0)


def test_psnr_counts_foreground_pixels_alone() -> None:
    a = (np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.float32))
    b = (a[0].copy(), a[1].copy())
    b[0][0, 0], b[1][0, 0] = 0.1, 1.0
    # over black the error is 0.1, over white 1 - 0.1
    assert psnr(a, b) == pytest.approx(-10 * np.log10((0.01 + 0.81) / 2), abs=1e-4)


def test_measured_frames_are_five_and_spread() -> None:
    assert (
        measured_frames(30) == [0, 7, 15, 22, 29]
        and measured_frames(1) == [0]
        and measured_frames(3) == [0, 1, 2]
    )


class Still(list):  # type: ignore[type-arg]
    """A sequence of frames in memory."""

    fps = 30.0
    names: list[str] = []


def test_ssim_of_the_foregrounds_part_is_that_of_the_whole_picture() -> None:
    rng = np.random.default_rng(2)
    pictures = []
    for _ in range(2):
        alpha = np.zeros((40, 50), np.float32)
        alpha[0:12, 20:45] = rng.uniform(0.2, 1, (12, 25))
        pictures.append(((rng.uniform(0, 1, (40, 50, 3)) * alpha[..., None]).astype(np.float32), alpha))
    a, b = pictures
    seen = a[1] > 0
    whole = [metrics._ssim_map(metrics.over(a, g), metrics.over(b, g))[seen].mean() for g in (0.0, 1.0)]
    assert ssim(a, b) == pytest.approx(float(np.mean(whole)), abs=1e-12)


def test_temporal_measure_tells_border_pairs_from_those_inside() -> None:
    frames = Still([splats_of(scene(seed=s)) for s in (1, 1, 1, 1)])
    moved = Still(frames)
    moved[2] = moved[3] = splats_of(scene(seed=2))
    report = compare(frames, moved, [camera()], temporal=True, borders=[2])
    assert (len(report.temporal_border), len(report.temporal_inside)) == (1, 2)
    temporal = report.to_json()["temporal"]
    assert temporal["inside"] == 100.0 > temporal["border"]
    assert "inside" not in compare(frames, moved, [camera()], temporal=True).to_json()["temporal"]


def test_pictures_drawn_before_are_used_again() -> None:
    frames = Still([splats_of(scene(seed=s)) for s in (1, 2)])
    drawn: dict[tuple[int, int], metrics.Picture] = {}
    first = compare(frames, frames, [camera()], drawn=drawn)
    assert set(drawn) == {(0, 0), (1, 0)}
    drawn[0, 0] = drawn[1, 0]
    assert compare(frames, frames, [camera()], drawn=drawn).psnr_worst < first.psnr_worst


def test_comparing_a_sequence_with_itself_finds_no_difference() -> None:
    frames = Still([splats_of(scene(seed=s)) for s in (1, 1)])
    report = compare(frames, frames, [camera()], temporal=True)
    assert report.to_json()["psnr"] == {"mean": 100.0, "worst": 100.0}
    assert report.to_json()["temporal"]["mean"] == 100.0


def test_a_camera_survives_being_written_down() -> None:
    camera = look_at(np.array([1.0, 2.0, 3.0]), np.zeros(3), np.array([0.0, 1.0, 0.0]), 0.7, 64)
    again = Camera.from_dict(json.loads(json.dumps(camera.to_dict())))
    for name in Camera.__slots__:
        assert np.array_equal(getattr(again, name), getattr(camera, name)), name


def test_drawn_alone_or_by_numbas_threads_it_is_one_picture_and_a_huge_gaussian_is_everywhere() -> None:
    splats = splats_of(scene(40, 3, spread=1.0))
    camera = look_at(np.array([2.0, 0.5, 0.3]), np.zeros(3), np.array([0.0, 1, 0]), 0.9, 70)
    for alone, together in zip(rasterize(splats, camera, alone=True), rasterize(splats, camera), strict=True):
        np.testing.assert_array_equal(alone, together)
    huge = scene(1)
    huge["scales"][:] = 1e22  # its conic is zero in float32
    _, alpha = rasterize(splats_of(huge), camera)
    np.testing.assert_allclose(alpha, huge["opacities"][0], rtol=1e-3)


def test_the_cache_on_disk_keeps_the_two_ways_to_draw_apart(tmp_path: Path) -> None:
    """numba's `workqueue` ends the process where two threads enter its own threads: none may, whatever ran before."""
    code = """
import sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from gscodec.render.cameras import look_at
from gscodec.render.rasterize import rasterize
from gscodec.splats.sample import make_sample
splats = make_sample(1, 200)[0]
camera = look_at(np.array([2.0, 0.5, 0.3]), np.zeros(3), np.array([0.0, 1, 0]), 0.9, 64)
if sys.argv[1] == "together":
    rasterize(splats, camera)
else:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: rasterize(splats, camera, alone=True), range(40)))
"""
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_THREADING_LAYER": "workqueue"}
    for way in ("together", "alone"):
        done = subprocess.run([sys.executable, "-c", code, way], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
