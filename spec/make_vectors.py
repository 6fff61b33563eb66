"""Writes vectors/container: small .gsv files with what readers must find in them, and damaged ones with the errors' kinds.

Run from the repository's root: python -m spec.make_vectors. Beside each ok/NAME.gsv lies NAME.json: the header's known
fields and the segments (rung, GOP, first frame, frames, offset, length, CRC-32C, base); growing_* are files being written.
bad/verdicts.json has three verdicts a file, null (read) or the kind of error: `in_order` (every byte, first to last, to
a finished file's end), `by_footer` (header and index of a finished file, by its last bytes), `player` (front first, then
the end, then chunk by chunk; `damaged` are GOPs that fail only when fetched). What segments hold is noise here.
"""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import zstandard

from gscodec.container.chunks import MAGIC, write_chunk, write_segment_chunk
from gscodec.container.crc32c import crc32c
from gscodec.container.header import Bounds, Header, Rung, write_header, zip_bytes
from gscodec.container.writer import GsvWriter
from spec import reference_container as reference

FOLDER = Path(__file__).parent / "vectors" / "container"
HEADER = Header(
    generator="vectors", title="Grün 三", fps=(30000, 1001), bounds=Bounds(center=(1, 2, 3), radius=4.5)
)


def uv(value: int) -> bytes:
    low = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([b | 128 for b in low[:-1]] + low[-1:])


def body(i: int, length: int = 24) -> bytes:
    return bytes((37 * i + 11 * k) % 256 for k in range(length))


def written(
    header: Header,
    segments: list[tuple[int, int, int]],
    extras: dict[bytes, bytes] | None = None,
    bases: Sequence[int] = (),
) -> bytes:
    """A finished file by the writer; segments are (rung, first frame, frames), `bases` their distances, else 0."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.gsv"
        writer = GsvWriter(path, header)
        for kind, payload in (extras or {}).items():
            writer.add_chunk(kind, payload)
        for i, (rung, first, n_frames) in enumerate(segments):
            base = bases[i] if bases else 0
            writer.add_segment(
                body(i, 20 + 9 * (i % 12)), rung=rung, first_frame=first, n_frames=n_frames, base=base
            )
        writer.finish()
        return path.read_bytes()


def index_bytes(*rungs: tuple[int, list[tuple[int, ...]]], version: int = 2) -> bytes:
    """INDX before compression, from the numbers as they stand in the file; an entry's seventh, base, is 0 if not told."""
    out = bytes([version]) + uv(len(rungs))
    for rung, entries in rungs:
        out += uv(rung) + uv(len(entries))
        for gop, first, n_frames, offset, length, crc, *base in entries:
            out += uv(gop) + uv(first) + uv(n_frames) + uv(offset) + uv(length) + struct.pack("<I", crc)
            out += uv(*(base or [0])) if version > 1 else b""
    return out


def footer(index_offset: int, length: int) -> bytes:
    return write_chunk(b"FOOT", struct.pack("<QQ", index_offset, length)) + MAGIC


def assembled(*, head: bytes | None = None, index: bytes | None = None, middle: bytes | None = None) -> bytes:
    """A finished file from parts: the chunks in front, the payload of both indexes, and the segments.
    The index that is made where none is given fits two segments of 24 bytes."""
    head = write_chunk(b"HEAD", write_header(HEADER)) if head is None else head
    middle = two_segments() if middle is None else middle
    if index is None:
        index = fitting_index(len(MAGIC) + len(head))
    table = write_chunk(b"INDX", index)
    before = MAGIC + head + table + middle
    return before + table + footer(len(before), len(before) + len(table) + 36)


def two_segments(gops: tuple[int, int] = (0, 1), base: int = 0) -> bytes:
    """`base`: of the second."""
    first = write_segment_chunk(body(0), 0, gops[0], 0, 2)
    return first + write_segment_chunk(body(1), 0, gops[1], 2, 2, base)


def fitting_index(start: int, gaps: tuple[int, int] = (0, 0), copies: int = 1, base: int = 0) -> bytes:
    """The index of two segments that follow `copies` of it from `start` on; `base`: of the second."""
    packed = b""
    while True:
        first = start + copies * (12 + len(packed)) + 26
        entries: list[tuple[int, ...]] = [
            (gaps[0], 0, 2, first, 24, crc32c(body(0))),
            (gaps[1], 0, 2, 30, 24, crc32c(body(1)), base),
        ]
        before, packed = packed, zip_bytes(index_bytes((0, entries)))
        if not copies or len(packed) == len(before):
            return packed


