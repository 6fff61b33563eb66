"""Coefficient planes as the luma of an H.264 stream (SPEC.md 5.9). The only module of the codec that imports av.

H.264 decoding is exact by its standard, so the writer decodes its own stream and knows the reader's integers; the
video quantiser is the quantiser. What it gets badly wrong goes to the overflow list.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from gscodec.base.errors import BadInput, Truncated
from gscodec.codec.payloads.atlas import LEVEL_MAX, LEVEL_MIN, Atlas, pack_levels, unpack_levels
from gscodec.codec.segment import read_uv, uv

__all__ = [
    "decode_luma",
    "encode_luma",
    "join_pictures",
    "split_pictures",
    "write_planes",
]

# 8x8 transforms blur noise planes; trellis and subme 9 gain 1 %; psy and AQ would spend bits on looks.
X264 = (
    "keyint=infinite:min-keyint=1:scenecut=0:bframes=0:ref=1:no-deblock=1:aq-mode=0:psy=0:8x8dct=0:weightp=0"
    ":ipratio=1.0:chroma-qp-offset=0:mbtree=0:rc-lookahead=0:sync-lookahead=0:force-cfr=1:nal-hrd=none"
)
X264_PRESETS = {"fast": "superfast", "balanced": "slow", "best": "slower"}
X264_EXTRA = {"fast": "", "balanced": ":trellis=2:subme=9", "best": ":trellis=2:subme=10"}
SEI, AUD = 6, 9  # NAL types without picture data


def _strip(unit: bytes) -> bytes:
    """An access unit without SEI and delimiters: the encoder's banner costs half a kilobyte."""
    starts = []
    i = unit.find(b"\0\0\1")
    while i >= 0:
        starts.append(i)
        i = unit.find(b"\0\0\1", i + 3)
    out = bytearray()
    for a, b in zip(starts, [*starts[1:], len(unit)], strict=True):
        if unit[a + 3] & 31 not in (SEI, AUD):
            out += b"\0\0\1" + unit[a + 3 : b].rstrip(b"\0")
    return bytes(out)


def encode_luma(
    pictures: Iterable[np.ndarray], width: int, height: int, *, qp: int, preset: str
) -> list[bytes]:
    """One access unit (Annex B) for each uint8 (height, width) picture, at constant QP; one thread, so repeatable."""
    ctx = VideoCodecContext.create("libx264", "w")
    ctx.width, ctx.height, ctx.pix_fmt = width, height, "yuv420p"
    ctx.time_base, ctx.framerate = Fraction(1, 30), Fraction(30, 1)
    ctx.thread_count = 1
    ctx.color_range, ctx.colorspace, ctx.color_primaries, ctx.color_trc = 1, 1, 1, 1
    ctx.options = {
        "preset": X264_PRESETS[preset],
        "qp": str(qp),
        "profile": "high",
        "x264-params": X264 + X264_EXTRA[preset],
    }
    units = []
    for t, luma in enumerate(pictures):
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane, values in zip(frame.planes, (luma, np.uint8(128), np.uint8(128)), strict=True):
            view = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
            view[:, : plane.width] = values
        frame.pts = t
        units += [bytes(packet) for packet in ctx.encode(frame)]
    units += [bytes(packet) for packet in ctx.encode(None)]
    return [_strip(unit) for unit in units]


def decode_luma(units: list[bytes], width: int, height: int) -> list[np.ndarray]:
    """uint8 (height, width) luma of each access unit, clamped to 16..235. Bad streams raise BadInput."""
    ctx = VideoCodecContext.create("h264", "r")
    ctx.thread_count = 1
    out: list[np.ndarray] = []
    try:
        for unit in [*units, None]:
            for frame in ctx.decode(av.Packet(unit) if unit is not None else None):
                out.append(_luma(frame, width, height))
                if len(out) > len(units):
                    raise BadInput("more pictures than access units", section="video")
    except av.FFmpegError as error:
        raise BadInput("H.264 stream can't be decoded", section="video", reason=str(error)) from None
    if len(out) != len(units):
        raise BadInput(
            "pictures missing from the H.264 stream", section="video", want=len(units), got=len(out)
        )
    return out


def _luma(frame: av.VideoFrame, width: int, height: int) -> np.ndarray:
    if (frame.width, frame.height) != (width, height) or frame.format.name not in ("yuv420p", "yuvj420p"):
        raise BadInput("picture is not the atlas", section="video", width=frame.width, height=frame.height)
    plane = frame.planes[0]
    view = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:height, :width]
    return np.clip(view, LEVEL_MIN, LEVEL_MAX)


def write_planes(
    wanted: np.ndarray, video: list[tuple[int, int]], slots: int, qp: int, preset: str, device: str
) -> tuple[bytes, tuple[int, int], np.ndarray]:
    """(VIDEO section, atlas size, decoded levels - 126) of planes `wanted` (planes, N) float64 in luma levels.

    device: `cpu` or `cuda`, for packing and unpacking; the result is the same.
    """
    from gscodec.codec.payloads.cuda import pack_on_gpu, unpack_on_gpu

    pack, unpack = (pack_on_gpu, unpack_on_gpu) if device == "cuda" else (pack_levels, unpack_levels)
    atlas = Atlas.of(slots, video)
    units = encode_luma(pack(wanted, atlas), *atlas.size, qp=qp, preset=preset)
    decoded = np.stack(decode_luma(units, *atlas.size))
    return join_pictures(units), atlas.size, unpack(decoded, atlas)


def join_pictures(units: list[bytes]) -> bytes:
    """Number, lengths, access units."""
    return uv(len(units)) + b"".join(uv(len(unit)) for unit in units) + b"".join(units)


def split_pictures(data: bytes, at: int, want: int) -> list[bytes]:
    """The access units behind offset `at`; `want` of them, else an error."""
    n, at = read_uv(data, at, "pictures")
    if n != want:
        raise BadInput("wrong number of pictures", section="video", want=want, got=n)
    lengths = []
    for _ in range(n):
        length, at = read_uv(data, at, "picture length")
        lengths.append(length)
    if at + sum(lengths) != len(data):
        raise Truncated("pictures and their lengths disagree", section="video", length=len(data))
    units = []
    for length in lengths:
        units.append(data[at : at + length])
        at += length
    return units
