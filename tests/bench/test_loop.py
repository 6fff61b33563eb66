from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from gscodec.base.errors import BadInput
from gscodec.bench.loop import forth_and_back, loop_folder


def test_loop_runs_forth_and_back_without_standing_still() -> None:
    assert forth_and_back(4, 10) == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]
    loop = forth_and_back(24, 60)
    assert len(loop) == 60
    assert all(abs(a - b) == 1 for a, b in pairwise(loop))


@pytest.mark.parametrize("source", [1, 2])
def test_loop_of_one_or_two_frames(source: int) -> None:
    assert forth_and_back(source, 4) == [i % source for i in range(4)]


def test_folder_has_the_frames_in_loop_order_and_the_scene(tmp_path: Path) -> None:
    source = tmp_path / "seq"
    source.mkdir()
    for t in range(3):
        (source / f"frame_{t:04d}.ply").write_bytes(b"%d" % t)
    (source / "scene.json").write_text("{}")
    out = loop_folder(source, tmp_path / "loop", frames=6)
    frames = sorted(out.glob("frame_*.ply"))
    assert [path.read_bytes() for path in frames] == [b"0", b"1", b"2", b"1", b"0", b"1"]
    assert (out / "scene.json").exists()
    assert not list(tmp_path.glob("*.part"))
    assert loop_folder(source, out, frames=2) == out
    assert len(list(out.glob("frame_*.ply"))) == 6


def test_folder_without_frames_is_refused(tmp_path: Path) -> None:
    (tmp_path / "seq").mkdir()
    with pytest.raises(BadInput, match="seq"):
        loop_folder(tmp_path / "seq", tmp_path / "loop")
