"""The whole chain on a tiny capture: train, go on after a break with the same result, encode."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")

from gscodec.base.errors import Misuse
from gscodec.train.captures import open_capture
from gscodec.train.captures.sample import write_sample_capture
from gscodec.train.settings import TrainSettings

TINY = TrainSettings(
    gaussians=1200, key_iterations=400, motion_iterations=60, detail_iterations=40, nodes=60, frames=3
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("capture") / "tiny"
    write_sample_capture(place, train=6, test=1, frames=24, size=64, gaussians=1000)
    return place


def test_trains_goes_on_after_a_break_and_encodes(folder: Path, tmp_path: Path) -> None:
    from gscodec.codec.pipeline import decode_file, encode_sequence
    from gscodec.codec.settings import EncodeSettings
    from gscodec.train.trainer import _load, held_out_psnr, train

    capture = open_capture(folder)
    whole = train(capture, tmp_path / "whole", TINY)
    scores = [
        np.mean(held_out_psnr(capture, _load(Path(whole.names[t]), "cpu")[0], t, "classic")) for t in range(3)
    ]
    assert min(scores) > 20, scores
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    (tmp_path / "cut" / "frame_00002.npz").unlink()
    again = train(open_capture(folder), tmp_path / "cut", TINY)
    for name in ("means", "quats", "scales", "opacities", "sh"):
        assert np.array_equal(getattr(whole[2], name), getattr(again[2], name)), name
    assert np.array_equal(whole[0].opacities, whole[2].opacities)  # the same Gaussians throughout
    encode_sequence(whole, tmp_path / "x.gsv", EncodeSettings(preset="fast", quality=30))
    assert len(decode_file(tmp_path / "x.gsv")) == 3


def test_a_work_folder_of_other_settings_is_refused(folder: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from gscodec.train.trainer import _claim

    capture = open_capture(folder)
    _claim(tmp_path, capture, TINY)
    with pytest.raises(Misuse, match="another capture"):
        _claim(tmp_path, capture, replace(TINY, seed=1))
