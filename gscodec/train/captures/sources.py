"""Where the pictures of one view come from: a file a frame, or a video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gscodec.base.errors import BadInput, Unsupported
from gscodec.train.captures.colour import to_rgb

__all__ = ["ImageFiles", "Source", "read_image", "read_mask"]

U8 = npt.NDArray[np.uint8]

MAX_IMAGE_BYTES = 1 << 28  # 256 MiB: a 16-bit RGBA PNG of 8000 x 4000
CODECS = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "mjpeg"), (b"RIFF", "webp"))


class Source(Protocol):
    """Pictures of one view, and the files that hold them. `read` returns RGB (H, W, 3) and alpha (H, W), or None where
    there is no alpha; raises BadInput and its kin."""

    def __len__(self) -> int: ...

    def has(self, frame: int) -> bool: ...

    def file(self, frame: int) -> str: ...

    def read(self, frame: int) -> tuple[U8, U8 | None]: ...


class ImageFiles:
    """A file a frame; None where one is missing."""

    def __init__(self, paths: Sequence[Path | None]) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def has(self, frame: int) -> bool:
        return self._paths[frame] is not None

    def file(self, frame: int) -> str:
        return str(self._paths[frame])

    def read(self, frame: int) -> tuple[U8, U8 | None]:
        path = self._paths[frame]
        assert path is not None, "has() says so"
        return read_image(path)


def read_image(path: Path) -> tuple[U8, U8 | None]:
    """A PNG, JPEG or WebP file: RGB (H, W, 3), alpha (H, W) or None. 16 bits are rounded to 8.

    Raises BadInput and its kin, naming the file.
    """
    import av

    data = _bytes_of(path)
    codec = next((name for magic, name in CODECS if data.startswith(magic)), None)
    if codec is None:
        raise Unsupported("not a PNG, JPEG or WebP picture", file=str(path))
    try:
        context: Any = av.CodecContext.create(codec, "r")
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    except av.FFmpegError as error:
        raise BadInput(f"damaged {codec} picture: {error.strerror}", file=str(path)) from error
    if not frames or frames[0].is_corrupt:
        raise BadInput(f"damaged {codec} picture", file=str(path))
    return to_rgb(frames[0], str(path), still=True)


def read_mask(path: Path) -> U8:
    """(H, W) uint8 of a mask file: its alpha where it has one, else its lightest channel.

    Opaque alpha is the mask where all is foreground, unless the colours draw another one.
    """
    rgb, alpha = read_image(path)
    lightest = np.asarray(rgb.max(axis=2))
    if alpha is None or ((alpha == 255).all() and np.ptp(lightest) > 0):
        return lightest
    return alpha


def _bytes_of(path: Path) -> bytes:
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_IMAGE_BYTES + 1)
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror or error}", file=str(path)) from error
    if len(data) > MAX_IMAGE_BYTES:
        raise BadInput("larger than 256 MiB", file=str(path))
    return data
