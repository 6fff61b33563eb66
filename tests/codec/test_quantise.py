"""Quantising alone tells what a decoder will have, without a byte written; and threads change nothing."""

from __future__ import annotations

import numpy as np
import pytest

from gscodec.base import threads
from gscodec.codec.decoder import decode_segment
from gscodec.codec.encoder import Tools, encode_tracks, quantise_tracks, write_segment
from gscodec.codec.model import rotation
from gscodec.codec.model.relative import centre_rotations, rotation_vectors
from gscodec.codec.model.steps import sensitive_steps

from .builders import make_frames, make_tracks_of


@pytest.mark.parametrize(
    ("n", "frames", "degree", "lam", "video"),
    [(1, 1, 0, 0.2, False), (2, 3, 0, 0.2, False), (700, 1, 1, 0.05, False), (700, 6, 1, 0.2, False),
     (700, 6, 0, 3.0, False), (900, 6, 0, 0.2, True)],
)  # fmt: skip
def test_a_decoder_has_the_planes_that_were_quantised(
    n: int, frames: int, degree: int, lam: float, video: bool
) -> None:
    tracks = make_tracks_of(make_frames(n, frames, degree, jitter=0.002))
    made = quantise_tracks(tracks, sensitive_steps(tracks, lam), tools=Tools(video=video))
    wanted = {name: plane.copy() for name, plane in made.planes.named().items()}
    decoded = decode_segment(write_segment(made).payload).planes.named()
    assert decoded.keys() == wanted.keys()
    for name, plane in wanted.items():
        np.testing.assert_array_equal(decoded[name], plane, err_msg=name)
        np.testing.assert_array_equal(
            made.planes.named()[name], plane, err_msg=f"{name}, changed by its writer"
        )


def test_slots_at_one_place_keep_their_classes_precision() -> None:
    frames = make_frames(60, 1)
    frames[0].means[20:40] = frames[0].means[20]
    tracks = make_tracks_of(frames)
    made = quantise_tracks(tracks, sensitive_steps(tracks, 2.0))
    np.testing.assert_array_equal(decode_segment(write_segment(made).payload).planes.x, made.planes.x)


def test_the_same_bytes_from_any_number_of_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    payloads = set()
    for processors in (1, 2, 5):
        monkeypatch.setattr(threads, "processors", lambda n=processors: n)
        tracks = make_tracks_of(make_frames(500, 5, 1))
        payloads.add(encode_tracks(tracks, sensitive_steps(tracks, 0.2), tools=Tools(video=False)).payload)
    assert len(payloads) == 1


def test_a_base_rotation_is_never_further_from_the_mean_than_the_quaternions_own() -> None:
    rng = np.random.default_rng(3)
    quats = rotation.normalise(rng.normal(size=(9, 400, 4)) + [0.5, 0, 0, 0])  # turns of any size
    start = rotation.normalise(quats.sum(axis=0))
    axes, steps = rng.integers(0, 3, 400), rng.uniform(0.01, 0.1, (3, 400))

    def miss(mean: np.ndarray) -> np.ndarray:
        return (np.abs(rotation_vectors(mean, quats, axes).mean(axis=2)) / steps).max(axis=0)

    mean = start.copy()
    centre_rotations(mean, quats, axes, steps)
    assert (miss(mean) <= miss(start) * (1 + 1e-9)).all()
    assert np.median(miss(mean)) < 0.2 * np.median(miss(start))
