"""Sums of the sensitivity pass: the shared arithmetic, and the kernel where there is a GPU, against numba's."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from gscodec.base import cuda
from gscodec.base.errors import GscodecError
from gscodec.codec.pipeline import encode_sequence
from gscodec.codec.settings import DEVICES, EncodeSettings
from gscodec.render.cameras import Camera, look_at
from gscodec.render.cuda import sensitivity_arguments
from gscodec.render.moments import PAIRS, Sums, sum_view
from gscodec.render.projection import Projection, project
from gscodec.render.sensitivity import _fade, measure_sensitivity
from gscodec.splats.model import Splats
from gscodec.splats.sample import make_sample


def scene(n: int, seed: int = 0) -> Splats:
    """Gaussians of all opacities, some of them in front of others, some behind the camera."""
    rng = np.random.default_rng(seed)
    q = rng.normal(size=(n, 4))
    arrays = {
        "means": rng.uniform(-1, 1, (n, 3)) * [1, 1, 3],
        "quats": q / np.linalg.norm(q, axis=1, keepdims=True),
        "scales": rng.uniform(0.02, 0.3, (n, 3)),
        "opacities": rng.uniform(0.01, 1, n),
        "sh": rng.uniform(-0.3, 0.5, (n, 4, 3)),
    }
    return Splats(**{name: values.astype(np.float32) for name, values in arrays.items()})


def camera(width: int, height: int) -> Camera:
    c = look_at(np.array([0.4, -0.3, -2.5]), np.zeros(3), np.array([0.0, -1.0, 0.0]), np.pi / 4, width)
    return Camera(c.R, c.t, c.fx, c.fy, c.cx, height / 2, width, height)


def sums_on_host(host: ctypes.CDLL, p: Projection, fade: np.ndarray, view: Camera, most: int) -> Sums:
    sums, seen = np.zeros((len(fade), PAIRS + 1)), np.zeros(len(p.starts) - 1, np.int32)
    arguments = sensitivity_arguments(p, fade, view, sums, seen)
    host.host_sensitivity(*map(cuda._pointer, arguments), ctypes.c_int64(most))
    return sums[:, :PAIRS], sums[:, PAIRS], int(seen.sum())


def assert_alike(got: Sums, want: Sums) -> None:
    """Within what the CPU's float32 picture leaves open."""
    for a, b in zip(got[:2], want[:2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6 * np.abs(b).max(initial=0.0))
    assert abs(got[2] - want[2]) <= 1


@pytest.mark.parametrize("kernel", ["classic", "compensated"])
@pytest.mark.parametrize("n, width, height", [(0, 20, 20), (1, 16, 16), (300, 70, 45)])
def test_shared_arithmetic_gives_the_sums_of_the_cpu(
    host: ctypes.CDLL, kernel: str, n: int, width: int, height: int
) -> None:
    splats, view = scene(n), camera(width, height)
    p = project(splats, view, kernel)
    fade = _fade(splats, p)
    assert_alike(sums_on_host(host, p, fade, view, 1 << 20), sum_view(p, fade, view))


@pytest.mark.parametrize("most", [1, 100])
def test_lists_cut_into_pieces_give_the_same_sums(host: ctypes.CDLL, most: int) -> None:
    splats, view = scene(300), camera(70, 45)
    p = project(splats, view, "classic")
    fade = _fade(splats, p)
    whole, cut = (sums_on_host(host, p, fade, view, m) for m in (1 << 20, most))
    assert np.array_equal(whole[0], cut[0]) and np.array_equal(whole[1], cut[1]) and whole[2] == cut[2]


def assert_measured_alike(kernel: str) -> None:
    splats, views = scene(400), [camera(70, 45), camera(128, 128)]
    want = measure_sensitivity(splats, views, kernel=kernel, device="cpu")
    got, again = (measure_sensitivity(splats, views, kernel=kernel, device="cuda") for _ in range(2))
    for name in ("means", "log_scales", "rotations", "logits", "colors"):
        a, b = getattr(got, name), getattr(want, name)
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6 * b.max())
        assert np.array_equal(a, getattr(again, name))
    assert got.pixels == pytest.approx(want.pixels, abs=1)


@pytest.mark.usefixtures("on_host")
@pytest.mark.parametrize("kernel", ["classic", "compensated"])
def test_wrapper_measures_as_the_cpu_does(kernel: str) -> None:
    assert_measured_alike(kernel)


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("kernel", ["classic", "compensated"])
def test_gpu_measures_as_the_cpu_does_and_the_same_each_time(kernel: str) -> None:
    assert_measured_alike(kernel)


@pytest.mark.usefixtures("on_host")
def test_encode_with_cuda_makes_the_same_file_but_for_rounding(tmp_path: Path) -> None:
    sequence = make_sample(1, 200, 0, 30.0)
    reports = [
        encode_sequence(sequence, tmp_path / f"{device}.gsv", EncodeSettings(preset="fast", device=device))
        for device in DEVICES
    ]
    assert reports[1].psnr == pytest.approx(reports[0].psnr, abs=0.2)
    assert reports[1].bytes == pytest.approx(reports[0].bytes, rel=0.02)


def test_a_gpu_that_fails_is_told_with_its_reason() -> None:
    class Broken:
        @staticmethod
        def gs_sensitivity() -> int:
            return 2

        @staticmethod
        def gs_error(code: int) -> bytes:
            return b"out of memory"

    with pytest.raises(GscodecError, match="out of memory"):
        cuda.call(Broken, "gs_sensitivity")  # type: ignore[arg-type]
