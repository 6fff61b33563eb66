from __future__ import annotations

import json
from pathlib import Path

import pytest

from gscodec.base import cuda
from gscodec.base.errors import CheckFailed, MissingDependency
from gscodec.bench import cuda as bench
from gscodec.bench.cuda import NOT_MEASURED, CudaOptions, run_cuda
from gscodec.cli.main import main
from tests.cuda.conftest import host, on_host  # noqa: F401


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> cuda.Gpu:
        raise MissingDependency("no CUDA driver")

    monkeypatch.setattr(cuda, "find_gpu", missing)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU by name, and little work."""
    monkeypatch.setattr(cuda, "find_gpu", lambda: cuda.Gpu("A GPU", 90))
    monkeypatch.setattr(bench, "CHECKED", 300)
    monkeypatch.setattr(bench, "VIEW_SIZE", 32)


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_every_row_says_so_and_the_page_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    assert main(["bench", "cuda", "--json", "--output", str(page)]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert len(figures) == 5 and {f["measured"] for f in figures} == {NOT_MEASURED}
    assert f"{NOT_MEASURED}: no CUDA driver" in page.read_text()


@pytest.mark.usefixtures("small", "on_host")
def test_every_figure_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cuda(CudaOptions(gaussians=300, json=True, output=None)) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["device"] == "A GPU"
    assert ["ms" in f["measured"] for f in told["figures"]] == [True] * 5


@pytest.mark.usefixtures("small", "on_host")
def test_a_result_that_is_not_the_cpus_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gscodec.grid.cuda.swap_on_gpu", lambda *_: None)
    with pytest.raises(CheckFailed, match="not the CPU's"):
        run_cuda(CudaOptions(gaussians=300, output=None))
