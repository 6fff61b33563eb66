from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from gscodec.base.errors import CheckFailed, MissingDependency
from gscodec.bench import peer_static
from gscodec.bench.peer_static import FORMATS, VERSION, convert, have_node, shipped_bytes
from gscodec.splats.formats import format_of
from tests.bench.builders import clip

# What splat-transform does with its last two arguments, for a tool that copies.
COPY = """const fs = require("fs"); const a = process.argv;
if (a.includes("fail.ply")) { console.error("Error: no good"); process.exit(1); }
fs.writeFileSync("called", a.slice(2).join(" ") + "\\n", { flag: "a" });
fs.copyFileSync(a[a.length - 2], a[a.length - 1]);
"""


def fake_tool(folder: Path) -> None:
    script = folder / f"splat-transform-{VERSION}" / "node_modules" / ".bin" / "splat-transform"
    script.parent.mkdir(parents=True)
    script.write_text(COPY)


@pytest.mark.skipif(not have_node(), reason="needs Node")
@pytest.mark.parametrize("kind", FORMATS)
def test_scene_is_written_and_read_back_by_the_tool(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fake_tool(tmp_path)
    (tmp_path / "in.ply").write_bytes(b"splats")
    done = convert(tmp_path / "in.ply", kind, tmp_path, tmp_path / "out")
    assert done.n_bytes == 6
    assert done.ply.read_bytes() == b"splats"
    written, read = (tmp_path / "called").read_text().splitlines()
    assert written.endswith(f"scene.{kind.lower()}")
    assert ("-g cpu" in written) == (kind == "SOG")
    assert read.endswith(f"{kind.lower()}.ply")


@pytest.mark.skipif(not have_node(), reason="needs Node")
def test_failure_of_the_tool_is_told_by_its_last_line(tmp_path: Path) -> None:
    fake_tool(tmp_path)
    with pytest.raises(CheckFailed, match="no good"):
        convert(Path("fail.ply"), "SPZ", tmp_path, tmp_path / "out")


def test_missing_node_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependency, match="nodejs"):
        convert(tmp_path / "in.ply", "SPZ", tmp_path, tmp_path / "out")


@pytest.mark.skipif(not have_node(), reason="needs Node")
def test_failed_installation_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text("#!/bin/sh\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(MissingDependency, match=peer_static.PACKAGE):
        convert(tmp_path / "in.ply", "SPZ", tmp_path, tmp_path / "out")


def test_shipped_sog_is_all_files_of_its_level(tmp_path: Path) -> None:
    folder = tmp_path / "static" / "toy_sog" / "2_0"
    folder.mkdir(parents=True)
    (folder / "meta.json").write_bytes(b"123")
    (folder / "means.webp").write_bytes(b"4567")
    assert shipped_bytes(tmp_path, "toy") == 7
    assert shipped_bytes(tmp_path, "other") is None


@pytest.mark.skipif(not have_node(), reason="needs Node")
def test_real_tool_keeps_a_scene_within_its_steps(tmp_path: Path) -> None:
    """Only where a benchmark has installed the tool already: no test goes to the network."""
    tools = Path(__file__).parents[2] / "bench-cache" / "tools"
    if not (tools / f"splat-transform-{VERSION}").is_dir():
        pytest.skip("the benchmark has not installed splat-transform")
    source = clip(frames=1)[0]
    ply = format_of(tmp_path / "in.ply")
    ply.write(tmp_path / "in.ply", source)
    back = ply.read(convert(tmp_path / "in.ply", "SPZ", tools, tmp_path / "out").ply)
    gaps = np.abs(back.means[:, None] - source.means[None]).max(axis=2).min(axis=1)
    assert gaps.max() <= 2**-12
