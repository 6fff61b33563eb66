"""Pictures (PNG) and films (MP4) out."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["write_mp4", "write_png"]

U8 = npt.NDArray[np.uint8]

# ITU-R BT.709, limited range: rows Y, Cb, Cr from R, G, B in 0..255.
KR, KB = 0.2126, 0.0722
YCBCR = np.array(
    [
        [KR, 1 - KR - KB, KB],
        [-KR / (2 * (1 - KB)), -(1 - KR - KB) / (2 * (1 - KB)), 0.5],
        [0.5, -(1 - KR - KB) / (2 * (1 - KR)), -KB / (2 * (1 - KR))],
    ]
)
CRF = 16


def write_png(path: str | Path, rgb: U8) -> None:
    """An (H, W, 3) or (H, W, 4) uint8 picture; the file appears by rename."""
    height, width, channels = rgb.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), rgb.reshape(height, -1)], axis=1)  # filter 0 each

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 6, 0, 0, 0)
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6))
        + chunk(b"IEND", b"")
    )
    part = Path(f"{path}.part")
    part.write_bytes(data)
    part.replace(path)


def write_mp4(path: str | Path, pictures: Iterable[U8], fps: float) -> None:
    """H.264 of (H, W, 3) uint8 pictures of even size, BT.709 limited; the file appears by rename."""
    import av

    part = Path(f"{path}.part")
    try:
        with av.open(str(part), "w", format="mp4") as out:
            stream = None
            for picture in pictures:
                height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
                if stream is None:
                    stream = out.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
                    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                    stream.options = {"crf": str(CRF)}
                    context = stream.codec_context
                    context.color_range, context.colorspace = 1, 1
                    context.color_primaries, context.color_trc = 1, 1
                out.mux(stream.encode(_frame(picture[:height, :width])))
            if stream is not None:
                out.mux(stream.encode(None))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _frame(rgb: U8):  # type: ignore[no-untyped-def]
    """A yuv420p frame: exact matrix, chroma averaged over two by two pixels."""
    import av

    ycc = rgb.astype(np.float64) @ YCBCR.T
    luma = np.round(16 + ycc[..., 0] * 219 / 255)
    chroma = 128 + ycc[..., 1:] * 224 / 255
    chroma = np.round((chroma[::2, ::2] + chroma[1::2, ::2] + chroma[::2, 1::2] + chroma[1::2, 1::2]) / 4)
    frame = av.VideoFrame(rgb.shape[1], rgb.shape[0], "yuv420p")
    for plane, values in zip(frame.planes, (luma, chroma[..., 0], chroma[..., 1]), strict=True):
        view = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        view[:, : plane.width] = np.clip(values, 0, 255).astype(np.uint8)
    return frame
