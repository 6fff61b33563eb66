"""Crashes, full disks and hostile files: the old target stays, finished segments are saved, work stays bounded."""

from __future__ import annotations

import builtins
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gscodec.base.errors import BadInput, GscodecError, LimitExceeded, Misuse
from gscodec.container import GsvFile, GsvWriter, Header
from gscodec.container.check import repair, verify
from gscodec.container.chunks import MAGIC, write_chunk, write_segment_chunk
from gscodec.container.header import write_header

from .builders import random_segments, write_file

HEADER = MAGIC + write_chunk(b"HEAD", write_header(Header()))


class FailingFile:
    """A file whose write number `at` writes half of its bytes and fails."""

    left = 0

    def __init__(self, file: Any) -> None:
        self.file = file

    def write(self, data: bytes) -> int:
        FailingFile.left -= 1
        if FailingFile.left == 0:
            self.file.write(data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return int(self.file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> FailingFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def test_whichever_write_fails_the_old_target_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.gsv"
    before = write_file(path, random_segments(2))
    monkeypatch.setattr(
        "gscodec.container.writer.open",
        lambda *a: FailingFile(builtins.open(*a)),  # noqa: SIM115
        raising=False,
    )
    for n in range(1, 100):
        FailingFile.left = n
        try:
            write_file(path, random_segments(3))
            break
        except OSError:
            assert path.read_bytes() == before
            assert not (tmp_path / "a.gsv.final").exists()
    assert 6 < n < 99 and len(GsvFile.open(path).index) == 3


def test_a_killed_writer_leaves_a_part_that_repair_makes_whole(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from gscodec.container import GsvWriter, Header\n"
        "w = GsvWriter(sys.argv[1], Header())\n"
        "for i in range(3): w.add_segment(bytes([i]) * 50, first_frame=2 * i, n_frames=2)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    out = tmp_path / "a.gsv"
    done = subprocess.run([sys.executable, "-c", program, str(out)])
    assert done.returncode == -signal.SIGKILL and not out.exists()
    report = repair(f"{out}.part", out)
    assert (report.segments, report.frames, report.lost_frames, report.skipped_bytes) == (3, 6, 0, 0)
    assert not verify(out).problems
    assert GsvFile.open(out).read_segment(GsvFile.open(out).index[2]) == b"\2" * 50


def test_every_truncation_of_a_part_is_repaired_to_its_whole_segments(tmp_path: Path) -> None:
    part, out = tmp_path / "a.gsv.part", tmp_path / "a.gsv"
    data, ends = HEADER, []
    for i in range(3):
        data += write_segment_chunk(bytes([i]) * 40, 0, i, i, 1)
        ends.append(len(data))
    for length in range(len(data) + 1):
        part.write_bytes(data[:length])
        whole = sum(end <= length for end in ends)
        if whole == 0:
            with pytest.raises(BadInput, match="beyond repair"):
                repair(part, out)
            continue
        assert repair(part, out).segments == whole
        assert not verify(out).problems
        assert part.read_bytes() == data[:length]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.gsv", "a.gsv.part"]


def test_every_flipped_bit_in_front_of_the_segments_is_noticed_or_harmless(tmp_path: Path) -> None:
    path, bad = tmp_path / "a.gsv", tmp_path / "b.gsv"
    data = write_file(path, random_segments(3))
    whole = GsvFile.open(path)
    for at in range(8 * min(e.offset for e in whole.index)):
        broken = bytearray(data)
        broken[at // 8] ^= 1 << at % 8
        bad.write_bytes(broken)
        assert verify(bad).problems, at
        try:
            opened = GsvFile.open(bad)
        except GscodecError:
            continue
        assert (opened.header, opened.index) == (whole.header, whole.index)  # read by the footer


def test_verify_names_each_damaged_segment(tmp_path: Path) -> None:
    path = tmp_path / "a.gsv"
    data = bytearray(write_file(path, random_segments(5)))
    for gop in (1, 3):
        data[GsvFile.open(path).index[gop].offset] ^= 1
    path.write_bytes(data)
    problems = verify(path).problems
    assert sum("checksum differs" in p for p in problems) == 2
    assert any("frames 2 to 3 are missing" in p for p in problems)


def test_repair_keeps_further_chunks_and_the_latest_header(tmp_path: Path) -> None:
    part, out = tmp_path / "a.gsv.part", tmp_path / "a.gsv"
    later = write_chunk(b"HEAD", write_header(Header(title="later", frames=9)))
    part.write_bytes(HEADER + write_chunk(b"meta", b"kept") + later + write_segment_chunk(b"x", 0, 0, 0, 4))
    report = repair(part, out)
    assert (report.frames, report.lost_frames) == (4, 5)
    assert GsvFile.open(out).header.title == "later" and b"metakept" in out.read_bytes().replace(
        (4).to_bytes(4, "little"), b""
    )


def test_repair_leaves_out_segments_that_overlap(tmp_path: Path) -> None:
    part = tmp_path / "a.gsv.part"
    part.write_bytes(HEADER + write_segment_chunk(b"x", 0, 0, 0, 4) + write_segment_chunk(b"yz", 0, 1, 3, 4))
    report = repair(part, tmp_path / "a.gsv")
    assert (report.segments, report.skipped_bytes) == (1, 2)


def test_repair_onto_itself_is_misuse(tmp_path: Path) -> None:
    path = tmp_path / "a.gsv"
    before = write_file(path, random_segments(2))
    with pytest.raises(Misuse):
        repair(path, path)
    assert path.read_bytes() == before


def test_repair_of_many_false_chunks_stops_at_its_bound(tmp_path: Path) -> None:
    size = 1 << 16
    false = b"".join(b"SEGM" + (size - 8 * i - 12).to_bytes(4, "little") for i in range(size // 8 - 2))
    (tmp_path / "f.gsv").write_bytes(false.ljust(size, b"\0"))
    with pytest.raises(LimitExceeded):
        repair(tmp_path / "f.gsv", tmp_path / "out.gsv")
    assert [p.name for p in tmp_path.iterdir()] == ["f.gsv"]


def test_a_growing_file_with_a_damaged_segment_lists_the_others(tmp_path: Path) -> None:
    part = tmp_path / "a.gsv.part"
    data = bytearray(HEADER + b"".join(write_segment_chunk(b"abc", 0, i, i, 1) for i in range(3)))
    data[-20] ^= 1
    part.write_bytes(data)
    assert [e.gop for e in GsvFile.open(part).index] == [0, 1]


@pytest.mark.parametrize("frames", [0, 65536])
def test_segments_out_of_range_are_misuse(tmp_path: Path, frames: int) -> None:
    writer = GsvWriter(tmp_path / "a.gsv", Header())
    with pytest.raises(Misuse):
        writer.add_segment(b"a", first_frame=0, n_frames=frames)
    writer.abort()
