"""HEAD: what a player needs before the first segment, as zstd-compressed JSON (SPEC.md 3.1)."""

from __future__ import annotations

from typing import Annotated

import msgspec
import zstandard

from gscodec.base.errors import BadInput, LimitExceeded, Unsupported
from gscodec.container.chunks import MAX_FRAME

__all__ = ["Bounds", "Header", "Rung", "read_header", "unzip", "write_header", "zip_bytes"]

MAX_METADATA_BYTES = 1 << 24  # a day of one-second GOPs is 1 MB of index; anything near this is an attack
ZSTD_LEVEL = 19
KERNELS = ("classic", "compensated")
MAX_FPS = 10_000
MAX_COORDINATE = 1e30  # its square, summed over three axes, is finite in float64 and a ball of it is no use

Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]
Above0 = Annotated[int, msgspec.Meta(gt=0, lt=1 << 31)]

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
    width: Count = 0  # of the atlas; 0: no video
    height: Count = 0
    slots: Count = 0
    quality: float = 0.0


class Header(msgspec.Struct, kw_only=True):
    """Fields that this version knows; others are skipped."""

    version: tuple[Count, Count] = (1, 0)
    generator: str = ""
    title: str = ""
    fps: tuple[Above0, Above0] = (30, 1)
    frames: Annotated[int, msgspec.Meta(ge=0, le=MAX_FRAME)] = 0  # 0: still growing
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
        return zstandard.ZstdDecompressor().decompress(
            data, max_output_size=MAX_METADATA_BYTES, allow_extra_data=False
        )
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
    if not all(abs(x) < MAX_COORDINATE for x in numbers) or not any(header.up):
        raise BadInput("header numbers are out of range, or up is zero", chunk="HEAD")
    if header.fps[0] >= MAX_FPS * header.fps[1]:
        raise BadInput("too many frames a second", chunk="HEAD", field="fps")
    if header.kernel not in KERNELS:
        raise Unsupported("kernel not known here", chunk="HEAD", kernel=header.kernel)
    if not header.rungs or len({rung.id for rung in header.rungs}) != len(header.rungs):
        raise BadInput("rungs missing or twice the same", chunk="HEAD", field="rungs")
    return header
