"""The fast decoder and the plain one of spec/ read the same integers and frames from the same bytes."""

from __future__ import annotations

import numpy as np
import pytest

from gscodec.codec.decoder import decode_segment
from gscodec.codec.encoder import EncodedGop, Tools, encode_tracks
from gscodec.codec.model.steps import sensitive_steps
from gscodec.codec.payloads.video import decode_luma
from spec import reference_decoder as reference

from .builders import make_frames, make_tracks_of


def encode(
    n: int, frames: int, degree: int, video: bool, moving: bool = True, jitter: float = 0.0
) -> EncodedGop:
    tracks = make_tracks_of(make_frames(n, frames, degree, moving=moving, jitter=jitter))
    return encode_tracks(tracks, sensitive_steps(tracks, 0.2), tools=Tools(video=video))


CASES = [
    (1, 1, 0, False),
    (1, 3, 0, False),
    (60, 1, 3, False),
    (120, 5, 0, False),
    (80, 4, 1, False),
    (40, 3, 2, False),
    (120, 5, 0, True),
]


@pytest.mark.parametrize(("n", "frames", "degree", "video"), CASES)
def test_reference_reads_the_same_integers_and_frames(n: int, frames: int, degree: int, video: bool) -> None:
    payload = encode(n, frames, degree, video, jitter=0.003).payload
    fast, plain = decode_segment(payload), reference.decode_segment(payload, decode_luma)
    assert_same_integers(fast.planes.named(), plain.planes())
    for t in range(frames):
        assert_same_frame(fast.frame(t), plain.frame(t))


def assert_same_integers(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    a, b = ({k: v for k, v in named.items() if v.any()} for named in (a, b))
    assert a.keys() == b.keys()
    for name in a:
        assert np.array_equal(a[name], b[name]), name


def assert_same_frame(a: object, b: dict[str, np.ndarray]) -> None:
    """Within 1/65536 of an attribute's range; quaternions up to sign."""
    for name, want in b.items():
        got = getattr(a, name)
        if name == "quats":
            got = got * np.sign((got * want).sum(axis=1, keepdims=True))
        reach = max(float(np.ptp(want)) if want.size else 0.0, 1e-3)
        assert np.abs(got.astype(float) - want).max(initial=0) <= reach / 65536, name
