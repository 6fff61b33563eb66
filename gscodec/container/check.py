"""verify and repair: what is whole in a file, and a new file of it."""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gscodec.base.errors import BadInput, GscodecError, LimitExceeded, Misuse, Truncated
from gscodec.container.chunks import (
    CHUNK_HEAD,
    CHUNK_OVERHEAD,
    FREE,
    HEAD,
    MAGIC,
    SEGM,
    SEGMENT_HEAD,
    check_chunk,
    is_critical,
    read_chunk_head,
    read_segment_head,
)
from gscodec.container.file import GsvFile
from gscodec.container.header import Header, read_header
from gscodec.container.index import SegmentEntry
from gscodec.container.reader import DamageEvent, EndEvent, HeaderEvent, IndexEvent, Reader, SegmentEvent
from gscodec.container.writer import GsvWriter

__all__ = ["Decode", "RepairReport", "VerifyReport", "repair", "verify"]

# The number of frames of a segment, from its bytes and those of the segment whose base it shares, where it does.
Decode = Callable[[bytes, bytes | None], int]

FEED_BYTES = 1 << 20
REPAIR_WORK = (
    8  # bytes looked at for each byte of a file: false chunk heads could ask for the square of its length
)


@dataclass
class VerifyReport:
    """What was looked at and what is wrong, one line each."""

    frames: int = 0
    segments: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass
class RepairReport:
    """What was saved. Lost frames: holes between segments, and the end where the header knows it.
    Skipped bytes: those outside whole chunks, and whole segments that another one overlaps or whose base is lost."""

    segments: int = 0
    frames: int = 0
    lost_frames: int = 0
    skipped_bytes: int = 0


def verify(path: str | Path, decode: Decode | None = None) -> VerifyReport:
    """Check every checksum, both indexes against the segments, the frames for holes, that the bases that segments
    share are there, and, with `decode`, that every segment decodes. Damage goes into the report; no file at all
    raises."""
    report = VerifyReport()
    path = Path(path)
    if not path.is_file():
        raise BadInput("no such file", file=str(path))
    seen: list[SegmentEntry] = []
    own: dict[tuple[int, int], SegmentEntry] = {}
    indexes: list[list[SegmentEntry]] = []
    header: Header | None = None
    try:
        for event in _events(path):
            if isinstance(event, HeaderEvent):
                header = event.header
            elif isinstance(event, SegmentEvent):
                _check_segment(path, event, own, decode, report)
                seen.append(event.entry)
            elif isinstance(event, IndexEvent):
                indexes.append(event.entries)
            elif isinstance(event, DamageEvent):
                report.problems.append(str(event.error))
            elif isinstance(event, EndEvent):
                _check_tables(header, seen, indexes, report)
    except GscodecError as error:
        report.problems.append(str(error))
    report.segments, report.bytes = len(seen), path.stat().st_size
    report.frames = sum(e.n_frames for e in seen if e.rung == (seen[0].rung if seen else 0))
    return report


def _events(path: Path) -> Iterator[object]:
    reader = Reader(tolerant=True)
    with open(path, "rb") as file:
        while data := file.read(FEED_BYTES):
            reader.feed(data)
            yield from reader.events()
    reader.close()


def _check_segment(
    path: Path,
    event: SegmentEvent,
    own: dict[tuple[int, int], SegmentEntry],
    decode: Decode | None,
    report: VerifyReport,
) -> None:
    """`own`: the segments so far that have their own base, by rung and GOP; this one is added."""
    entry, base = event.entry, None
    if entry.base:
        base = own.get((entry.rung, entry.gop - entry.base))
        if base is None:
            report.problems.append(
                f"segment {entry.gop} needs the base of segment {entry.gop - entry.base}, which is lost or has none"
            )
            return
    else:
        own[_place(entry)] = entry
    if decode is None:
        return
    try:
        frames = decode(event.payload, _read_again(path, base) if base else None)
    except GscodecError as error:
        report.problems.append(f"segment {event.entry.gop} does not decode: {error}")
        return
    if frames != event.entry.n_frames:
        report.problems.append(
            f"segment {event.entry.gop} has {frames} frames, its head says {event.entry.n_frames}"
        )


def _read_again(path: Path, entry: SegmentEntry) -> bytes:
    with open(path, "rb") as file:
        file.seek(entry.offset)
        return file.read(entry.length)


def _place(entry: SegmentEntry) -> tuple[int, int]:
    return entry.rung, entry.gop


def _check_tables(
    header: Header | None, seen: list[SegmentEntry], indexes: list[list[SegmentEntry]], report: VerifyReport
) -> None:
    if len(indexes) != 2 or indexes[0] != indexes[1]:
        report.problems.append("the two copies of the index are not there or differ")
    if indexes and sorted(indexes[-1], key=_place) != sorted(seen, key=_place):
        report.problems.append("index and segments differ")
    ends: dict[int, int] = {}
    for e in sorted(seen, key=_place):
        end = ends.get(e.rung, 0)
        if e.first_frame > end:
            report.problems.append(f"frames {end} to {e.first_frame - 1} are missing in rung {e.rung}")
        elif e.first_frame < end:
            report.problems.append(f"frames {e.first_frame} to {end - 1} come twice in rung {e.rung}")
        ends[e.rung] = e.first_frame + e.n_frames
    if header and any(end != header.frames for end in ends.values()):
        report.problems.append("the header's number of frames differs from the segments'")


