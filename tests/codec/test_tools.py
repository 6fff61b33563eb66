"""A tool can be left out: another file, which decodes to pictures of much the same quality."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from gscodec.base.errors import Misuse
from gscodec.codec.pipeline import encode_sequence
from gscodec.codec.settings import TOOLS, EncodeSettings
from gscodec.splats.sample import make_sample


@cache
def encode(folder: Path, *without: str) -> tuple[bytes, float]:
    path = folder / f"{len(list(folder.iterdir()))}.gsv"
    settings = EncodeSettings(payload="compact", preset="fast", gop=4, quality=75, without=without)
    report = encode_sequence(make_sample(8, 400), path, settings)
    return path.read_bytes(), report.psnr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tools")


ELSEWHERE = (
    "soft parts",
    "births on shared bases",
)  # test_soft.py, test_births.py: this sample asks for neither


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool not in ELSEWHERE])
def test_without_a_tool_it_is_another_file_of_like_quality(tool: str, folder: Path) -> None:
    whole, psnr = encode(folder)
    other, other_psnr = encode(folder, tool)
    assert other != whole
    assert abs(other_psnr - psnr) < 3


def test_unknown_tools_are_refused() -> None:
    with pytest.raises(Misuse, match="known: gauge, parts"):
        EncodeSettings(without=("parts", "magic"))
