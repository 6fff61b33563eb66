"""Levels to pictures and back: the shared arithmetic, and the kernels where there is a GPU, bit for bit as numpy."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from gscodec.codec.payloads.atlas import LEVEL_ZERO, Atlas, pack_levels, unpack_levels
from gscodec.codec.payloads.cuda import pack_on_gpu, unpack_on_gpu
from gscodec.codec.payloads.video import write_planes
from gscodec.codec.settings import DEVICES

TWO_PAGES = Atlas(600, 32, 32, 2, 1, 2, ((0, 1), (3, 1), (5, 1), (0, 2), (5, 3)))
CASES = [
    Atlas.of(1, [(0, 1)]),
    Atlas.of(256, [(0, 1), (1, 2)]),
    Atlas.of(257, [(7, 3)]),
    Atlas.of(5000, list(product(range(6), (1, 2, 3)))),
    TWO_PAGES,
]


def values(atlas: Atlas) -> np.ndarray:
    """Levels to round: ties, both ends and far beyond them."""
    rng = np.random.default_rng(atlas.slots)
    out = rng.normal(0, 60, (len(atlas.video), atlas.slots))
    out[rng.random(out.shape) < 0.3] = rng.integers(-120, 120) + 0.5
    out.reshape(-1)[:1] = 1e18
    out.reshape(-1)[-1:] = -1e18
    return out


def assert_same(atlas: Atlas) -> None:
    wanted = values(atlas)
    pictures = pack_levels(wanted, atlas)
    assert np.array_equal(pack_on_gpu(wanted, atlas), pictures)
    noise = np.random.default_rng(1).integers(16, 236, pictures.shape).astype(np.uint8)
    for these in (pictures, noise):
        got, want = unpack_on_gpu(these, atlas), unpack_levels(these, atlas)
        assert np.array_equal(got, want) and got.dtype == want.dtype


@pytest.mark.usefixtures("on_host")
@pytest.mark.parametrize("atlas", CASES, ids=lambda a: f"{a.slots} slots")
def test_shared_arithmetic_packs_and_unpacks_as_numpy(atlas: Atlas) -> None:
    assert_same(atlas)


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("atlas", CASES, ids=lambda a: f"{a.slots} slots")
def test_gpu_packs_and_unpacks_as_numpy(atlas: Atlas) -> None:
    assert_same(atlas)


def test_what_is_packed_comes_back_rounded_and_the_rest_of_the_pictures_is_zero() -> None:
    for atlas in CASES:
        wanted = np.clip(values(atlas), -110, 109)
        pictures = pack_levels(wanted, atlas)
        assert np.array_equal(unpack_levels(pictures, atlas), np.round(wanted + LEVEL_ZERO) - LEVEL_ZERO)
        filled = sum(atlas.plane(pictures != LEVEL_ZERO, tile).sum() for tile in atlas.tiles())
        assert (pictures != LEVEL_ZERO).sum() == filled <= wanted.size


@pytest.mark.usefixtures("on_host")
def test_video_section_does_not_depend_on_the_device() -> None:
    video = [(0, 1), (2, 1), (2, 2)]
    wanted = np.random.default_rng(5).normal(0, 30, (3, 400))
    sections = [write_planes(wanted, video, 400, 18, "fast", device) for device in DEVICES]
    assert sections[0][:2] == sections[1][:2]
    assert np.array_equal(sections[0][2], sections[1][2])
