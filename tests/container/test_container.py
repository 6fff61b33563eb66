"""The container: what is written is read, in any pieces; damage is named; nothing is lost silently."""

from __future__ import annotations

from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from gscodec.base.errors import BadInput, GscodecError, LimitExceeded, Misuse, Truncated, Unsupported
from gscodec.container import GsvFile, GsvWriter, Header, SegmentEntry
from gscodec.container.check import repair, verify
from gscodec.container.chunks import MAGIC, write_chunk
from gscodec.container.crc32c import crc32c
from gscodec.container.header import read_header, write_header
from gscodec.container.index import read_index, write_index
from gscodec.container.reader import Reader, SegmentEvent

from .builders import random_segments, write_file


@pytest.fixture
def whole(tmp_path: Path) -> tuple[Path, bytes]:
    path = tmp_path / "a.gsv"
    return path, write_file(path, random_segments(4))


def plain_crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@settings(deadline=None)
@given(st.binary(max_size=100), st.binary(max_size=40))
def test_crc_is_the_plain_one_when_fed_in_pieces(a: bytes, b: bytes) -> None:
    assert crc32c(b, crc32c(a)) == plain_crc32c(a + b)


def test_crc_of_the_check_string_is_the_standard_value() -> None:
    assert crc32c(b"123456789") == 0xE3069283


def test_segments_come_back_by_index(whole: tuple[Path, bytes]) -> None:
    file = GsvFile.open(whole[0])
    assert [file.read_segment(e) for e in file.index] == [payload for payload, _ in random_segments(4)]
    assert file.header.frames == 8 and file.complete


@pytest.mark.parametrize("piece", [1, 7, 1000, 10**6])
def test_events_do_not_depend_on_how_bytes_are_split(whole: tuple[Path, bytes], piece: int) -> None:
    data = whole[1]
    reader, events = Reader(), []
    for at in range(0, len(data), piece):
        reader.feed(data[at : at + piece])
        events += list(reader.events())
    reader.close()
    once = Reader()
    once.feed(data)
    assert events == list(once.events())


def test_every_truncation_gives_the_segments_before_it_and_an_error(whole: tuple[Path, bytes]) -> None:
    data = whole[1]
    ends = [e.offset + e.length + 4 for e in GsvFile.open(whole[0]).index]
    for length in range(len(data)):
        reader = Reader()
        reader.feed(data[:length])
        got = [e for e in reader.events() if isinstance(e, SegmentEvent)]
        assert len(got) == sum(end <= length for end in ends)
        with pytest.raises(Truncated):
            reader.close()


def test_every_flipped_bit_outside_padding_is_noticed(whole: tuple[Path, bytes], tmp_path: Path) -> None:
    data = whole[1]
    bad = tmp_path / "b.gsv"
    for at in range(0, len(data), 3):
        broken = bytearray(data)
        broken[at] ^= 1 << (at % 8)
        bad.write_bytes(broken)
        assert verify(bad).problems, at


def test_an_hour_of_index_is_under_100_kilobytes() -> None:
    entries, at = [], 1000
    for i in range(3600):
        length = 400_000 + (i * 7919) % 300_000
        entries.append(SegmentEntry(0, i, 30 * i, 30, at, length, (i * 2654435761) % 2**32))
        at += length + 30
    data = write_index(entries)
    assert len(data) < 100_000 and read_index(data) == entries


def test_unknown_fields_and_small_chunks_are_skipped(tmp_path: Path) -> None:
    writer = GsvWriter(tmp_path / "a.gsv", Header())
    writer.add_chunk(b"meta", b"anything")
    writer.add_segment(b"x", first_frame=0, n_frames=1)
    writer.finish()
    assert len(GsvFile.open(tmp_path / "a.gsv").index) == 1
    json = zstandard.ZstdCompressor().compress(b'{"fps": [24, 1], "later": {"a": [1]}}')
    assert read_header(json).fps == (24, 1)


def test_unknown_critical_chunks_are_refused() -> None:
    reader = Reader()
    reader.feed(MAGIC + write_chunk(b"HEAD", write_header(Header())) + write_chunk(b"XTRA", b""))
    with pytest.raises(Unsupported, match="XTRA"):
        list(reader.events())


@pytest.mark.parametrize("version", [1, 3])
def test_another_major_version_is_refused_by_number(version: int) -> None:
    reader = Reader()
    reader.feed(MAGIC[:7] + bytes([version]))
    with pytest.raises(Unsupported, match=f"major version {version} .* reads version 2"):
        list(reader.events())


@pytest.mark.parametrize("length", [2**28 + 1, 2**31 - 1, 2**32 - 1])
def test_lying_lengths_are_refused_before_bytes_are_awaited(length: int) -> None:
    reader = Reader()
    reader.feed(MAGIC + b"SEGM" + length.to_bytes(4, "little"))
    with pytest.raises(LimitExceeded):
        list(reader.events())


def test_metadata_bombs_are_refused() -> None:
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(1 << 25))
    with pytest.raises(LimitExceeded):
        read_header(bomb)


