"""Sequences: found, put in natural order and checked before any work; scene.json and views.json validated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gscodec.base.errors import BadInput, Misuse, Unsupported
from gscodec.splats.formats.ply import write_ply
from gscodec.splats.scene import load_scene
from gscodec.splats.sequence import open_sequence
from tests.splats.helpers import random_splats

CAMERA = {
    "R": np.eye(3).tolist(),
    "t": [0, 0, 3],
    "fx": 500,
    "fy": 500,
    "cx": 256,
    "cy": 256,
    "w": 512,
    "h": 512,
}


def _frames(folder: Path, names: list[str]) -> None:
    for i, name in enumerate(names):
        write_ply(folder / name, random_splats(3, seed=i))


def test_sequence_is_in_natural_order_however_it_is_given(tmp_path: Path) -> None:
    _frames(tmp_path, ["f1.ply", "f2.ply", "f10.ply"])
    (tmp_path / "notes.txt").write_text("not a frame")
    (tmp_path / ".f3.ply").write_text("hidden")
    for given in (
        [tmp_path],
        [f"{tmp_path}/f*.ply"],
        [tmp_path / "f10.ply", tmp_path / "f2.ply", tmp_path / "f1.ply"],
    ):
        assert [Path(name).name for name in open_sequence(given).names] == ["f1.ply", "f2.ply", "f10.ply"]


def test_sequence_reads_paths_with_spaces_brackets_and_other_alphabets(tmp_path: Path) -> None:
    folder = tmp_path / "мой [танец] 1"
    folder.mkdir()
    _frames(folder, ["кадр [1].ply"])
    assert len(open_sequence([folder])) == len(open_sequence([folder / "кадр [1].ply"])) == 1


def test_sequence_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no frames"):
        open_sequence([tmp_path])
    with pytest.raises(BadInput, match="no frames"):
        open_sequence([f"{tmp_path}/*.ply"])
    with pytest.raises(BadInput, match="no such file"):
        open_sequence([tmp_path / "absent.ply"])


@pytest.mark.parametrize("name", ["a.spz", "a.sog", "a.splat", "a.ksplat", "a.compressed.ply", "a.docx"])
def test_sequence_names_a_format_that_is_not_read_and_those_that_are(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"?")
    with pytest.raises(Unsupported, match=r"read are: \.ply"):
        open_sequence([tmp_path / name])


def test_sequence_refuses_another_sh_degree_at_once_and_names_the_frame(tmp_path: Path) -> None:
    _frames(tmp_path, ["f1.ply", "f2.ply"])
    write_ply(tmp_path / "f3.ply", random_splats(3, k=4))
    with pytest.raises(BadInput, match="degree 1") as caught:
        open_sequence([tmp_path])
    assert str(caught.value.where["file"]).endswith("f3.ply")


def test_sequence_says_which_up_it_assumes_and_names_the_option(tmp_path: Path) -> None:
    _frames(tmp_path, ["f1.ply"])
    notes: list[str] = []
    assert open_sequence([tmp_path], notes=notes.append)[0].up == (0.0, -1.0, 0.0)
    assert len(notes) == 1 and "--up" in notes[0]


def test_sequence_takes_up_and_fps_from_scene_json_unless_given(tmp_path: Path) -> None:
    _frames(tmp_path, ["f1.ply"])
    (tmp_path / "scene.json").write_text(json.dumps({"up": [0, 0, 1], "fps": 24}))
    notes: list[str] = []
    sequence = open_sequence([tmp_path], notes=notes.append)
    assert (sequence.up, sequence.fps, notes) == ((0.0, 0.0, 1.0), 24.0, [])
    sequence = open_sequence([tmp_path], fps=60, up=(1.0, 0.0, 0.0))
    assert (sequence.up, sequence[0].up, sequence.fps) == ((1.0, 0.0, 0.0), (1.0, 0.0, 0.0), 60)


def test_sequence_refuses_impossible_options(tmp_path: Path) -> None:
    _frames(tmp_path, ["f1.ply"])
    with pytest.raises(Misuse, match="fps"):
        open_sequence([tmp_path], fps=0)
    with pytest.raises(BadInput, match="up"):
        open_sequence([tmp_path], up=(0.0, 0.0, 0.0))


def test_scene_reads_zone_and_views(tmp_path: Path) -> None:
    (tmp_path / "scene.json").write_text(json.dumps({"zone": {"cameras": [CAMERA]}}))
    (tmp_path / "views.json").write_text(json.dumps({"cameras": [CAMERA, CAMERA]}))
    scene = load_scene(tmp_path)
    assert scene.zone is not None and scene.zone[0]["w"] == 512
    assert scene.views is not None and len(scene.views) == 2
    assert load_scene(tmp_path / "elsewhere").views is None


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"up": [0, 1]}', "up"),
        ('{"up": [0, 0, 0]}', "up"),
        ('{"fps": -1}', "fps"),
        ('{"fps": "fast"}', "fps"),
        (json.dumps({"zone": {"cameras": [{**CAMERA, "w": 0}]}}), "zone.cameras[0].w"),
        (
            json.dumps({"zone": {"cameras": [{**CAMERA, "R": [[1, 0, 0], [0, 1, 0], [0, 0, 2]]}]}}),
            "zone.cameras[0].R",
        ),
    ],
)
def test_scene_names_the_bad_field(tmp_path: Path, text: str, field: str) -> None:
    (tmp_path / "scene.json").write_text(text)
    with pytest.raises(BadInput) as caught:
        load_scene(tmp_path)
    assert str(caught.value.where["field"]).startswith(field)


def test_scene_refuses_what_is_not_json(tmp_path: Path) -> None:
    (tmp_path / "scene.json").write_text("{")
    with pytest.raises(BadInput, match="not JSON"):
        load_scene(tmp_path)
