"""Real sequences in Chromium, in both payloads: planes bit for bit, pictures as Python draws what it decodes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gscodec.codec.pipeline import decode_file, encode_sequence
from gscodec.codec.settings import EncodeSettings
from gscodec.render.metrics import psnr
from gscodec.render.rasterize import rasterize
from gscodec.render.views import orbit
from gscodec.splats.sequence import open_sequence

from .pictures import HASHES, SIZE, capture, hashes_of

pytestmark = pytest.mark.browser
FRAMES = 6  # of each; the whole ones are encoded by `bench rd`


@pytest.mark.parametrize("payload", ["compact", "video"])
@pytest.mark.parametrize("name", ["seq-wave", "seq-monkey", "seq-fox", "seq-trio"])
def test_real_sequences_look_as_python_decodes_them(
    name: str,
    payload: str,
    test_data: Callable[[str], Path],
    browse: Callable[..., Any],
    serving: Callable[..., Any],
    tmp_path: Path,
) -> None:
    files = sorted(test_data(name).glob("frame_*.ply"))[:FRAMES]
    path = tmp_path / f"{name}.gsv"
    encode_sequence(open_sequence(files), path, EncodeSettings(preset="fast", payload=payload, quality=40))
    told = decode_file(path)
    browser = browse(serving(path).start(), width=SIZE, height=SIZE).ready()
    around = orbit(told[0])
    values = []
    for frame in (0, FRAMES - 1):
        for azimuth in (0.3, 3.4):
            got, camera = capture(browser, frame, around, azimuth, 2.2)
            values.append(psnr(rasterize(told[frame], camera), got))
    print(f"{name}, {payload}: worst {min(values):.1f} dB")
    assert min(values) >= 45
    assert browser.run(HASHES) == hashes_of(path, gop=0)
    assert browser.errors() == []
