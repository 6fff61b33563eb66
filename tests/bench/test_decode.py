from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import gscodec
from gscodec.base.errors import MissingDependency
from gscodec.bench import decode
from gscodec.bench.decode import decode_in_node, decode_table
from gscodec.codec.encoder import Tools, encode_tracks
from gscodec.codec.model.steps import sensitive_steps
from gscodec.codec.pipeline import decode_file
from gscodec.container.header import Header
from gscodec.container.writer import GsvWriter
from gscodec.splats.sample import write_sample
from tests.codec.builders import make_frames, make_tracks_of

MODULES = Path(gscodec.__file__).parent.parent / "player_web" / "node_modules"


def small_file(path: Path) -> Path:
    tracks = make_tracks_of(make_frames(80, 4))
    payload = encode_tracks(tracks, sensitive_steps(tracks, 0.2), tools=Tools(video=False)).payload
    writer = GsvWriter(path, Header())
    writer.add_segment(payload, first_frame=0, n_frames=4)
    writer.finish()
    return path


@pytest.mark.skipif(
    shutil.which("node") is None or not MODULES.is_dir(), reason="no Node, or `make player` not run"
)
def test_node_tells_frames_slots_and_times_of_a_file(tmp_path: Path) -> None:
    report = decode_in_node(small_file(tmp_path / "small.gsv"), ["--workers", "1", "--rounds", "1"])
    (result,) = report["results"]
    assert (report["frames"], report["segments"], result["slots"], result["workers"]) == (4, 1, 80, 1)
    assert result["frames_per_second"] > 0
    assert "80 Gaussians" in decode_table([{"sequence": "small", **report}])


def test_without_node_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependency, match="nodejs"):
        decode_in_node(tmp_path / "none.gsv")


def test_the_tiled_file_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    list(write_sample(tmp_path / "frames", frames=4, gaussians=200))
    monkeypatch.setattr(decode, "COUNT", 300)
    monkeypatch.setattr(decode, "FRAMES", 6)
    options = decode.DecodeOptions(cache=tmp_path / "cache")
    path = decode._tiled_file("small", tmp_path / "frames", options)
    made = path.stat().st_mtime_ns
    assert len(decode_file(path)) == 6
    assert decode._tiled_file("small", tmp_path / "frames", options).stat().st_mtime_ns == made
