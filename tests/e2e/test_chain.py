"""The whole way: a tiny capture is trained, encoded, served, and played in Chromium."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gscodec.cli.main import main
from gscodec.codec.pipeline import decode_file
from gscodec.render.metrics import psnr
from gscodec.render.rasterize import rasterize
from gscodec.render.views import orbit
from gscodec.train.captures.sample import write_sample_capture
from tests.e2e.test_player import SIZE, capture

pytestmark = pytest.mark.browser


def test_from_capture_to_screen(
    tmp_path: Path,
    browse: Callable[..., Any],
    serving: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")
    taken, file = tmp_path / "capture", tmp_path / "trained.gsv"
    write_sample_capture(taken, train=5, test=1, frames=3, size=64, gaussians=800)
    train = ["train", str(taken), "-o", str(file), "--preset", "fast", "--gaussians", "500", "--json"]
    assert main(train) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["psnr"]["worst"] > 15  # of the held-out camera, from five that were seen
    assert told["psnr_decoded"]["worst"] > told["psnr"]["worst"] - 0.5
    browser = browse(serving(file).start(), width=SIZE, height=SIZE).ready()
    assert browser.run("return [player.frames, player.duration]") == [3, 3 / 8]
    sequence = decode_file(file)
    place = orbit(sequence[0])
    got, camera = capture(browser, 2, place, 0.3, 2.2)
    assert psnr(rasterize(sequence[2], camera), got) >= 45
    browser.run("player.loop = false; const end = said('ended'); await player.play(); await end")
    assert browser.errors() == []
