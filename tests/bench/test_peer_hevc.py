from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gscodec.base.errors import BadInput
from gscodec.bench.peer_hevc import LAST_RATE_POINT, encode_hevc, rate_point
from tests.bench.builders import Clip, clip


def test_published_rate_points() -> None:
    assert set(rate_point(0).values()) == {4}
    assert rate_point(1) == {"opacity": 4, "shape": 10, "sh0": 4, "sh1": 16, "sh2": 22, "sh3": 28}
    assert rate_point(3) == {"opacity": 16, "shape": 22, "sh0": 16, "sh1": 28, "sh2": 34, "sh3": 40}
    assert max(rate_point(LAST_RATE_POINT).values()) == 51


def test_positions_are_lossless_and_the_rest_is_near_at_the_finest_point() -> None:
    source = clip(frames=3, slots=300)
    coded = encode_hevc(source, point=0)
    low, high = (f(np.stack([s.means for s in source]), (0, 1)) for f in (np.min, np.max))
    assert len(coded) == 3
    for given, got in zip(source, coded, strict=True):
        rows = _match(given.means, got.means)
        assert (np.abs(got.means[rows] - given.means) <= 0.51 * (high - low) / 65535 + 1e-6).all()
        np.testing.assert_allclose(got.sh[rows], given.sh, atol=20 / 255)  # noise: up to two codes
        np.testing.assert_allclose(got.opacities[rows], given.opacities, atol=0.02)


def _match(want: np.ndarray, got: np.ndarray) -> np.ndarray:
    """The row of `got` nearest to each of `want`."""
    return np.argmin(np.square(want[:, None] - got[None]).sum(axis=2), axis=1)


def test_coarser_point_costs_fewer_bytes() -> None:
    source = clip(frames=2)
    assert encode_hevc(source, point=3).n_bytes < encode_hevc(source, point=0).n_bytes


def test_constant_channel_comes_back_as_it_was() -> None:
    source = Clip(replace(frame, sh=np.full_like(frame.sh, 0.25)) for frame in clip(frames=2))
    np.testing.assert_allclose(encode_hevc(source, point=3)[1].sh, 0.25, atol=1e-6)


def test_frames_with_other_rows_are_refused_by_name() -> None:
    source = clip(frames=3)
    source[2] = source[2].take(np.arange(299))
    with pytest.raises(BadInput, match="frame 2"):
        encode_hevc(source, point=0)
