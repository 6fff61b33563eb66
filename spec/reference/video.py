"""VIDEO: planes as luma (SEGMENT.md 5.9)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from spec.reference.base import Planes, step_classes
from spec.reference.entropy import clamp
from spec.reference.model import LIMIT, Fields, Model, check

DecodeLuma = Callable[[list[bytes], int, int], list[np.ndarray]]
"""Pictures, width, height -> luma of each picture, uint8 (height, width)."""


# 5.9 VIDEO


def implied_place(p: int, width: int) -> tuple[int, int]:
    """(x, y) of place p in a tile."""
    row = width // 16
    y0, x0 = divmod(p >> 8, row)
    x0 = row - 1 - x0 if y0 % 2 else x0
    x = sum(((p >> (2 * b)) & 1) << b for b in range(4))
    y = sum(((p >> (2 * b + 1)) & 1) << b for b in range(4))
    return 16 * x0 + x, 16 * y0 + y


def video_sizes(m: Model, tiles: int) -> tuple[int, int, int, int, int]:
    """Tile width and height, columns, rows, pages."""
    width = 16 * -(-(math.isqrt(m.N - 1) + 1) // 16)
    blocks = (m.N + 255) // 256
    height = 16 * -(-blocks // (width // 16))
    cols = max(1, min(tiles, 2048 // width))
    rows = max(1, min(-(-tiles // cols), 2048 // height))
    return width, height, cols, rows, -(-tiles // (cols * rows))


def decode_video(
    data: bytes, m: Model, explicit: bool, overflow: Any, planes: Planes, luma: DecodeLuma
) -> None:
    channels = [c for c in range(m.C) if m.planes(c, 2)]
    listed = [(c, k) for c in channels for k in m.planes(c, 2)]
    width, height, cols, rows, pages = video_sizes(m, len(channels))
    check(m.atlas == (cols * width, rows * height + 2), "atlas")
    f = Fields(data)
    places = f.unpack("I", m.N) if explicit else list(range(m.N))
    check(not explicit or sorted(places) == list(range(m.N)), "layout")
    count = max(k for _, k in listed) * pages
    check(f.uv() == count, "number of pictures")
    lengths = [f.uv() for _ in range(count)]
    check(sum(lengths) <= len(data) - f.at, "pictures", "truncated")
    pictures = luma([f.take(n) for n in lengths], *m.atlas)
    check(f.at == len(data), "bytes left over in VIDEO")
    check(len(pictures) == count and all(p.shape == m.atlas[::-1] for p in pictures), "pictures")
    for number, (c, k) in enumerate(listed):
        page, tile = divmod(channels.index(c), cols * rows)
        y0, x0 = divmod(tile, cols)
        picture, out, steps = pictures[(k - 1) * pages + page], [], step_classes(m, planes, c)
        for i in range(m.N):
            x, y = implied_place(places[i], width)
            sample = clamp(int(picture[y0 * height + y, x0 * width + x]), 16, 235)
            r = (sample - 126 + m.gain * overflow.get((number, i), 0)) * 2 ** steps[i]
            check(abs(r) <= LIMIT, "video integer")
            out.append(r)
        planes.coef[c, k] = out