@dataclass
class Vector:
    data: bytes
    in_order: str | None = None
    by_footer: str | None = None
    player: str | None = None
    damaged: list[int] = field(default_factory=list)


def growing(*chunks: bytes) -> bytes:
    return MAGIC + write_chunk(b"HEAD", write_header(HEADER)) + b"".join(chunks)


def json_head(text: str | bytes) -> bytes:
    return write_chunk(b"HEAD", zip_bytes(text.encode() if isinstance(text, str) else text))


def ok_vectors() -> Iterator[tuple[str, bytes]]:
    plain = [(0, 0, 30), (0, 30, 30), (0, 60, 7)]
    rungs = [
        Rung(id=0, codecs=["avc1.640028"], width=512, height=256, slots=900),
        Rung(id=3, payload="compact"),
    ]
    two = Header(rungs=rungs, kernel="compensated", sh_degree=2)
    yield "no_segments", (written(HEADER, []))
    yield "one_frame", (written(HEADER, [(0, 0, 1)]))
    yield "three_gops", (written(HEADER, plain))
    yield "two_rungs", (written(two, [(0, 0, 10), (3, 0, 10), (0, 10, 5), (3, 10, 5)]))
    yield "rung_cut_short", (written(two, [(0, 0, 10), (3, 0, 10), (0, 10, 5)]))
    yield "hole_in_frames", (written(HEADER, [(0, 30, 30), (0, 90, 30)]))
    yield "late_frames", (written(HEADER, [(0, 2**48 - 65535, 65535)]))
    five = [(0, 10 * i, 10) for i in range(5)]
    yield "shared_base", written(HEADER, five, bases=(0, 1, 2, 0, 1))
    rung_by_rung = [(0, 0, 10), (3, 0, 10), (0, 10, 5), (3, 10, 5)]
    yield "shared_base_of_one_rung", written(two, rung_by_rung, bases=(0, 0, 0, 1))
    far = [(0, i, 1) for i in range(132)]
    yield "shared_base_far_back", written(HEADER, far, bases=[*range(131), 130])
    # Of a container's readers, none looks whether the base that is named is there and its segment's own (3.2).
    yield "shared_base_of_a_sharer", written(HEADER, five[:3], bases=(0, 1, 1))
    yield "further_chunks", (written(HEADER, plain, {b"meta": b"{}", b"xown": b"\0", b"zzzz": b""}))
    yield "many_gops", (written(HEADER, [(0, 2 * i, 2) for i in range(40)]))
    yield "assembled", (assembled())
    yield "header_defaults", (assembled(head=json_head("{}")))
    unknown = '{"later": {"a": [1, null]}, "bounds": {"radius": 2, "k": 0}, "rungs": [{"id": 0, "z": 1}]}'
    yield "header_unknown_fields", (assembled(head=json_head(unknown)))
    checked = zstandard.ZstdCompressor(write_checksum=True, write_content_size=True)
    yield "header_zstd_checksum", (assembled(head=write_chunk(b"HEAD", checked.compress(b'{"title": "c"}'))))
    stored = b"\x28\xb5\x2f\xfd\x60\x00\x00"  # one raw block behind a two-byte content size (256 and more)
    text = b'{"title": "' + b"s" * 300 + b'"}'
    frame = (
        stored[:5] + struct.pack("<H", len(text) - 256) + (len(text) << 3 | 1).to_bytes(3, "little") + text
    )
    yield "header_zstd_raw_block", (assembled(head=write_chunk(b"HEAD", frame)))
    front = MAGIC + write_chunk(b"HEAD", write_header(HEADER))
    gaps = fitting_index(len(front), (4, 2))
    yield "gop_numbers_skip", assembled(index=gaps, middle=two_segments((4, 7)))
    front += two_segments()
    table = write_chunk(b"INDX", fitting_index(len(front) - len(two_segments()), copies=0))
    yield "index_at_end_only", front + table + footer(len(front), len(front) + len(table) + 36)
    front = MAGIC + write_chunk(b"HEAD", write_header(HEADER))
    lost = fitting_index(len(front), (4, 2), base=2)
    yield "shared_base_lost", assembled(index=lost, middle=two_segments((4, 7), 2))
    yield "growing", growing(two_segments())
    yield "growing_shared_base", growing(two_segments(base=1))
    yield "growing_torn", growing(two_segments(), two_segments()[:50])
    yield "growing_without_segments", growing()


