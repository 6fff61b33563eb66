"""Decoded pictures to 8-bit sRGB, exactly: the matrix of ITU-R BT.601, BT.709 or BT.2020 on the planes themselves.

(The video library's own conversion is a level too dark and knows nothing of where chroma samples sit.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gscodec.base.errors import Unsupported
from gscodec.base.jit import njit

__all__ = ["UNSPECIFIED", "Colours", "colours_of", "planes_of", "to_rgb", "yuv_to_rgb"]

U8 = npt.NDArray[np.uint8]
Plane = npt.NDArray[Any]  # (h, w) uint8 or uint16

# Packed layouts: channels in order, bits.
PACKED = {
    "gray": ("Y", 8), "ya8": ("YA", 8), "rgb24": ("RGB", 8), "rgba": ("RGBA", 8), "bgra": ("BGRA", 8),
    "gray16be": ("Y", 16), "ya16be": ("YA", 16), "rgb48be": ("RGB", 16), "rgba64be": ("RGBA", 16),
}  # fmt: skip
PLANAR_YUV = re.compile(r"yuv[aj]?4(20|22|44)p(9|10|12|14|16)?(le)?")
PLANAR_RGB = re.compile(r"gbra?p(9|10|12|14|16)?(le)?")

# KR, KB by ITU-T H.273 MatrixCoefficients
MATRICES = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
UNSPECIFIED, FULL_RANGE = 2, 2
HDR_TRANSFERS = (16, 18)  # H.273 TransferCharacteristics: PQ, HLG
HD_HEIGHT = 720  # untagged video: BT.709 from here on, BT.601 below, as players do


@dataclass(frozen=True, slots=True)
class Colours:
    """How planes of Y'CbCr are meant."""

    kr: float
    kb: float
    full_range: bool
    bits: int
    cosited: bool  # subsampled chroma sits on even columns (MPEG-2 and later video), not between them (JPEG)


def to_rgb(frame: Any, file: str, *, still: bool) -> tuple[U8, U8 | None]:
    """RGB (H, W, 3) and alpha (H, W) of a decoded frame; None where it has none.

    `still`: a picture file, JPEG's siting and range. Raises Unsupported, naming the file, for pixel layouts, matrices
    and HDR transfers that are not read.
    """
    name = frame.format.name
    if name == "pal8":
        return _from_palette(frame)
    if name in ("monow", "monob"):
        return _from_bits(frame, inverted=name == "monow")
    if name in PACKED:
        return _from_packed(frame, *PACKED[name])
    planes = planes_of(frame, file)
    bits = int(frame.format.components[0].bits)
    alpha = _to_8_bits(planes[3], bits) if len(planes) > 3 else None
    if name.startswith("gbr"):
        return np.stack(
            [_to_8_bits(plane, bits) for plane in (planes[2], planes[0], planes[1])], axis=-1
        ), alpha
    return yuv_to_rgb(planes[0], planes[1], planes[2], colours_of(frame, file, still=still)), alpha


def planes_of(frame: Any, file: str) -> list[Plane]:
    """The planes of a planar frame as (h, w) views, without padding. Raises Unsupported for other layouts."""
    name = frame.format.name
    if not (PLANAR_YUV.fullmatch(name) or PLANAR_RGB.fullmatch(name)):
        raise Unsupported(f"pixel layout {name} is not read", file=file)
    dtype = np.dtype("<u2" if frame.format.components[0].bits > 8 else "u1")
    return [_samples(plane, dtype)[:, : plane.width] for plane in frame.planes]


def colours_of(frame: Any, file: str, *, still: bool) -> Colours:
    """By the frame's tags; what is untagged is taken as players take it. Raises Unsupported."""
    if frame.color_trc in HDR_TRANSFERS:
        raise Unsupported("HDR video (PQ or HLG) is not read; convert it to BT.709 first", file=file)
    tag = int(frame.colorspace)
    if tag == UNSPECIFIED:
        tag = 5 if still or min(frame.width, frame.height) < HD_HEIGHT else 1
    if tag not in MATRICES:
        raise Unsupported(f"colour matrix {tag} of H.273 is not read", file=file)
    full = still or frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj")
    return Colours(*MATRICES[tag], full, int(frame.format.components[0].bits), cosited=not still)