@dataclass
class _Whole:
    """What a scan found. A segment: (first frame, frames, offset, length, GOP, base) by rung."""

    header: Header | None = None
    frames: int = 0
    extras: list[tuple[bytes, int, int]] = field(default_factory=list)
    segments: dict[int, list[tuple[int, int, int, int, int, int]]] = field(default_factory=dict)


def repair(source: str | Path, target: str | Path) -> RepairReport:
    """Save every whole segment of `source` into a new file; `source` is only read.

    Raises BadInput where no header or no segment is whole, LimitExceeded where a hostile file asks for endless work.
    """
    source, target = Path(source), Path(target)
    if not source.is_file():
        raise BadInput("no such file", file=str(source))
    if target.exists() and target.samefile(source):
        raise Misuse("a file can't be repaired onto itself", file=str(source))
    if source.stat().st_size == 0:
        raise BadInput("beyond repair: the file is empty", file=str(source))
    report = RepairReport()
    with open(source, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        whole = _scan(data, report)
        if whole.header is None or not whole.segments:
            missing = "header" if whole.header is None else "segment"
            raise BadInput(f"beyond repair: no whole {missing}", file=str(source))
        # Not OUT.gsv.part: that may well be the source.
        writer = GsvWriter(target, whole.header, part=Path(f"{target}.repair"))
        try:
            _write(writer, whole, data, report)
        except BaseException:
            writer.abort()
            raise
    saved = GsvFile.open(target)
    rung = min(e.rung for e in saved.index)
    report.segments = len(saved.index)
    report.frames = sum(e.n_frames for e in saved.index if e.rung == rung)
    report.lost_frames = max(whole.frames, saved.header.frames) - report.frames
    return report


def _write(writer: GsvWriter, whole: _Whole, data: mmap.mmap, report: RepairReport) -> None:
    for kind, offset, length in whole.extras:
        writer.add_chunk(kind, data[offset : offset + length])
    for rung, places in sorted(whole.segments.items()):
        end = saved = 0
        bases: dict[int, int] = {}  # the new GOP number of a segment with its own base, by the old one
        for first, n_frames, offset, length, gop, back in sorted(places):
            if first < end or (back and gop - back not in bases):
                report.skipped_bytes += length
                continue
            payload = data[offset : offset + length]
            base = saved - bases[gop - back] if back else 0
            writer.add_segment(payload, rung=rung, first_frame=first, n_frames=n_frames, base=base)
            if not back:
                bases[gop] = saved
            end, saved = first + n_frames, saved + 1
    if not writer.entries:
        raise BadInput("beyond repair: no whole segment has its base")
    writer.finish()


def _scan(data: mmap.mmap, report: RepairReport) -> _Whole:
    whole = _Whole()
    for kind, at, payload in _whole_chunks(data, report):
        offset = at + CHUNK_HEAD.size
        try:
            if kind == HEAD:  # the last one counts
                whole.header = read_header(payload)
                whole.frames = max(whole.frames, whole.header.frames)
            elif kind == SEGM:
                rung, gop, first, n_frames, base = read_segment_head(payload, at)
                skip = SEGMENT_HEAD.size
                place = first, n_frames, offset + skip, len(payload) - skip, gop, base
                whole.segments.setdefault(rung, []).append(place)
            elif not is_critical(kind) and kind != FREE:
                whole.extras.append((kind, offset, len(payload)))
        except GscodecError:
            report.skipped_bytes += len(payload) + CHUNK_OVERHEAD
    return whole


def _whole_chunks(data: mmap.mmap, report: RepairReport) -> Iterator[tuple[bytes, int, bytes]]:
    """(type, offset, payload) of chunks with a right checksum; behind damage, the next that looks like one is tried."""
    like_a_chunk = re.compile(b"HEAD|SEGM|INDX|FOOT")
    at = len(MAGIC) if data[: len(MAGIC)] == MAGIC else 0
    end = len(data) - (len(MAGIC) if data[-len(MAGIC) :] == MAGIC else 0)
    work = REPAIR_WORK * len(data)
    while at < end:
        if end - at < CHUNK_OVERHEAD:
            report.skipped_bytes += end - at
            return
        try:
            head = data[at : at + CHUNK_HEAD.size]
            kind, length = read_chunk_head(head, at)
            after = at + length + CHUNK_OVERHEAD
            if after > end:
                raise Truncated("chunk reaches beyond the file", offset=at)
            work -= length
            payload = data[at + CHUNK_HEAD.size : after - 4] if work >= 0 else b""
            check_chunk(head, payload, data[after - 4 : after], at)
        except BadInput:
            if work < 0:
                raise LimitExceeded("too many false chunks to look through", offset=at) from None
            found = like_a_chunk.search(data, at + 1, end)
            following = found.start() if found else end
            report.skipped_bytes += following - at
            at = following
            continue
        yield kind, at, payload
        at = after
