"""Kernels of the `cuda/` folder: nvcc and the driver found, built for the GPU at hand into the user's cache, loaded.

Without torch: the driver is asked through ctypes, kernels are plain C functions in a shared library. Linux alone.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from gscodec.base.errors import GscodecError, MissingDependency
from gscodec.base.folders import user_cache

__all__ = ["KERNELS", "SOURCES", "Gpu", "call", "find_gpu", "find_nvcc", "load", "nvcc_command"]

KERNELS = ("pack", "sensitivity", "sort")
# In a wheel they lie inside the package, in a checkout beside it.
_PACKAGE = Path(__file__).parents[1]
SOURCES = next((p for p in [_PACKAGE / "cuda"] if p.is_dir()), _PACKAGE.parent / "cuda")
CPU_DOES_IT_TOO = "or leave out --device cuda: the CPU does it too"
CAPABILITY = (75, 76)  # CUdevice_attribute: compute capability, major and minor
BUILDING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Gpu:
    """The first CUDA device. `capability`: as 90 for 9.0."""

    name: str
    capability: int


@cache
def find_gpu() -> Gpu:
    """The GPU that kernels run on. Raises MissingDependency where driver or device are absent."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise MissingDependency(f"no CUDA driver: install NVIDIA's, {CPU_DOES_IT_TOO}") from None
    count, device = ctypes.c_int(0), ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or count.value == 0:
        raise MissingDependency(f"no CUDA GPU that the driver can use: see nvidia-smi, {CPU_DOES_IT_TOO}")
    driver.cuDeviceGet(ctypes.byref(device), 0)
    name = ctypes.create_string_buffer(256)
    driver.cuDeviceGetName(name, len(name), device)
    version = []
    for attribute in CAPABILITY:
        value = ctypes.c_int(0)
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        version.append(value.value)
    return Gpu(name.value.decode(), 10 * version[0] + version[1])


def _nvcc_places() -> Iterator[Path]:
    on_path = shutil.which("nvcc")
    if on_path:
        yield Path(on_path)
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        if os.environ.get(variable):
            yield Path(os.environ[variable]) / "bin" / "nvcc"
    spec = importlib.util.find_spec("nvidia")  # the wheels from PyPI
    for folder in spec.submodule_search_locations or () if spec else ():
        yield from sorted(Path(folder).glob("cu*/bin/nvcc"))


def find_nvcc() -> Path:
    """nvcc from PATH, CUDA_HOME or its wheel. Raises MissingDependency with the remedy."""
    for place in _nvcc_places():
        if place.is_file():
            return place
    raise MissingDependency(
        "no nvcc: pip install nvidia-cuda-nvcc nvidia-cuda-crt nvidia-cuda-runtime nvidia-nvvm, "
        f"or put one on PATH, {CPU_DOES_IT_TOO}"
    )


def nvcc_command(nvcc: Path, capability: int) -> list[str]:
    """The start of every nvcc call. -fmad=false: products and sums are rounded one by one, as on the CPU."""
    return [
        str(nvcc), "-std=c++17", "-O3", "-fmad=false", f"-arch=sm_{capability}", f"-I{SOURCES / 'include'}"
    ]  # fmt: skip


def _build(name: str, capability: int) -> Path:
    """The library of a kernel, compiled where its sources or the GPU are new."""
    source = SOURCES / f"{name}.cu"
    if not source.is_file():
        raise MissingDependency(
            f"the CUDA sources are missing: install gscodec again, {CPU_DOES_IT_TOO}",
            file=str(source),
        )
    digest = hashlib.sha256(" ".join(nvcc_command(Path(), capability)).encode())
    for file in [source, *sorted((SOURCES / "include").glob("*.h"))]:
        digest.update(file.read_bytes())
    out = user_cache() / "cuda" / f"{name}-sm{capability}-{digest.hexdigest()[:16]}.so"
    if out.is_file():
        return out
    command = nvcc_command(find_nvcc(), capability)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MissingDependency(
            f"no place for built kernels: set XDG_CACHE_HOME to a folder that can be written, {CPU_DOES_IT_TOO}",
            folder=str(out.parent),
        ) from error
    part = out.with_name(f"{out.name}.{os.getpid()}.part")
    command += ["-shared", "-Xcompiler", "-fPIC", "-cudart", "static", "-o", str(part), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        part.unlink(missing_ok=True)
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise MissingDependency(
            f"nvcc could not build a kernel: update it and its host compiler, {CPU_DOES_IT_TOO}",
            kernel=name,
            reason=lines[0],
        )
    part.replace(out)
    return out


@cache
def _load(name: str) -> ctypes.CDLL:
    library = ctypes.CDLL(str(_build(name, find_gpu().capability)))
    library.gs_error.restype = ctypes.c_char_p
    return library


def load(name: str) -> ctypes.CDLL:
    """The library of one of KERNELS, built at the first use. Raises MissingDependency."""
    with BUILDING:
        return _load(name)


def call(library: ctypes.CDLL, function: str, *arguments: object) -> None:
    """Call an entry point with numpy arrays (C-contiguous, passed as pointers) and ctypes numbers.

    Raises GscodecError with CUDA's own message where it fails.
    """
    code = getattr(library, function)(*map(_pointer, arguments))
    if code:
        raise GscodecError("the GPU failed", function=function, reason=library.gs_error(code).decode())


def _pointer(argument: object) -> object:
    if not isinstance(argument, np.ndarray):
        return argument
    assert argument.flags.c_contiguous
    return ctypes.c_void_p(argument.ctypes.data)