def yuv_to_rgb(y: Plane, cb: Plane, cr: Plane, colours: Colours) -> U8:
    """(H, W, 3) uint8 by H.273 equations; chroma interpolated linearly from where its samples sit."""
    height, width = y.shape
    down_x, down_y = (2 if cb.shape[1] < width else 1), (2 if cb.shape[0] < height else 1)
    unit = float(1 << (colours.bits - 8))
    luma0, luma, chroma = (0.0, 255.0, 255.0) if colours.full_range else (16.0, 219.0, 224.0)
    kr, kb = colours.kr, colours.kb
    top = float((1 << colours.bits) - 1) if colours.full_range else luma * unit
    rows = (2 * (1 - kr), 2 * (1 - kb) * kb / (1 - kr - kb), 2 * (1 - kr) * kr / (1 - kr - kb), 2 * (1 - kb))
    out = np.empty((height, width, 3), np.uint8)
    chroma_top = top if colours.full_range else chroma * unit
    _convert(
        y, cb, cr, out, down_x, down_y, 0.0 if colours.cosited else 0.5,
        luma0 * unit, 255.0 / top, 128.0 * unit, 255.0 / chroma_top, rows,
    )  # fmt: skip
    return out


@njit
def _convert(y, cb, cr, out, down_x, down_y, shift_x, luma0, luma_gain, chroma0, chroma_gain, rows):
    """Fills out (H, W, 3). A chroma sample k sits at luma column k * down_x + shift_x, row k * down_y + 0.5."""
    height, width = y.shape
    ch, cw = cb.shape
    for i in range(height):
        v = (i - 0.5) / 2 if down_y == 2 else float(i)
        i0 = int(np.floor(v))
        fy = v - i0
        i1 = min(i0 + 1, ch - 1)
        i0 = max(i0, 0)
        for j in range(width):
            u = (j - shift_x) / 2 if down_x == 2 else float(j)
            j0 = int(np.floor(u))
            fx = u - j0
            j1 = min(j0 + 1, cw - 1)
            j0 = max(j0, 0)
            w00, w01, w10, w11 = (1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx
            b = w00 * cb[i0, j0] + w01 * cb[i0, j1] + w10 * cb[i1, j0] + w11 * cb[i1, j1]
            r = w00 * cr[i0, j0] + w01 * cr[i0, j1] + w10 * cr[i1, j0] + w11 * cr[i1, j1]
            b = (b - chroma0) * chroma_gain
            r = (r - chroma0) * chroma_gain
            luma = (y[i, j] - luma0) * luma_gain
            out[i, j, 0] = _level(luma + rows[0] * r)
            out[i, j, 1] = _level(luma - rows[1] * b - rows[2] * r)
            out[i, j, 2] = _level(luma + rows[3] * b)


@njit
def _level(x):
    return np.uint8(min(255.0, max(0.0, np.floor(x + 0.5))))


def _samples(plane: Any, dtype: np.dtype[Any]) -> Plane:
    """(height, samples a line) of a plane's memory, padding included."""
    rows = np.frombuffer(memoryview(plane), np.uint8)[: plane.height * plane.line_size]
    return rows.reshape(plane.height, plane.line_size).view(dtype)


def _to_8_bits(samples: Plane, bits: int) -> U8:
    """Full-range samples rounded to 8 bits."""
    if bits == 8:
        return np.array(samples, np.uint8)
    top = (1 << bits) - 1
    return np.asarray((samples.astype(np.uint32) * 255 + top // 2) // top, np.uint8)


def _from_packed(frame: Any, order: str, bits: int) -> tuple[U8, U8 | None]:
    dtype = np.dtype("u1" if bits == 8 else ">u2")
    samples = _samples(frame.planes[0], dtype)[:, : frame.width * len(order)]
    channels = dict(
        zip(order, np.moveaxis(_to_8_bits(samples, bits).reshape(frame.height, frame.width, -1), 2, 0))
    )
    rgb = np.stack([channels[c] if c in channels else channels["Y"] for c in "RGB"], axis=-1)
    return rgb, np.ascontiguousarray(channels["A"]) if "A" in channels else None


def _from_palette(frame: Any) -> tuple[U8, U8]:
    """The palette holds 256 native-endian words 0xAARRGGBB."""
    index = _samples(frame.planes[0], np.dtype("u1"))[:, : frame.width]
    words = np.frombuffer(memoryview(frame.planes[1]), "=u4")[:256]
    argb = np.stack([words >> 24, words >> 16 & 255, words >> 8 & 255, words & 255], axis=-1).astype(np.uint8)
    picture = argb[index]
    return np.ascontiguousarray(picture[..., 1:]), np.ascontiguousarray(picture[..., 0])


def _from_bits(frame: Any, inverted: bool) -> tuple[U8, None]:
    bits = np.unpackbits(_samples(frame.planes[0], np.dtype("u1")), axis=1)[:, : frame.width]
    grey = ((1 - bits) if inverted else bits) * np.uint8(255)
    return np.repeat(grey[..., None], 3, axis=2), None
