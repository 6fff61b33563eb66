"""`gscodec bench cuda`: the GPU's kernels beside the CPU, and beside what the GPU's memory allows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from gscodec.base import cuda
from gscodec.base.errors import CheckFailed, MissingDependency
from gscodec.bench.tables import markdown_table, provenance, write_section
from gscodec.codec.settings import DEVICES

__all__ = ["CudaOptions", "Figure", "run_cuda"]

NOT_MEASURED = "not measured on a GPU"
CHECKED = 20_000  # Gaussians whose GPU result is compared with the CPU's
VIEWS = 4
VIEW_SIZE = 512
PLANES = tuple(product(range(6), range(1, 6)))  # positions and rotations, five coefficients each


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaOptions:
    """`gaussians`: sorted and packed; `output`: the Markdown file whose section is replaced, None for none."""

    gaussians: int = 1_000_000
    json: bool = False
    output: Path | None = Path("BENCHMARKS.md")
    command: str = "gscodec bench cuda"


@dataclass(frozen=True, slots=True)
class Figure:
    """One row. `measured`: as text, with its unit."""

    what: str
    target: str
    measured: str


def run_cuda(options: CudaOptions) -> int:
    """Print the table (or JSON) to stdout, write it into `output`. Without a GPU the rows say so, and why.

    Raises CheckFailed where the GPU's result is not the CPU's.
    """
    try:
        device = cuda.find_gpu().name
        for name in cuda.KERNELS:
            cuda.load(name)
    except MissingDependency as error:
        device = f"{NOT_MEASURED}: {error}"
        figures = [Figure(what, target, NOT_MEASURED) for what, target in _rows(options.gaussians)]
    else:
        times = [*_time_sort(options.gaussians), *_time_pack(options.gaussians), _time_sensitivity()]
        rows = _rows(options.gaussians)
        figures = [Figure(*row, measured) for row, measured in zip(rows, times, strict=True)]
    table = markdown_table(["", "must reach", "measured"], [[f.what, f.target, f.measured] for f in figures])
    text = f"### Kernels on the GPU\n\n{device}\n\n{table}\n\n{provenance(options.command)}"
    print(
        json.dumps({"device": device, "figures": [asdict(f) for f in figures]}, indent=1)
        if options.json
        else text
    )
    if options.output is not None:
        write_section(options.output, "bench cuda", text)
    return 0


def _rows(gaussians: int) -> list[tuple[str, str]]:
    return [
        (f"self-organising sort, {gaussians} Gaussians, cold", "500 ms"),
        (f"self-organising sort, {gaussians} Gaussians, warm", "50 ms"),
        (f"pack, {len(PLANES)} planes of {gaussians}", "1.5 of a copy"),
        (f"unpack, {len(PLANES)} planes of {gaussians}", "1.5 of a copy"),
        (f"sensitivity, a view of {CHECKED} Gaussians, {VIEW_SIZE} x {VIEW_SIZE}, projected on the CPU", ""),
    ]


def _milliseconds(run: Callable[[], object], rounds: int = 3) -> float:
    """The least of a few runs, the first of which does not count."""
    run()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return min(times)


def _check(same: bool, what: str) -> None:
    if not same:
        raise CheckFailed("the GPU's result is not the CPU's", kernel=what)


def _sheet(gaussians: int) -> np.ndarray:
    """Features of Gaussians on a bent sheet."""
    from gscodec.grid.selforganise import grid_features

    rng = np.random.default_rng(0)
    u, v = rng.random((2, gaussians))
    means, colors = (
        np.stack([u, v, 0.3 * np.sin(6 * u)], 1),
        np.stack([np.sin(9 * v), np.cos(7 * u), u * v], 1),
    )
    scales = rng.normal(size=(gaussians, 3))
    return grid_features(means.astype(np.float32), colors.astype(np.float32), scales.astype(np.float32))


def _time_sort(gaussians: int) -> list[str]:
    """Cold and warm: passes on the GPU with their transfers, and the whole call."""
    from gscodec.grid.selforganise import self_organise

    few = _sheet(min(gaussians, CHECKED))
    _check(np.array_equal(self_organise(few, rounds=2), self_organise(few, rounds=2, device="cuda")), "sort")
    features = _sheet(gaussians)
    cold = self_organise(features, device="cuda")
    out = []
    for warm in (None, cold):
        sort = partial(self_organise, features, warm=warm)
        whole, host = _milliseconds(partial(sort, device="cuda")), _milliseconds(partial(sort, rounds=0))
        out.append(f"{whole - host:.0f} ms, {whole:.0f} ms with the CPU's share")
    return out


def _time_pack(gaussians: int) -> list[str]:
    from gscodec.codec.payloads.atlas import Atlas, pack_levels, unpack_levels
    from gscodec.codec.payloads.cuda import pack_on_gpu, unpack_on_gpu

    atlas, times = Atlas.of(gaussians, PLANES), np.zeros((2, 2), np.float32)
    wanted = np.random.default_rng(1).normal(0, 30, (len(PLANES), gaussians))
    pictures = pack_on_gpu(wanted, atlas, times[0])
    levels = unpack_on_gpu(pictures, atlas, times[1])
    _check(np.array_equal(pictures, pack_levels(wanted, atlas)), "pack")
    _check(np.array_equal(levels, unpack_levels(pictures, atlas)), "unpack")
    return [f"{mine / copy:.2f} of a copy, {mine:.2f} ms" for mine, copy in times]


def _time_sensitivity() -> str:
    """A view on the GPU, and on the CPU with all its cores; projection is the CPU's in both."""
    from gscodec.render.sensitivity import measure_sensitivity, sensitivity_cameras
    from gscodec.splats.sample import make_sample

    splats = make_sample(1, CHECKED, 0, 30.0)[0]
    cameras = sensitivity_cameras(splats, None, seed=0, size=VIEW_SIZE, count=VIEWS)
    measure = partial(measure_sensitivity, splats, cameras, kernel="classic")
    on = {device: _milliseconds(partial(measure, device=device)) / VIEWS for device in DEVICES}
    got, want = measure(device="cuda").means, measure(device="cpu").means
    _check(bool(np.allclose(got, want, rtol=1e-3, atol=1e-6 * want.max())), "sensitivity")
    return f"{on['cuda']:.1f} ms, on the CPU {on['cpu']:.1f} ms"