@pytest.mark.parametrize(
    "field", [b'{"fps": [0, 1]}', b'{"sh_degree": 4}', b'{"rungs": []}', b'{"up": [0,0,0]}']
)
def test_wrong_header_fields_are_bad_input(field: bytes) -> None:
    with pytest.raises(BadInput):
        read_header(zstandard.ZstdCompressor().compress(field))


def test_a_growing_file_lists_what_is_there(tmp_path: Path) -> None:
    writer = GsvWriter(tmp_path / "a.gsv", Header())
    writer.add_segment(b"abc", first_frame=0, n_frames=2)
    file = GsvFile.open(tmp_path / "a.gsv.part")
    assert not file.complete and file.read_segment(file.index[0]) == b"abc"
    writer.abort()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_target_stays_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.gsv"
    before = write_file(path, random_segments(2))
    writer = GsvWriter(path, Header())
    writer.add_segment(b"new", first_frame=0, n_frames=1)

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError):
        writer.finish()
    assert path.read_bytes() == before and not (tmp_path / "a.gsv.final").exists()


def test_segments_out_of_order_are_misuse(tmp_path: Path) -> None:
    writer = GsvWriter(tmp_path / "a.gsv", Header())
    writer.add_segment(b"a", first_frame=5, n_frames=5)
    with pytest.raises(Misuse):
        writer.add_segment(b"b", first_frame=9, n_frames=1)
    writer.abort()


def test_a_cut_file_names_repair(whole: tuple[Path, bytes]) -> None:
    whole[0].write_bytes(whole[1][:-20])
    with pytest.raises(Truncated, match="repair"):
        GsvFile.open(whole[0])


def test_repair_saves_every_whole_segment_and_counts_the_rest(
    whole: tuple[Path, bytes], tmp_path: Path
) -> None:
    entries = GsvFile.open(whole[0]).index
    data = bytearray(whole[1])
    data[entries[1].offset] ^= 255
    whole[0].write_bytes(data[:-10])
    report = repair(whole[0], tmp_path / "saved.gsv")
    assert (report.segments, report.frames, report.lost_frames) == (3, 6, 2)
    saved = GsvFile.open(tmp_path / "saved.gsv")
    assert [e.first_frame for e in saved.index] == [0, 4, 6]


def test_repair_keeps_bases_and_leaves_out_those_who_lost_theirs(tmp_path: Path) -> None:
    """GOPs 0 to 6, of which 1 and 2 share the base of 0, 4 and 6 that of 3, 5 has its own; 0, then 5, is damaged."""
    path, saved = tmp_path / "a.gsv", tmp_path / "saved.gsv"
    for damaged, lost, bases in ((0, 6, [0, 1, 0, 3]), (5, 2, [0, 1, 2, 0, 1, 2])):
        writer = GsvWriter(path, Header())
        for gop, base in enumerate((0, 1, 2, 0, 1, 0, 3)):
            writer.add_segment(b"%d" % gop * 30, first_frame=2 * gop, n_frames=2, base=base)
        writer.finish()
        data = bytearray(path.read_bytes())
        data[GsvFile.open(path).index[damaged].offset] ^= 1
        path.write_bytes(data)
        orphans = [p for p in verify(path).problems if "needs the base of segment 0, which is lost" in p]
        assert len(orphans) == (2 if damaged == 0 else 0)
        assert repair(path, saved).lost_frames == lost
        assert [e.base for e in GsvFile.open(saved).index] == bases
        assert not any("needs the base" in p for p in verify(saved).problems)


def test_repair_without_a_segment_that_has_its_base_is_beyond_repair(tmp_path: Path) -> None:
    path = tmp_path / "a.gsv"
    writer = GsvWriter(path, Header())
    for gop in range(2):
        writer.add_segment(b"abc", first_frame=2 * gop, n_frames=2, base=gop)
    writer.finish()
    data = bytearray(path.read_bytes())
    data[GsvFile.open(path).index[0].offset] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadInput, match="beyond repair"):
        repair(path, tmp_path / "saved.gsv")
    assert [p.name for p in tmp_path.iterdir()] == ["a.gsv"]


@pytest.mark.parametrize("base", [-1, 2, 70000])
def test_a_base_that_is_no_earlier_segment_is_misuse(base: int, tmp_path: Path) -> None:
    writer = GsvWriter(tmp_path / "a.gsv", Header())
    writer.add_segment(b"a", first_frame=0, n_frames=1)
    with pytest.raises(Misuse, match="base"):
        writer.add_segment(b"b", first_frame=1, n_frames=1, base=base)
    writer.abort()


def test_repair_of_noise_is_beyond_repair(tmp_path: Path) -> None:
    (tmp_path / "n.gsv").write_bytes(bytes(range(256)) * 10)
    with pytest.raises(GscodecError, match="beyond repair"):
        repair(tmp_path / "n.gsv", tmp_path / "out.gsv")
    assert not (tmp_path / "out.gsv").exists()


def test_the_same_segments_give_the_same_bytes(tmp_path: Path) -> None:
    assert write_file(tmp_path / "a.gsv", random_segments(3)) == write_file(
        tmp_path / "b.gsv", random_segments(3)
    )
