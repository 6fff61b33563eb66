"""verify and repair: what is whole in a file, and a new file of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gscodec.base.errors import BadInput, GscodecError
from gscodec.container.chunks import (
    CHUNK_HEAD,
    CHUNK_OVERHEAD,
    HEAD,
    MAGIC,
    SEGM,
    SEGMENT_HEAD,
    check_chunk,
    read_chunk_head,
    read_segment_head,
)
from gscodec.container.file import GsvFile
from gscodec.container.header import Header, read_header
from gscodec.container.index import SegmentEntry
from gscodec.container.reader import EndEvent, HeaderEvent, IndexEvent, Reader, SegmentEvent
from gscodec.container.writer import GsvWriter

__all__ = ["RepairReport", "VerifyReport", "repair", "verify"]

FEED_BYTES = 1 << 20


@dataclass
class VerifyReport:
    """What was looked at and what is wrong, one line each."""

    frames: int = 0
    segments: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass
class RepairReport:
    """What was saved. Lost frames: holes between segments, and the end where the header knows it."""

    segments: int = 0
    frames: int = 0
    lost_frames: int = 0
    skipped_bytes: int = 0


def verify(path: str | Path, decode: Callable[[bytes], int] | None = None) -> VerifyReport:
    """Check every checksum, both indexes against the segments, the frames for holes, and, with `decode` (segment
    bytes to number of frames), that every segment decodes. Damage goes into the report; no file at all raises."""
    report = VerifyReport()
    path = Path(path)
    if not path.is_file():
        raise BadInput("no such file", file=str(path))
    reader = Reader()
    seen: list[SegmentEntry] = []
    indexes: list[list[SegmentEntry]] = []
    header: Header | None = None
    ended = False
    try:
        for event in _events(path, reader):
            if isinstance(event, HeaderEvent):
                header = event.header
            elif isinstance(event, SegmentEvent):
                seen.append(event.entry)
                _try_decode(event, decode, report)
            elif isinstance(event, IndexEvent):
                indexes.append(event.entries)
            elif isinstance(event, EndEvent):
                ended = True
    except GscodecError as error:
        report.problems.append(str(error))
    report.segments, report.bytes = len(seen), path.stat().st_size
    report.frames = sum(e.n_frames for e in seen if e.rung == (seen[0].rung if seen else 0))
    if ended and not report.problems:
        _check_tables(header, seen, indexes, report)
    return report


def _events(path: Path, reader: Reader) -> Iterator[object]:
    with open(path, "rb") as file:
        while data := file.read(FEED_BYTES):
            reader.feed(data)
            yield from reader.events()
    reader.close()


def _try_decode(event: SegmentEvent, decode: Callable[[bytes], int] | None, report: VerifyReport) -> None:
    if decode is None:
        return
    try:
        frames = decode(event.payload)
    except GscodecError as error:
        report.problems.append(f"segment {event.entry.gop} does not decode: {error}")
        return
    if frames != event.entry.n_frames:
        report.problems.append(
            f"segment {event.entry.gop} has {frames} frames, its head says {event.entry.n_frames}"
        )


def _check_tables(
    header: Header | None, seen: list[SegmentEntry], indexes: list[list[SegmentEntry]], report: VerifyReport
) -> None:
    key = lambda e: (e.rung, e.gop)  # noqa: E731
    if len(indexes) != 2 or indexes[0] != indexes[1]:
        report.problems.append("the two copies of the index are not there or differ")
    if indexes and sorted(indexes[-1], key=key) != sorted(seen, key=key):
        report.problems.append("index and segments differ")
    ends: dict[int, int] = {}
    for e in sorted(seen, key=key):
        if e.first_frame != ends.get(e.rung, 0):
            report.problems.append(
                f"frames {ends.get(e.rung, 0)} to {e.first_frame - 1} are missing in rung {e.rung}"
            )
        ends[e.rung] = e.first_frame + e.n_frames
    if header and any(end != header.frames for end in ends.values()):
        report.problems.append("the header's number of frames differs from the segments'")


def repair(source: str | Path, target: str | Path) -> RepairReport:
    """Save every whole segment of `source` into a new file. Raises BadInput where no header or no segment is whole."""
    data = Path(source).read_bytes() if Path(source).is_file() else None
    if data is None:
        raise BadInput("no such file", file=str(source))
    report = RepairReport()
    header: Header | None = None
    found: dict[tuple[int, int], tuple[int, int, bytes]] = {}
    for kind, payload, at in _whole_chunks(data, report):
        try:
            if kind == HEAD and header is None:
                header = read_header(payload)
            elif kind == SEGM:
                rung, gop, first, n_frames = read_segment_head(payload, at)
                found.setdefault((rung, first), (gop, n_frames, payload[SEGMENT_HEAD.size :]))
        except GscodecError:
            continue
    if header is None or not found:
        raise BadInput(
            "beyond repair: no whole " + ("header" if header is None else "segment"), file=str(source)
        )
    writer = GsvWriter(target, header)
    try:
        for (rung, first), (_, n_frames, payload) in sorted(found.items()):
            writer.add_segment(payload, rung=rung, first_frame=first, n_frames=n_frames)
        writer.finish()
    except BaseException:
        writer.abort()
        raise
    saved = GsvFile.open(target)
    rung = min(e.rung for e in saved.index)
    report.segments = len(saved.index)
    report.frames = sum(e.n_frames for e in saved.index if e.rung == rung)
    report.lost_frames = max(header.frames, saved.header.frames) - report.frames
    return report


def _whole_chunks(data: bytes, report: RepairReport) -> Iterator[tuple[bytes, bytes, int]]:
    """Chunks with a right checksum; between them, the next place that looks like one is searched."""
    at = len(MAGIC) if data[:8] == MAGIC else 0
    while at + CHUNK_OVERHEAD <= len(data):
        try:
            head = data[at : at + CHUNK_HEAD.size]
            kind, length = read_chunk_head(head, at)
            end = at + CHUNK_HEAD.size + length
            payload, crc = data[at + CHUNK_HEAD.size : end], data[end : end + 4]
            if len(crc) == 4:
                check_chunk(head, payload, crc, at)
                yield kind, payload, at
                at = end + 4
                continue
        except GscodecError:
            pass
        places = [p for p in (data.find(SEGM, at + 1), data.find(HEAD, at + 1)) if p >= 0]
        following = min(places) if places else len(data)
        if data[at : at + 8] != MAGIC:
            report.skipped_bytes += following - at
        at = following
