"""The shared container vectors: the fast reader and the plain one find what was written, and refuse by kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gscodec.base.errors import BadInput, LimitExceeded, Truncated, Unsupported
from gscodec.container import GsvFile, Header, SegmentEntry
from gscodec.container.reader import HeaderEvent, Reader, SegmentEvent
from spec import reference_container as reference

FOLDER = Path(__file__).resolve().parents[2] / "spec" / "vectors" / "container"
OK = sorted(path.stem for path in (FOLDER / "ok").glob("*.gsv"))
FINISHED = [name for name in OK if not name.startswith("growing")]
GROWING = [name for name in OK if name.startswith("growing")]
VERDICTS: dict[str, dict[str, Any]] = json.loads((FOLDER / "bad" / "verdicts.json").read_text())


def told(name: str) -> dict[str, Any]:
    out: dict[str, Any] = json.loads((FOLDER / "ok" / f"{name}.json").read_text(encoding="utf-8"))
    return out


def header_of(name: str) -> Header:
    return msgspec.convert(told(name)["header"], Header)


def by_place(entries: list[SegmentEntry]) -> list[list[int]]:
    return sorted(list(astuple(e)) for e in entries)


def read_in_order(data: bytes) -> tuple[Header, list[SegmentEvent]]:
    reader = Reader()
    reader.feed(data)
    events = list(reader.events())
    reader.close()
    header = next(e.header for e in events if isinstance(e, HeaderEvent))
    return header, [e for e in events if isinstance(e, SegmentEvent)]


def kind_of(read: Callable[[], object]) -> str | None:
    """The kind of error that `read` raises, None where it reads."""
    kinds = ((Truncated, "truncated"), (Unsupported, "unsupported"), (LimitExceeded, "limit"))
    try:
        read()
    except reference.BadFile as error:
        return error.kind
    except BadInput as error:
        return next((kind for cls, kind in kinds if isinstance(error, cls)), "bad")
    return None


@pytest.mark.parametrize("name", FINISHED)
def test_finished_files_hold_what_was_written(name: str) -> None:
    path = FOLDER / "ok" / f"{name}.gsv"
    file = GsvFile.open(path)
    header, segments = read_in_order(path.read_bytes())
    assert file.header == header == header_of(name)
    assert by_place(file.index) == by_place([e.entry for e in segments]) == sorted(told(name)["segments"])
    payloads = {astuple(e.entry): e.payload for e in segments}
    assert all(file.read_segment(e) == payloads[astuple(e)] for e in file.index)


@pytest.mark.parametrize("name", FINISHED)
def test_reference_reads_finished_files_alike(name: str) -> None:
    data = (FOLDER / "ok" / f"{name}.gsv").read_bytes()
    file = reference.read_in_order(data)
    header, entries = reference.read_by_footer(data)
    assert header == file.header == told(name)["header"]
    assert sorted(map(astuple, entries)) == sorted(map(astuple, file.entries))
    assert [list(astuple(e)) for e in file.entries] == told(name)["segments"]


@pytest.mark.parametrize("name", GROWING)
def test_growing_files_hold_their_whole_chunks(name: str, tmp_path: Path) -> None:
    data = (FOLDER / "ok" / f"{name}.gsv").read_bytes()
    part = tmp_path / "a.gsv.part"
    part.write_bytes(data)
    file = GsvFile.open(part)
    assert (file.header, by_place(file.index)) == (header_of(name), told(name)["segments"])
    assert [list(astuple(e)) for e in reference.read_growing(data).entries] == told(name)["segments"]


@pytest.mark.parametrize("name", VERDICTS)
def test_damaged_files_are_refused_by_kind(name: str) -> None:
    path = FOLDER / "bad" / f"{name}.gsv"
    data, verdict = path.read_bytes(), VERDICTS[name]
    assert kind_of(lambda: read_in_order(data)) == verdict["in_order"]
    assert kind_of(lambda: GsvFile.open(path)) == verdict["by_footer"]


@pytest.mark.parametrize("name", VERDICTS)
def test_reference_refuses_damaged_files_by_the_same_kind(name: str) -> None:
    data, verdict = (FOLDER / "bad" / f"{name}.gsv").read_bytes(), VERDICTS[name]
    assert kind_of(lambda: reference.read_in_order(data)) == verdict["in_order"]
    assert kind_of(lambda: reference.read_by_footer(data)) == verdict["by_footer"]


def test_there_is_a_file_for_every_verdict_and_enough_of_them() -> None:
    assert sorted(VERDICTS) == sorted(path.stem for path in (FOLDER / "bad").glob("*.gsv"))
    assert len(OK) >= 15 and len(VERDICTS) >= 60
