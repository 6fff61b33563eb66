"""Commands on finished, damaged and cut files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gscodec.codec.decoder import decode_base
from gscodec.codec.encoder import Tools, encode_tracks
from gscodec.codec.model.steps import sensitive_steps
from gscodec.codec.pipeline import decode_file
from gscodec.container import GsvWriter, Header
from gscodec.splats.formats.ply import read_ply
from tests.cli.conftest import Outcome
from tests.codec.builders import make_frames, make_tracks_of

Run = Callable[..., Outcome]


def damage(gsv: Path) -> None:
    """Flip a bit in the middle of the last segment."""
    last = decode_file(gsv).entries[-1]
    data = bytearray(gsv.read_bytes())
    data[last.offset + last.length // 2] ^= 1
    gsv.write_bytes(data)


def test_verify_of_a_whole_file_exits_0(gscodec: Run, gsv: Path) -> None:
    done = gscodec("verify", gsv, "--json")
    assert done.code == 0
    assert json.loads(done.out)["problems"] == []


def test_verify_of_a_damaged_file_exits_1(gscodec: Run, gsv: Path) -> None:
    damage(gsv)
    done = gscodec("verify", gsv)
    assert done.code == 1
    assert str(gsv) in done.out


def test_repair_with_loss_exits_1_and_counts_it(gscodec: Run, gsv: Path, tmp_path: Path) -> None:
    damage(gsv)
    saved = tmp_path / "saved.gsv"
    done = gscodec("repair", gsv, "-o", saved, "--json")
    report = json.loads(done.out)
    assert done.code == 1
    assert report["segments"] == 1
    assert report["lost_frames"] == report["frames"] > 0
    assert gscodec("verify", saved).code == 0


def test_repair_of_a_whole_file_loses_nothing(gscodec: Run, gsv: Path, tmp_path: Path) -> None:
    assert gscodec("repair", gsv, "-o", tmp_path / "saved.gsv").code == 0


def test_repair_of_what_is_no_gsv_exits_3_and_writes_nothing(gscodec: Run, tmp_path: Path) -> None:
    (tmp_path / "text.gsv").write_text("not a file of ours")
    assert gscodec("repair", tmp_path / "text.gsv", "-o", tmp_path / "saved.gsv").code == 3
    assert [p.name for p in tmp_path.iterdir()] == ["text.gsv"]


def test_decode_writes_the_frames_asked_for(gscodec: Run, gsv: Path, tmp_path: Path) -> None:
    folder = tmp_path / "back"
    done = gscodec("decode", gsv, "-o", folder, "--frames", "1:3", "--json")
    assert done.code == 0
    assert json.loads(done.out)["frames"] == 2
    assert sorted(p.name for p in folder.iterdir()) == ["frame_0001.ply", "frame_0002.ply", "scene.json"]
    expected = decode_file(gsv)[1].means
    np.testing.assert_array_equal(read_ply(folder / "frame_0001.ply").means, expected)


@pytest.mark.parametrize("frames", ["5", "3:1", "0:999", "a:b", "-1:2"])
def test_decode_of_impossible_frames_exits_2(gscodec: Run, gsv: Path, tmp_path: Path, frames: str) -> None:
    assert gscodec("decode", gsv, "-o", tmp_path / "back", f"--frames={frames}").code == 2
    assert not (tmp_path / "back").exists()


def test_decode_never_replaces_a_folder_of_other_files(gscodec: Run, gsv: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "me.jpg").write_text("precious")
    assert gscodec("decode", gsv, "-o", folder, "--force").code == 2
    assert (folder / "me.jpg").read_text() == "precious"


def test_decode_of_a_damaged_file_leaves_nothing(gscodec: Run, gsv: Path, tmp_path: Path) -> None:
    damage(gsv)
    assert gscodec("decode", gsv, "-o", tmp_path / "back").code == 3
    assert [p.name for p in tmp_path.iterdir()] == [gsv.name]


def test_verify_decodes_segments_on_a_shared_base(gscodec: Run, tmp_path: Path) -> None:
    tracks = make_tracks_of(make_frames(40, 3))
    steps, tools = sensitive_steps(tracks, 0.3), Tools(video=False)
    own = encode_tracks(tracks, steps, tools=tools).payload
    shared = encode_tracks(tracks, steps, decode_base(own), tools).payload
    path = tmp_path / "shared.gsv"
    for bases, code in (((0, 1, 2), 0), ((0, 1, 1), 1), ((0, 0, 2), 1)):
        writer = GsvWriter(path, Header())
        for gop, base in enumerate(bases):
            writer.add_segment(shared if gop else own, first_frame=3 * gop, n_frames=3, base=base)
        writer.finish()
        done = gscodec("verify", path)
        assert (done.code, "base of" in done.out) == (code, code == 1)
