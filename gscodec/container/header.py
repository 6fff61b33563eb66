"""HEAD: what a player needs before the first segment, as zstd-compressed JSON (SPEC.md 3.1)."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
import zstandard

from gscodec.base.errors import BadInput, LimitExceeded

__all__ = ["Bounds", "Header", "Rung", "read_header", "unzip", "write_header", "zip_bytes"]

MAX_METADATA_BYTES = 1 << 24  # a day of one-second GOPs is 1 MB of index; anything near this is an attack
ZSTD_LEVEL = 19

Vec3 = tuple[float, float, float]


class Bounds(msgspec.Struct, kw_only=True):
    """A ball around what is worth seeing, world units."""

    center: Vec3 = (0.0, 0.0, 0.0)
    radius: Annotated[float, msgspec.Meta(gt=0)] = 1.0


class Rung(msgspec.Struct, kw_only=True):
    """One quality of the whole sequence."""

    id: Annotated[int, msgspec.Meta(ge=0, lt=65536)] = 0
    payload: str = "video"
    codecs: list[str] = []
    width: int = 0  # of the atlas; 0: no video
    height: int = 0
    slots: int = 0
    quality: float = 0.0


class Header(msgspec.Struct, kw_only=True):
    """Fields that this version knows; others are skipped."""

    version: tuple[int, int] = (1, 0)
    generator: str = ""
    title: str = ""
    fps: tuple[Annotated[int, msgspec.Meta(gt=0)], Annotated[int, msgspec.Meta(gt=0)]] = (30, 1)
    frames: Annotated[int, msgspec.Meta(ge=0)] = 0  # 0: still growing
    sh_degree: Annotated[int, msgspec.Meta(ge=0, le=3)] = 0
    kernel: str = "classic"
    up: Vec3 = (0.0, -1.0, 0.0)
    unit_m: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    bounds: Bounds = msgspec.field(default_factory=Bounds)
    rungs: list[Rung] = msgspec.field(default_factory=lambda: [Rung()])


def zip_bytes(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_content_size=True).compress(data)


def unzip(data: bytes, chunk: str) -> bytes:
    """Decompress within MAX_METADATA_BYTES; the frame must state its size."""
    try:
        size = zstandard.frame_content_size(data)
        if size < 0 or size > MAX_METADATA_BYTES:
            raise LimitExceeded("metadata states no size, or too large a one", chunk=chunk, size=size)
        window = zstandard.get_frame_parameters(data).window_size
        if window > MAX_METADATA_BYTES:
            raise LimitExceeded("metadata window too large", chunk=chunk, window=window)
        return bytes(zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_METADATA_BYTES))
    except zstandard.ZstdError as error:
        raise BadInput("metadata can't be decompressed", chunk=chunk, reason=str(error)) from None


def write_header(header: Header) -> bytes:
    return zip_bytes(msgspec.json.encode(header))


def read_header(payload: bytes) -> Header:
    """Raises BadInput naming the field."""
    try:
        header = msgspec.json.decode(unzip(payload, "HEAD"), type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput("header field is wrong", chunk="HEAD", reason=str(error)) from None
    numbers = [*header.up, *header.bounds.center, header.bounds.radius, header.unit_m]
    if not all(map(math.isfinite, numbers)) or not any(header.up):
        raise BadInput("header numbers are not finite, or up is zero", chunk="HEAD")
    if not header.rungs or len({rung.id for rung in header.rungs}) != len(header.rungs):
        raise BadInput("rungs missing or twice the same", chunk="HEAD", field="rungs")
    return header
