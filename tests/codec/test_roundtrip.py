"""A GOP written is a GOP read: integers bit for bit, attributes within their steps."""

from __future__ import annotations

import numpy as np
import pytest

from gscodec.base.errors import GscodecError, LimitExceeded, Unsupported
from gscodec.base.limits import Budget
from gscodec.codec.decoder import Gop, decode_segment
from gscodec.codec.encoder import EncodedGop, Tools, encode_tracks
from gscodec.codec.model.steps import flat_steps, sensitive_steps

from .builders import make_frames, make_tracks_of

LAMBDA = 0.2


def encode(n: int = 300, frames: int = 6, degree: int = 0, video: bool = False, **kw: bool) -> EncodedGop:
    tracks = make_tracks_of(make_frames(n, frames, degree, **kw))
    return encode_tracks(tracks, sensitive_steps(tracks, LAMBDA), tools=Tools(video=video))


@pytest.mark.parametrize("video", [False, True])
@pytest.mark.parametrize(("frames", "degree"), [(1, 0), (2, 0), (6, 0), (6, 1), (3, 3)])
def test_planes_come_back_bit_for_bit(frames: int, degree: int, video: bool) -> None:
    encoded = encode(frames=frames, degree=degree, video=video)
    sent, got = encoded.planes.named(), decode_segment(encoded.payload).planes.named()
    assert sent.keys() == got.keys()
    assert all(np.array_equal(sent[name], got[name]) for name in sent)


def test_video_planes_are_used_when_planes_are_dense() -> None:
    tracks = make_tracks_of(make_frames(1200, 8, moving=False, jitter=0.002))
    encoded = encode_tracks(tracks, sensitive_steps(tracks, LAMBDA), tools=Tools(video=True))
    assert encoded.planes.model.video_planes()
    got = decode_segment(encoded.payload).planes
    assert np.array_equal(got.video, encoded.planes.video)


def test_frames_follow_the_source_within_steps() -> None:
    frames = make_frames(400, 6)
    tracks = make_tracks_of(frames)
    gop = decode_segment(
        encode_tracks(tracks, sensitive_steps(tracks, LAMBDA / 4), tools=Tools(video=False)).payload
    )
    for t in (0, 3, 5):
        got = gop.frame(t)
        order = nearest_rows(frames[t].means, got.means)
        assert np.abs(got.means - frames[t].means[order]).max() < 0.01
        assert np.abs(got.opacities - frames[t].opacities[order]).max() < 0.1
        assert np.abs(covariances(got) - covariances(gather(frames[t], order))).max() < 4e-4


def test_a_still_scene_costs_little_more_than_one_frame() -> None:
    one = len(encode(n=600, frames=1).payload)
    assert len(encode(n=600, frames=12, moving=False).payload) < 1.25 * one


def test_the_same_input_gives_the_same_bytes() -> None:
    assert encode(video=True).payload == encode(video=True).payload


def test_flat_steps_encode_too() -> None:
    tracks = make_tracks_of(make_frames(200, 4))
    payload = encode_tracks(tracks, flat_steps(tracks, LAMBDA), tools=Tools(video=False)).payload
    assert decode_segment(payload).n_frames == 4


def test_one_gaussian_is_a_scene() -> None:
    assert len(decode_segment(encode(n=1, frames=3).payload).frame(2)) == 1


def test_every_truncation_raises_a_documented_error() -> None:
    payload = encode(n=60, frames=3).payload
    for length in range(len(payload)):
        with pytest.raises(GscodecError):
            decode_segment(payload[:length])


def test_a_small_budget_refuses_before_allocating() -> None:
    with pytest.raises(LimitExceeded):
        decode_segment(encode().payload, budget=Budget(1000))


def test_a_later_version_is_refused_by_name() -> None:
    payload = bytearray(encode(n=10, frames=1).payload)
    payload[0] = 3
    with pytest.raises(Unsupported, match="version"):
        decode_segment(bytes(payload))


def nearest_rows(points: np.ndarray, queries: np.ndarray) -> np.ndarray:
    return np.array([int(np.argmin(((points - q) ** 2).sum(1))) for q in queries])


def gather(splats, rows):  # type: ignore[no-untyped-def]
    return splats.take(rows)


def covariances(splats) -> np.ndarray:  # type: ignore[no-untyped-def]
    from gscodec.codec.model.rotation import to_matrix

    m = to_matrix(splats.quats.astype(np.float64)) * splats.scales[:, None, :]
    return np.asarray(m @ np.swapaxes(m, 1, 2))


def test_gop_of_the_encoder_is_gop_of_the_decoder() -> None:
    encoded = encode(n=200, frames=5, degree=1)
    a, b = Gop(encoded.planes).frame(4), decode_segment(encoded.payload).frame(4)
    assert np.array_equal(a.means, b.means) and np.array_equal(a.sh, b.sh)
