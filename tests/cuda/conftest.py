"""What the kernels' tests need: the shared headers built by g++, nvcc, a GPU; skipped with a reason without."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

from gscodec.base import cuda
from gscodec.base.errors import MissingDependency

WARNINGS = ["-Wall", "-Wextra", "-Werror"]


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The functions of host.cpp: the headers of cuda/include on the CPU."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ to build the shared host/device headers")
    out = tmp_path_factory.mktemp("host") / "host.so"
    source = Path(__file__).with_name("host.cpp")
    command = [compiler, "-std=c++17", "-O2", "-ffp-contract=off", *WARNINGS, "-shared", "-fPIC"]
    command += [f"-I{cuda.SOURCES / 'include'}", "-o", str(out), str(source)]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(out))


@pytest.fixture
def on_host(host: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrappers call host.cpp in place of the GPU: all but the kernels themselves is run."""
    monkeypatch.setattr(cuda, "load", lambda name: host)


@pytest.fixture(scope="session")
def nvcc() -> Path:
    try:
        return cuda.find_nvcc()
    except MissingDependency as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def gpu(nvcc: Path) -> cuda.Gpu:
    try:
        return cuda.find_gpu()
    except MissingDependency as error:
        pytest.skip(str(error))
