"""The whole chain on a tiny capture: train, go on after a break with the same result, encode, decode."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")

from gscodec.base.errors import BadInput, Misuse
from gscodec.train.captures import open_capture
from gscodec.train.captures.sample import write_sample_capture
from gscodec.train.settings import TrainSettings, preset

TINY = TrainSettings(gaussians=800, key_iterations=250, motion_iterations=40, detail_iterations=30, nodes=60)
KEY_DB, FOLLOWING_DB, DECODED_DB = 19.5, 18.5, 18.0  # six views of 64 pixels, 250 iterations: little to go by


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("capture") / "tiny"
    write_sample_capture(place, train=6, test=1, frames=16, size=64, gaussians=1000)
    return place


def test_trains_goes_on_after_a_break_and_encodes(folder: Path, tmp_path: Path) -> None:
    from gscodec.codec.pipeline import decode_file, encode_sequence
    from gscodec.codec.settings import EncodeSettings
    from gscodec.train.pipeline import held_out_psnr, train_sequence

    capture = open_capture(folder)
    told: list[tuple[int, str]] = []
    whole = train_sequence(
        capture, tmp_path / "whole", TINY, range(3), lambda n, note: told.append((n, note))
    )
    assert sum(n for n, _ in told) == 250 + 2 * 70
    assert any("held out" in note and "Gaussians" in note for _, note in told)
    scores = [float(np.mean(held_out_psnr(capture, splats, t))) for t, splats in enumerate(whole)]
    assert scores[0] > KEY_DB, scores
    assert min(scores) > FOLLOWING_DB, scores
    assert 400 < len(whole[0]) == len(whole[2]) <= 800  # the same Gaussians throughout

    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    (tmp_path / "cut" / "frame_00002.npz").unlink()
    (tmp_path / "cut" / "frame_00002.part").write_bytes(b"half of it")
    again = train_sequence(open_capture(folder), tmp_path / "cut", TINY, range(3))
    for name in ("means", "quats", "scales", "opacities", "sh"):
        assert np.array_equal(getattr(whole[2], name), getattr(again[2], name)), name

    encode_sequence(
        whole, tmp_path / "x.gsv", EncodeSettings(preset="fast", quality=60, fps=whole.fps, up=whole[0].up)
    )
    decoded = decode_file(tmp_path / "x.gsv")
    assert len(decoded) == 3
    scores = [float(np.mean(held_out_psnr(capture, splats, t))) for t, splats in enumerate(decoded)]
    assert min(scores) > DECODED_DB, scores


def test_a_work_folder_of_another_run_is_refused(folder: Path, tmp_path: Path) -> None:
    from gscodec.train.pipeline import Checkpoint, train_sequence

    capture = open_capture(folder)
    quick = replace(TINY, gaussians=50, key_iterations=2)
    train_sequence(capture, tmp_path / "a", quick, range(1))
    with pytest.raises(Misuse, match="another capture"):
        train_sequence(capture, tmp_path / "a", replace(quick, seed=1), range(1))
    with pytest.raises(Misuse, match="another capture"):
        train_sequence(capture, tmp_path / "a", quick, range(1, 2))
    plain = replace(quick, codec=())  # of these nothing but the length of GOPs hangs on frames a second
    train_sequence(capture, tmp_path / "b", plain, range(1))
    with pytest.raises(Misuse, match="another capture"):
        train_sequence(replace(capture, fps=30.0), tmp_path / "b", plain, range(1))
    (tmp_path / "a" / "run.json").write_text("{")
    with pytest.raises(BadInput, match=r"run\.json"):
        train_sequence(capture, tmp_path / "a", quick, range(1))
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(BadInput, match=r"bad\.npz"):
        Checkpoint.load(tmp_path / "bad.npz")


def test_one_run_at_a_time_has_a_work_folder(folder: Path, tmp_path: Path) -> None:
    from gscodec.base.lock import LOCK, alone_in
    from gscodec.train.pipeline import train_sequence

    quick, work = replace(TINY, gaussians=50, key_iterations=2), tmp_path / "work"
    with alone_in(work), pytest.raises(Misuse, match=r"another process .*work"):
        train_sequence(open_capture(folder), work, quick, range(1))
    assert [path.name for path in work.iterdir()] == [LOCK]
    train_sequence(open_capture(folder), work, quick, range(1))
    assert (work / "frame_00000.npz").exists()


def test_settings_refuse_what_cannot_be() -> None:
    assert preset("fast", gaussians=77, seed=None).gaussians == 77
    assert preset("fast").steps(following=True) == 200
    for wrong in (
        {"gaussians": 0},
        {"sh_degree": 2},
        {"kernel": "round"},
        {"prune": 1.0},
        {"start_share": 0},
        {"views_per_step": 0},
        {"distil_from": 1},
        {"detail_iterations": -1},
    ):
        with pytest.raises(Misuse):
            TrainSettings(**wrong)
    with pytest.raises(Misuse, match="balanced"):
        preset("slow")
    with pytest.raises(Misuse, match="snap"):
        TrainSettings(codec=("calm", "smooth"))


def test_the_analytic_kernel_trains_and_is_measured_with_itself(folder: Path, tmp_path: Path) -> None:
    from gscodec.train.pipeline import held_out_psnr, train_sequence

    capture = open_capture(folder)
    settings = replace(TINY, gaussians=150, key_iterations=60, kernel="analytic", preview_every=0)
    splats = train_sequence(capture, tmp_path, settings, range(1))[0]
    own, classic = (np.mean(held_out_psnr(capture, splats, 0, kernel)) for kernel in ("analytic", None))
    assert own > 13
    assert own != classic
    assert not (tmp_path / "preview.png").exists()
