"""The .gsv container (SPEC.md chapters 2 to 4): bytes in, events out; files by index; atomic writing; repair."""

from __future__ import annotations

from gscodec.container.file import GsvFile
from gscodec.container.header import Header, Rung
from gscodec.container.index import SegmentEntry
from gscodec.container.writer import GsvWriter

__all__ = ["GsvFile", "GsvWriter", "Header", "Rung", "SegmentEntry"]