def every(data: bytes, kind: str) -> Vector:
    return Vector(data, kind, kind, kind)


def changed(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def bad_files() -> Iterator[tuple[str, Vector]]:
    good = assembled()
    first = good.index(b"SEGM")
    yield "nothing", every(b"", "truncated")
    yield "magic_cut", every(MAGIC[:5], "truncated")
    yield "magic_of_png", every(b"\x89PNG\r\n\x1a\n" + good[8:], "bad")
    yield "magic_through_text_mode", every(good.replace(b"\r\n", b"\n"), "bad")
    yield "earlier_major_version", every(version_1(), "unsupported")
    yield "later_major_version", every(MAGIC[:7] + b"\3" + good[8:], "unsupported")
    yield "closing_magic_of_version_1", Vector(good[:-1] + b"\1", "unsupported", "truncated")
    yield "header_cut", every(good[:60], "truncated")
    yield "segment_cut", Vector(good[: first + 40], "truncated", "truncated", None, [0, 1])
    yield "second_index_missing", Vector(good[: first + 108], "truncated", "truncated")
    yield "closing_magic_cut", Vector(good[:-1], "truncated", "truncated")
    yield "closing_magic_changed", Vector(good[:-1] + b"\3", "unsupported", "truncated")
    yield "closing_magic_missing", Vector(good[:-8], "truncated", "truncated")
    yield "bytes_behind_the_end", Vector(good + b"\0", "bad", "truncated")
    yield "header_not_first", every(MAGIC + two_segments() + footer(8, 8 + 108 + 36), "bad")
    yield "header_checksum", every(changed(good, 20, bytes([good[20] ^ 1])), "bad")
    yield "segment_checksum", Vector(changed(good, first + 30, b"\xff"), "bad", None, None, [0])
    yield "front_index_checksum", Vector(changed(good, first - 2, b"\0\1"), "bad")
    yield "last_index_checksum", Vector(changed(good, len(good) - 38, b"\0\1"), "bad")
    yield "footer_checksum", Vector(changed(good, len(good) - 10, b"\0\1"), "bad", "bad")
    yield "footer_type", Vector(assembled_end(b"free", struct.pack("<QQ", 0, 0)), "bad", "bad")


def version_1() -> bytes:
    """A finished file as the first version had it: no base in the index, flags (0) in its place in a segment's head."""
    head = write_chunk(b"HEAD", write_header(Header(generator="vectors", version=(1, 0))))
    start, size = len(MAGIC) + len(head), 0
    while True:
        entries = [(0, 0, 2, start + size + 26, 24, crc32c(body(0))), (0, 0, 2, 30, 24, crc32c(body(1)))]
        table = write_chunk(b"INDX", zip_bytes(index_bytes((0, entries), version=1)))
        if len(table) == size:
            break
        size = len(table)
    before = MAGIC + head + table + two_segments()
    whole = before + table + footer(len(before), len(before) + len(table) + 36)
    return whole[:7] + b"\1" + whole[8:-1] + b"\1"


def assembled_end(kind: bytes, payload: bytes) -> bytes:
    """A file whose last chunk is replaced."""
    return assembled()[:-36] + write_chunk(kind, payload) + MAGIC


def bad_chunks() -> Iterator[tuple[str, Vector]]:
    head = MAGIC + write_chunk(b"HEAD", write_header(HEADER))

    def behind_head(data: bytes) -> bytes:
        return assembled(head=head[len(MAGIC) :] + data)

    unknown = behind_head(write_chunk(b"XTRA", b""))
    yield "critical_chunk_unknown", Vector(unknown, "unsupported", None, "unsupported")
    yield "chunk_type_not_letters", Vector(behind_head(write_chunk(b"a1bc", b"")), "bad", None, "bad")
    yield "chunk_type_not_ascii", Vector(behind_head(write_chunk(b"me\xe9a", b"")), "bad", None, "bad")
    for name, length in (("over_limit", 2**28 + 1), ("2_31", 2**31), ("2_32", 2**32 - 1)):
        told = b"meta" + struct.pack("<I", length)
        yield f"chunk_length_{name}", Vector(behind_head(told), "limit", None, "limit")
    beyond = growing(b"meta" + struct.pack("<I", 5000) + bytes(50))
    yield "chunk_length_beyond_file", Vector(beyond, "truncated", "truncated")
    for name, payload, kind in (
        ("base_before_first", struct.pack("<HHIQH", 0, 1, 0, 0, 2) + body(0), "bad"),
        ("base_before_first_later", struct.pack("<HHIQH", 0, 8, 7, 0, 2) + body(0), "bad"),
        ("no_frames", struct.pack("<HHIQH", 0, 0, 0, 0, 0) + body(0), "bad"),
        ("frames_overflow", struct.pack("<HHIQH", 0, 0, 0, 2**48 - 1, 2) + body(0), "bad"),
        ("frames_overflow_64", struct.pack("<HHIQH", 0, 0, 0, 2**64 - 1, 2) + body(0), "bad"),
        ("head_cut", struct.pack("<HHIQ", 0, 0, 0, 0), "truncated"),
    ):
        player = None if kind == "truncated" else kind  # too short to be looked at
        yield f"segment_{name}", Vector(growing(write_chunk(b"SEGM", payload)), kind, "truncated", player)
    length = len(assembled())
    index_at = assembled().rindex(b"INDX")
    for name, told in (
        ("index_elsewhere", (index_at + 1, length)),
        ("index_is_header", (8, length)),
        ("index_is_footer", (length - 36, length)),
        ("index_at_2_53", (2**53, length)),
        ("index_at_2_63", (2**63, length)),
        ("index_at_2_64", (2**64 - 1, length)),
    ):
        yield f"footer_{name}", Vector(assembled_end(b"FOOT", struct.pack("<QQ", *told)), "bad")
    yield (
        "footer_other_length",
        Vector(assembled_end(b"FOOT", struct.pack("<QQ", index_at, length + 1)), "bad", "bad"),
    )
    yield "footer_too_long", Vector(assembled_end(b"FOOT", bytes(28)), "bad", "bad")


HEADS = {
    "empty": "",
    "not_json": "{",
    "list": "[]",
    "number": "7",
    "nan": '{"unit_m": NaN}',
    "huge_number": '{"unit_m": 1e400}',
    "title_number": '{"title": 5}',
    "fps_zero": '{"fps": [0, 1]}',
    "fps_over_zero": '{"fps": [30, 0]}',
    "fps_negative": '{"fps": [-30, 1]}',
    "fps_one_number": '{"fps": [30]}',
    "fps_text": '{"fps": "30"}',
    "fps_10000": '{"fps": [10000, 1]}',
    "frames_negative": '{"frames": -1}',
    "frames_2_53": '{"frames": 9007199254740993}',
    "frames_true": '{"frames": true}',
    "degree_4": '{"sh_degree": 4}',
    "degree_half": '{"sh_degree": 0.5}',
    "up_zero": '{"up": [0, 0, 0]}',
    "up_two": '{"up": [0, 1]}',
    "up_null": '{"up": null}',
    "up_huge": '{"up": [0, 1e30, 0]}',
    "unit_zero": '{"unit_m": 0}',
    "radius_zero": '{"bounds": {"radius": 0}}',
    "radius_huge": '{"bounds": {"radius": 1e30}}',
    "bounds_list": '{"bounds": []}',
    "center_text": '{"bounds": {"center": ["0", 0, 0]}}',
    "rungs_none": '{"rungs": []}',
    "rungs_object": '{"rungs": {"0": {}}}',
    "rungs_of_numbers": '{"rungs": [1]}',
    "rung_twice": '{"rungs": [{"id": 1}, {"id": 1}]}',
    "rung_65536": '{"rungs": [{"id": 65536}]}',
    "rung_slots_negative": '{"rungs": [{"slots": -1}]}',
    "codecs_text": '{"rungs": [{"codecs": "avc1"}]}',
    "codecs_of_numbers": '{"rungs": [{"codecs": [1]}]}',
}


def bad_headers() -> Iterator[tuple[str, Vector]]:
    for name, text in HEADS.items():
        yield f"header_{name}", every(assembled(head=json_head(text)), "bad")
    yield "header_kernel_unknown", every(assembled(head=json_head('{"kernel": "later"}')), "unsupported")
    yield "header_not_utf8", every(assembled(head=json_head(b'{"title": "\xff"}')), "bad")
    frame = zip_bytes(b'{"title": "a"}')
    for name, data, kind in (
        ("not_zstd", b'{"title": "a"}', "bad"),
        ("zstd_cut", frame[:-1], "bad"),
        ("zstd_trailing_byte", frame + b"\0", "bad"),
        ("zstd_two_frames", frame + frame, "bad"),
        ("zstd_size_too_small", frame[:5] + bytes([frame[5] - 1]) + frame[6:], "bad"),
        ("zstd_size_too_large", frame[:5] + bytes([frame[5] + 1]) + frame[6:], "bad"),
        ("zstd_bomb", zip_bytes(bytes(2**24 + 1)), "limit"),
        ("zstd_no_size", zstandard.ZstdCompressor(write_content_size=False).compress(b"{}"), "limit"),
        ("zstd_window", b"\x28\xb5\x2f\xfd\x80\x78" + struct.pack("<I", 2) + b"\x11\0\0{}", "limit"),
    ):
        yield f"header_{name}", every(assembled(head=write_chunk(b"HEAD", data)), kind)


def bad_indexes() -> Iterator[tuple[str, Vector]]:
    """Both copies are bad: a player still finds the segments one by one."""
    one = (0, 0, 2, 300, 24, 7)
    for name, data, kind in (
        ("empty", b"", "truncated"),
        ("earlier_version", index_bytes((0, [one]), version=1), "unsupported"),
        ("later_version", index_bytes((0, [one]), version=3), "unsupported"),
        ("cut", index_bytes((0, [one]))[:-2], "truncated"),
        ("left_over", index_bytes((0, [one])) + b"\0", "bad"),
        ("base_before_first", index_bytes((0, [(*one, 1)])), "bad"),
        ("base_before_first_later", index_bytes((0, [one, (0, 0, 2, 26, 24, 7, 2)])), "bad"),
        ("base_over_2_48", index_bytes((0, [(*one, 2**48 + 1)])), "bad"),
        ("base_missing", index_bytes((0, [one]))[:-1], "truncated"),
        ("long_number", b"\2" + b"\x80" * 7 + b"\1", "bad"),
        ("number_over_2_48", b"\2" + uv(2**48 + 1), "bad"),
        ("no_frames", index_bytes((0, [(0, 0, 0, 300, 24, 7)])), "bad"),
        ("too_many_frames", index_bytes((0, [(0, 0, 65536, 300, 24, 7)])), "bad"),
        ("gop_2_32", index_bytes((0, [(2**32, 0, 2, 300, 24, 7)])), "bad"),
        ("frames_overflow", index_bytes((0, [(0, 2**48, 1, 300, 24, 7)])), "bad"),
        ("offset_overflow", index_bytes((0, [(0, 0, 1, 2**48, 1, 7)])), "bad"),
        ("segment_too_long", index_bytes((0, [(0, 0, 1, 300, 2**28 + 1, 7)])), "limit"),
        ("rung_twice", index_bytes((0, [one]), (0, [one])), "bad"),
        ("rung_65536", index_bytes((65536, [one])), "bad"),
        ("too_many_entries", b"\2\1\0" + uv(2**19 + 1), "limit"),
    ):
        yield f"index_{name}", Vector(assembled(index=zip_bytes(data)), kind, kind)
    yield "index_not_zstd", Vector(assembled(index=b"\1\0"), "bad", "bad")
    beyond = zip_bytes(index_bytes((0, [(0, 0, 2, 10**6, 24, 7)])))
    yield "index_beyond_file", Vector(assembled(index=beyond), None, "bad", None, [0])


def expectation(name: str, data: bytes) -> dict[str, object]:
    file = reference.read_growing(data) if name.startswith("growing") else reference.read_in_order(data)
    return {"header": file.header, "segments": [list(asdict(e).values()) for e in file.entries]}


def main() -> None:
    for part in ("ok", "bad"):
        (FOLDER / part).mkdir(parents=True, exist_ok=True)
        for old in (FOLDER / part).iterdir():
            old.unlink()
    for name, data in ok_vectors():
        (FOLDER / "ok" / f"{name}.gsv").write_bytes(data)
        text = json.dumps(expectation(name, data), ensure_ascii=False)
        (FOLDER / "ok" / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    verdicts = {}
    for family in (bad_files, bad_chunks, bad_headers, bad_indexes):
        for name, vector in family():
            (FOLDER / "bad" / f"{name}.gsv").write_bytes(vector.data)
            verdicts[name] = {k: v for k, v in asdict(vector).items() if k != "data"}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(told)}" for name, told in verdicts.items())
    (FOLDER / "bad" / "verdicts.json").write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
