"""gscodec train as a person runs it; a run that is killed goes on and ends with the same bytes."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import PIL.Image
import pytest

from gscodec.cli.main import main
from gscodec.container import GsvFile
from gscodec.train.captures.sample import write_sample_capture


def arguments(capture: Path, out: Path) -> list[str]:
    return [
        "train", str(capture), "-o", str(out), "--preset", "fast", "--gaussians", "200", "--frames", "1:3",
        "--downscale", "2", "--seed", "3",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("capture") / "tiny"
    write_sample_capture(place, train=4, test=1, frames=3, size=64, gaussians=500, fps=24)
    return place


def test_without_torch_the_remedy_is_named(
    capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "torch" else find(name, *a)
    )
    assert main(arguments(capture, tmp_path / "x.gsv")) == 4
    assert "pip install 'gscodec[train]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def whole(capture: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a run that nothing disturbed."""
    pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")
    out = tmp_path_factory.mktemp("whole") / "whole.gsv"
    assert main(arguments(capture, out)) == 0
    return out.read_bytes()


@pytest.mark.parametrize("moment", ["key.npz", "frame_00001.npz"])
def test_killed_and_run_again_it_ends_with_the_same_bytes(
    moment: str, capture: Path, whole: bytes, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "gscodec", *arguments(capture, tmp_path / "killed.gsv")]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    reached = tmp_path / "killed.gsv.work" / moment
    try:
        deadline = time.monotonic() + 240
        while not reached.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "killed.gsv").exists()
    first = tmp_path / "killed.gsv.work" / "frame_00001.npz"
    kept = first.stat().st_mtime_ns if first.exists() else None
    assert first.exists() == (moment == first.name)
    assert main(arguments(capture, tmp_path / "killed.gsv")) == 0
    assert kept in (None, first.stat().st_mtime_ns)
    assert not (first.parent / "key.npz").exists()
    assert (tmp_path / "killed.gsv").read_bytes() == whole


def test_a_folder_of_ply_with_a_report(
    capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")
    out = tmp_path / "ply"
    again = [
        *arguments(capture, out),
        "--json",
        "--sh-degree",
        "0",
        "--views-per-step",
        "2",
        "--prune",
        "0.2",
    ]
    again += ["--codec-losses", "snap,calm", "--camera-colours", "--preview-every", "300"]
    assert main(again) == 0
    document = json.loads(capsys.readouterr().out)
    assert sorted(p.name for p in out.iterdir()) == ["frame_0001.ply", "frame_0002.ply", "scene.json"]
    assert (document["frames"], document["gaussians"]) == (2, 200)
    assert len(document["psnr"]["by_frame"]) == 2
    assert document["psnr"]["worst"] > 15
    assert 0 <= document["still"] <= 1
    with PIL.Image.open(tmp_path / "ply.work" / "preview.png") as preview:
        assert preview.size == (64, 32)  # what is seen and what is trained, side by side
    assert main(again) == 2  # the output exists
    assert main([*arguments(capture, tmp_path / "a.gsv"), "--kernel", "analytic"]) == 2
    assert main([*arguments(capture, tmp_path / "a.gsv"), "--quality", "900"]) == 2
    assert not (tmp_path / "a.gsv.work").exists()
    assert main([*again, "--force", "--codec-losses", "none"]) == 2  # the work folder is of another run
    assert "other settings" in capsys.readouterr().err
    assert main([*again, "--force", "--codec-losses", "calm,quiet"]) == 2
    assert main([*again, "--frames", "1:9", "--force"]) == 2


def test_gops_in_parallel_a_work_folder_and_views_held_out(
    capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")
    command = [
        *arguments(capture, tmp_path / "x.gsv"),
        "--frames",
        "0:3",
        "--json",
        "--work",
        str(tmp_path / "w"),
    ]
    command += ["--no-births", "--gop", "2", "--workers", "2", "--hold-out", "2", "--gaussians", "60"]
    command += ["--layout", "nerfstudio"]
    assert main(command) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["frames"], document["gops"]) == (3, 2)
    for name in ("temporal", "temporal_decoded"):
        temporal = document[name]
        assert temporal["difference"] == pytest.approx(temporal["border"] - temporal["inside"])
    assert sorted(p.name for p in (tmp_path / "w").glob("*.npz")) == [f"frame_0000{t}.npz" for t in range(3)]
    assert not (tmp_path / "x.gsv.work").exists()
    index = GsvFile.open(tmp_path / "x.gsv").index
    assert [entry.first_frame for entry in index] == [0, 2]  # the encoder's borders are training's
    run = json.loads((tmp_path / "w" / "run.json").read_text())
    assert (run["settings"]["gop"], run["settings"]["births"]) == (2, False)
    assert main([*command, "--force", "--hold-out", "3"]) == 2  # other views: another run
    capsys.readouterr()
    assert main([*command, "--force", "--hold-out", "somebody, nobody"]) == 2
    assert "no such view: nobody, somebody" in capsys.readouterr().err
    assert main([*command, "--force", "--layout", "unheard"]) == 2
    assert main([*arguments(capture, tmp_path / "y.gsv"), "--workers", "0"]) == 2
    assert main([*arguments(capture, tmp_path / "y.gsv"), "--gop", "-1"]) == 2


def test_masks_are_learnt_and_sh_distilled_where_asked(
    capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")
    command = [*arguments(capture, tmp_path / "ply"), "--frames", "0:1", "--gaussians", "120", "--json"]
    command += ["--mask-weight", "3", "--distil-from", "2", "--codec-losses", "none", "--preview-every", "0"]
    assert main(command) == 0
    document = json.loads(capsys.readouterr().out)
    assert 0 < document["gaussians"] < 120  # what its mask has switched off is gone
    assert "temporal" not in document  # one GOP has no border
    assert b"f_rest_8" in (tmp_path / "ply" / "frame_0000.ply").read_bytes()  # of degree 1 again
    assert b"f_rest_9" not in (tmp_path / "ply" / "frame_0000.ply").read_bytes()
    run = json.loads((tmp_path / "ply.work" / "run.json").read_text())["settings"]
    assert (run["mask_weight"], run["distil_from"]) == (3.0, 2)
    assert main([*arguments(capture, tmp_path / "b"), "--mask-weight", "-1"]) == 2
