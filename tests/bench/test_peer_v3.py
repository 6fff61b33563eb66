from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gscodec.base.errors import BadInput
from gscodec.bench.peer_v3 import encode_peer
from gscodec.bench.plan import V3_KNOWN
from gscodec.splats.sequence import open_sequence
from tests.bench.builders import clip


def test_lossless_peer_returns_every_attribute_within_half_a_step_of_its_range() -> None:
    source = clip()
    coded = encode_peer(source, qp=0, gop=3)
    assert [gop.frames for gop in coded.gops] == [3, 2]
    for given, got in zip(source, coded, strict=True):
        np.testing.assert_allclose(got.means, given.means, atol=8 / 65535)
        np.testing.assert_allclose(got.sh, given.sh, atol=8 / 255)
        np.testing.assert_allclose(got.opacities, given.opacities, atol=0.01)
        np.testing.assert_allclose(np.log(got.scales), np.log(given.scales), atol=4 / 255)
        np.testing.assert_allclose(np.abs((got.quats * given.quats).sum(axis=1)), 1, atol=1e-4)


def test_higher_qp_costs_fewer_bytes_and_more_error() -> None:
    source = clip()
    fine, coarse = encode_peer(source, qp=10), encode_peer(source, qp=40)
    assert coarse.n_bytes < fine.n_bytes
    errors = [float(np.abs(c[0].means - source[0].means).mean()) for c in (fine, coarse)]
    assert errors[0] < errors[1]


def test_noise_below_the_floor_is_not_coded() -> None:
    source = clip(sh_count=1)
    rng = np.random.default_rng(1)
    for t, frame in enumerate(source):
        noise = rng.normal(0, 1e-8, (300, 1)).astype(np.float32)
        source[t] = replace(frame, sh=np.repeat(noise[:, None], 3, axis=2))
    assert encode_peer(source, qp=20, noise_floor=1e-6).n_bytes < 0.9 * encode_peer(source, qp=20).n_bytes


def test_frames_with_other_rows_are_refused_by_name() -> None:
    source = clip()
    source[3] = source[3].take(np.arange(299))
    with pytest.raises(BadInput, match="frame 3"):
        encode_peer(source, qp=20)


@pytest.mark.parametrize("name", list(V3_KNOWN))
def test_peer_is_within_a_tenth_of_its_known_bytes(name: str, test_data: Callable[[str], Path]) -> None:
    sequence = open_sequence([test_data(name)])
    qp, (kb, _) = list(V3_KNOWN[name].items())[1]
    assert encode_peer(sequence, qp=qp).n_bytes / len(sequence) / 1000 == pytest.approx(kb, rel=0.1)
