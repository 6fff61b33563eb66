"""Files as the push sees them: prefix, table, segments, growth. The index is made up; bytes are bytes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from gscodec.base.errors import BadInput, Truncated
from gscodec.stream import media
from gscodec.stream.media import open_media
from gscodec.stream.messages import Gop
from gscodec.stream.shelf import ServedFile

DATA = b"HEADER" + b"aaaa" + b"bbbbbb"
ENTRIES = [
    SimpleNamespace(rung=0, gop=1, first_frame=30, n_frames=12, offset=10, length=6, crc=2, base=1),
    SimpleNamespace(rung=0, gop=0, first_frame=0, n_frames=30, offset=6, length=4, crc=1, base=0),
]


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    found: list[SimpleNamespace] = list(ENTRIES)
    monkeypatch.setattr(media, "_entries", lambda path, growing: list(found))
    return found


def test_prefix_table_and_segments_come_from_the_file(tmp_path: Path, entries: list[SimpleNamespace]) -> None:
    path = tmp_path / "wave.gsv"
    path.write_bytes(DATA)
    opened = open_media(ServedFile("wave", path))
    assert opened.header == b"HEADER" and opened.complete
    assert opened.rungs == ((Gop(0, 0, 30, 4, 1), Gop(1, 30, 12, 6, 2, 1)),)
    assert (opened.read(0, 1), opened.read(0, 0)) == (b"bbbbbb", b"aaaa")
    opened.close()


def test_cut_file_is_named_when_its_end_is_read(tmp_path: Path, entries: list[SimpleNamespace]) -> None:
    path = tmp_path / "wave.gsv"
    path.write_bytes(DATA[:-1])
    opened = open_media(ServedFile("wave", path))
    with pytest.raises(Truncated, match="wave"):
        opened.read(0, 1)
    opened.close()


def test_file_without_segments_is_refused_unless_it_grows(
    tmp_path: Path, entries: list[SimpleNamespace]
) -> None:
    entries.clear()
    part = tmp_path / "wave.gsv.part"
    part.write_bytes(b"HEAD")
    served = ServedFile("wave", tmp_path / "wave.gsv")
    opened = open_media(served)
    assert opened.rungs == () and not opened.complete
    opened.close()
    part.rename(served.path)
    with pytest.raises(BadInput, match="no segments"):
        open_media(served)


def test_growth_and_completion_are_noticed(tmp_path: Path, entries: list[SimpleNamespace]) -> None:
    late = entries.pop(0)
    part = tmp_path / "wave.gsv.part"
    part.write_bytes(DATA[:10])
    served = ServedFile("wave", tmp_path / "wave.gsv")
    opened = open_media(served)
    assert len(opened.rungs[0]) == 1 and not opened.refresh()
    entries.append(late)
    part.write_bytes(DATA)
    assert opened.refresh() and len(opened.rungs[0]) == 2 and not opened.complete
    part.rename(served.path)
    assert opened.refresh() and opened.complete
    assert opened.read(0, 1) == b"bbbbbb"
    opened.close()
