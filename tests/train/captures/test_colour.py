"""Y'CbCr to RGB against the equations of H.273 written plainly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gscodec.train.captures.colour import Colours, yuv_to_rgb

MATRICES = {"709": (0.2126, 0.0722), "601": (0.299, 0.114)}


def upsampled(plane: np.ndarray, shape: tuple[int, int], cosited: bool) -> np.ndarray:
    """Linear interpolation, edges held."""
    out = plane.astype(np.float64)
    for axis, shift in ((0, 0.5), (1, 0.0 if cosited else 0.5)):
        n, m = shape[axis], out.shape[axis]
        if m < n:
            at = (np.arange(n) - shift) / 2
            out = np.apply_along_axis(lambda row, at=at, m=m: np.interp(at, np.arange(m), row), axis, out)
    return out


def reference(y: np.ndarray, cb: np.ndarray, cr: np.ndarray, c: Colours) -> np.ndarray:
    scale = 2.0 ** (c.bits - 8)
    if c.full_range:
        top = 2.0**c.bits - 1
        e, span = y / top, top
    else:
        e, span = (y - 16 * scale) / (219 * scale), 224 * scale
    pb, pr = ((upsampled(p, y.shape, c.cosited) - 128 * scale) / span for p in (cb, cr))
    r, b = e + 2 * (1 - c.kr) * pr, e + 2 * (1 - c.kb) * pb
    g = (e - c.kr * r - c.kb * b) / (1 - c.kr - c.kb)
    return np.clip(np.stack([r, g, b], -1) * 255, 0, 255)


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("sampling", [(2, 2), (2, 1), (1, 1)])
@pytest.mark.parametrize("cosited", [False, True])
def test_exact(matrix: str, full: bool, bits: int, sampling: tuple[int, int], cosited: bool) -> None:
    rng = np.random.default_rng(0)
    dtype = np.uint8 if bits == 8 else np.uint16
    y = rng.integers(0, 1 << bits, (15, 21)).astype(dtype)
    small = (-(-15 // sampling[1]), -(-21 // sampling[0]))
    cb, cr = (rng.integers(0, 1 << bits, small).astype(dtype) for _ in range(2))
    colours = Colours(*MATRICES[matrix], full, bits, cosited)
    error = np.abs(yuv_to_rgb(y, cb, cr, colours) - reference(y, cb, cr, colours))
    assert error.max() <= 0.5 + 1e-9  # rounding to 8 bits, nothing else


def test_grey_levels_survive_video(tmp_path: Path) -> None:
    from gscodec.render.output import write_mp4
    from gscodec.train.captures.video import Decoders, Video

    levels = [0, 1, 50, 128, 200, 254, 255]
    write_mp4(tmp_path / "a.mp4", [np.full((32, 32, 3), v, np.uint8) for v in levels], 10)
    film = Video(tmp_path / "a.mp4", Decoders())
    for t, v in enumerate(levels):
        assert np.abs(film.read(t)[0].astype(int) - v).max() <= 1
