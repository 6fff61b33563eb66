"""Kernels compile for the GPUs of the promise; what is missing is named with its remedy."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from gscodec.base import cuda
from gscodec.base.errors import MissingDependency
from tests.cuda.conftest import WARNINGS


def test_every_kernel_has_a_source_and_every_source_is_a_kernel() -> None:
    assert sorted(path.stem for path in cuda.SOURCES.glob("*.cu")) == sorted(cuda.KERNELS)


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("name", cuda.KERNELS)
def test_kernel_compiles_without_warnings(nvcc: Path, tmp_path: Path, name: str, capability: int) -> None:
    command = cuda.nvcc_command(nvcc, capability)
    command += ["-Werror", "all-warnings", "-Xcompiler", ",".join(WARNINGS)]
    command += ["-cubin", "-o", str(tmp_path / "out.cubin"), str(cuda.SOURCES / f"{name}.cu")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", cuda.KERNELS)
def test_built_library_lies_in_the_cache_and_has_its_entry_points(
    nvcc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = cuda._build(name, 90)
    built = path.stat().st_mtime_ns
    assert path.is_relative_to(tmp_path) and cuda._build(name, 90).stat().st_mtime_ns == built
    assert ctypes.CDLL(str(path)).gs_error


def test_without_nvcc_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "_nvcc_places", lambda: iter([Path("/nowhere/nvcc")]))
    with pytest.raises(MissingDependency, match="pip install nvidia-cuda-nvcc"):
        cuda.find_nvcc()


def test_without_a_gpu_encode_ends_with_4_and_leaves_nothing(tmp_path: Path) -> None:
    from gscodec.splats.sample import write_sample

    try:
        cuda.find_gpu()
        pytest.skip("a CUDA GPU is here")
    except MissingDependency:
        pass
    list(write_sample(tmp_path / "frames", frames=1, gaussians=200))
    command = [sys.executable, "-m", "gscodec", "encode", str(tmp_path / "frames"), "--device", "cuda"]
    command += ["-o", str(tmp_path / "out.gsv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 4 and "--device cuda" in done.stderr and "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["frames"]


def test_a_cache_that_cannot_be_made_is_named(
    nvcc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(MissingDependency, match="XDG_CACHE_HOME"):
        cuda._build("pack", 90)
