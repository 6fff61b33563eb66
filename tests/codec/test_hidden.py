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
    settings = EncodeSettings(**{"payload": "compact", "quality": 40, "drop_hidden": True, **options})  # type: ignore[arg-type]
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


def test_the_command_says_what_it_left_out_and_keeps_it_by_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, _ = encode(tmp_path, 1)
    out = tmp_path / "cli.gsv"
    options = ["-o", str(out), "--payload", "compact", "--quality", "40", "--force"]
    assert main(["encode", str(tmp_path / "frames"), *options, "--drop-hidden"]) == 0
    assert f"left out {report.hidden} of 840 Gaussians" in capsys.readouterr().err
    assert main(["encode", str(tmp_path / "frames"), *options]) == 0
    assert "left out" not in capsys.readouterr().err
    assert len(decode_file(out)[0]) == 840


def test_rows_worth_their_bytes_follow_lambda() -> None:
    losses = np.array([0.0, 0.5, 2.0, 8.0, 9.0])
    for lam, left in ((1.0, [2, 3, 4]), (0.1, [1, 2, 3, 4])):
        assert seen_rows(HIDDEN * losses, lam, lambda _: 0.0).tolist() == left


def test_all_that_go_together_are_not_missed_either() -> None:
    losses = np.array([0.0, 0.5, 0.6, 9.0])
    bad = lambda rows: 0.0 if 1 in rows else 1e3  # noqa: E731
    assert seen_rows(HIDDEN * losses, 1.0, bad).tolist() == [1, 2, 3]
    assert seen_rows(HIDDEN * losses, 1.0, lambda _: 1e3).tolist() == [0, 1, 2, 3]
    assert seen_rows(np.zeros(2), 1.0, lambda _: 0.0).tolist() == [0, 1]  # never none


def test_fog_stays_although_no_part_of_it_is_missed(tmp_path: Path) -> None:
    source = tmp_path / "fog"
    source.mkdir()
    write_ply(source / "0.ply", joined(ball(400, 0.4, 0.99, 0.08), ball(1500, 1.0, 0.03, 0.1, seed=1)))
    settings = EncodeSettings(quality=60, drop_hidden=True)
    report = encode_sequence(open_sequence([source]), tmp_path / "fog.gsv", settings)
    assert report.hidden < 300  # of 1,900; each for itself is missed so little that 1,400 would go
    assert report.psnr > 40


def test_cache_changes_no_byte(tmp_path: Path) -> None:
    encode(tmp_path, 1)
    want = (tmp_path / "out.gsv").read_bytes()
    sequence, out = open_sequence([tmp_path / "frames"]), tmp_path / "again.gsv"
    settings = EncodeSettings(payload="compact", quality=40, drop_hidden=True)
    for _ in range(2):
        encode_sequence(sequence, out, settings, cache=SensitivityCache(tmp_path / "kept"))
        assert out.read_bytes() == want
    assert len(list((tmp_path / "kept").iterdir())) == 2
