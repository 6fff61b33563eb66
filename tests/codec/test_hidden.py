"""Gaussians that no view would miss are left out of static scenes, and only there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gscodec.cli.main import main
from gscodec.codec import pipeline
from gscodec.codec.gop import HIDDEN, seen_rows
from gscodec.codec.pipeline import HIDING_VIEWS, EncodeReport, decode_file, encode_sequence
from gscodec.codec.settings import EncodeSettings
from gscodec.render.kept import SensitivityCache
from gscodec.splats.formats.ply import write_ply
from gscodec.splats.sequence import open_sequence
from tests.render.test_visibility import ball, joined


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few and small pictures."""
    monkeypatch.setattr(pipeline, "SENSITIVITY_SIZE", dict.fromkeys(HIDING_VIEWS, 48))
    monkeypatch.setattr(pipeline, "SENSITIVITY_VIEWS", dict.fromkeys(HIDING_VIEWS, 6))
    monkeypatch.setattr(pipeline, "HIDING_VIEWS", {"fast": 0, "balanced": 12})


def encode(folder: Path, frames: int, **options: object) -> tuple[EncodeReport, int]:
    """The report, and the slots of the file, of an opaque shell with 40 Gaussians in it."""
    source = folder / "frames"
    source.mkdir(exist_ok=True)
    for i in range(frames):
        write_ply(source / f"{i}.ply", joined(ball(800, 1.0, 0.99, 0.15), ball(40, 0.3, 0.9, 0.05, seed=1)))
    settings = EncodeSettings(payload="compact", quality=40, **options)  # type: ignore[arg-type]
    report = encode_sequence(open_sequence([source]), folder / "out.gsv", settings)
    return report, len(decode_file(folder / "out.gsv")[0])


def test_a_static_scene_loses_what_its_shell_hides(tmp_path: Path) -> None:
    report, slots = encode(tmp_path, 1)
    assert report.hidden >= 40
    assert slots == 840 - report.hidden
    assert slots > 700
    assert report.psnr > 38


def test_nothing_is_lost_where_it_is_not_wanted_or_not_known(tmp_path: Path) -> None:
    assert HIDING_VIEWS["fast"] == 0
    for frames, options in ((1, {"drop_hidden": False}), (1, {"preset": "fast"}), (2, {})):
        report, slots = encode(tmp_path, frames, **options)
        assert (report.hidden, slots) == (0, 840)


def test_the_command_says_what_it_left_out_and_keeps_it_on_demand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, _ = encode(tmp_path, 1)
    out = tmp_path / "cli.gsv"
    options = ["-o", str(out), "--payload", "compact", "--quality", "40", "--force"]
    assert main(["encode", str(tmp_path / "frames"), *options]) == 0
    assert f"left out {report.hidden} of 840 Gaussians" in capsys.readouterr().err
    assert main(["encode", str(tmp_path / "frames"), *options, "--keep-hidden"]) == 0
    assert "left out" not in capsys.readouterr().err
    assert len(decode_file(out)[0]) == 840


def test_rows_worth_their_bytes_follow_lambda() -> None:
    losses = np.array([0.0, 0.5, 2.0, 8.0, 9.0])
    assert seen_rows(HIDDEN * losses, 1.0).tolist() == [2, 3, 4]
    assert seen_rows(HIDDEN * losses, 0.1).tolist() == [1, 2, 3, 4]


def test_a_scene_that_is_mostly_hidden_is_seen_from_within() -> None:
    assert seen_rows(np.array([0.0, 0.0, 0.0, 1.0]), 0.1).tolist() == [0, 1, 2, 3]


def test_at_low_quality_most_may_go_where_it_can_be_seen() -> None:
    assert seen_rows(np.array([1.0, 1.0, 1.0, 900.0]), 1.0).tolist() == [3]
    assert seen_rows(np.array([1.0, 1.0]), 1.0).tolist() == [0, 1]  # never none


def test_cache_changes_no_byte(tmp_path: Path) -> None:
    encode(tmp_path, 1)
    want = (tmp_path / "out.gsv").read_bytes()
    sequence, out = open_sequence([tmp_path / "frames"]), tmp_path / "again.gsv"
    settings = EncodeSettings(payload="compact", quality=40)
    for _ in range(2):
        encode_sequence(sequence, out, settings, cache=SensitivityCache(tmp_path / "kept"))
        assert out.read_bytes() == want
    assert len(list((tmp_path / "kept").iterdir())) == 2
