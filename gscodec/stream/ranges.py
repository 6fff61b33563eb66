"""HTTP Range (RFC 9110, section 14) for one file: header fields in, a slice or a refusal out."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Slice", "Unsatisfiable", "choose_slice"]

_ONE_RANGE = re.compile(r"bytes=\s*(\d{0,20})-(\d{0,20})\s*", re.ASCII)


@dataclass(frozen=True)
class Slice:
    """Bytes `start` to `stop` (exclusive); `partial` where the answer is 206."""

    start: int
    stop: int
    partial: bool


class Unsatisfiable(Exception):
    """The range lies outside the file: 416."""


def choose_slice(size: int, range_field: str | None, if_range: str | None, etag: str | None) -> Slice:
    """Which bytes of a file of `size` bytes to send.

    Several ranges, other units and broken fields are ignored, as section 14.2 allows: the whole file is sent.
    `if_range` other than the strong `etag` also means the whole file, so that two versions are never spliced.
    """
    whole = Slice(0, size, partial=False)
    if range_field is None or (if_range is not None and if_range != etag):
        return whole
    match = _ONE_RANGE.fullmatch(range_field)
    if match is None or match.groups() == ("", ""):
        return whole
    first, last = match.groups()
    if first == "":
        if int(last) == 0 or size == 0:
            raise Unsatisfiable
        return Slice(max(0, size - int(last)), size, partial=True)
    if last != "" and int(last) < int(first):
        return whole
    if int(first) >= size:
        raise Unsatisfiable
    return Slice(int(first), min(size, int(last) + 1) if last else size, partial=True)
