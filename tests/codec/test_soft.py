"""Soft parts: blends of nodes, rest places, and that an encode takes them where something bends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gscodec.codec.decoder import decode_segment
from gscodec.codec.encoder import EncodedGop, Tools, encode_tracks
from gscodec.codec.gop import GopJob, GopResult, encode_gop
from gscodec.codec.inspect import describe_segment
from gscodec.codec.model import rotation
from gscodec.codec.model.motion import soft_motion
from gscodec.codec.model.nodes import track_nodes
from gscodec.codec.model.steps import sensitive_steps
from gscodec.codec.model.tracks import Tracks
from gscodec.codec.settings import EncodeSettings
from gscodec.render.sensitivity import sensitivity_cameras
from gscodec.splats.model import Splats
from tests.codec.builders import make_frames, make_tracks_of

SLOTS, FRAMES = 1500, 12


def bending(slots: int = SLOTS, frames: int = FRAMES) -> list[Splats]:
    """A cloud that is wrung: it turns about z the more, the farther up it is."""
    first = make_frames(slots, 1, moving=False)[0]
    out = []
    for t in range(frames):
        angle = 0.1 * t * first.means[:, 2].astype(np.float64)
        turn = np.stack([np.cos(angle / 2), 0 * angle, 0 * angle, np.sin(angle / 2)], axis=1)
        c, s = np.cos(angle), np.sin(angle)
        x, y, z = first.means.T
        means = np.stack([c * x - s * y, s * x + c * y, z], axis=1)
        quats = rotation.multiply(turn, first.quats.astype(np.float64))
        out.append(replace(first, means=means.astype(np.float32), quats=quats.astype(np.float32)))
    return out


def encoded(tracks: Tracks) -> EncodedGop:
    return encode_tracks(tracks, sensitive_steps(tracks, 0.2), tools=Tools(video=False))


def test_a_slot_blends_its_four_nearest_nodes() -> None:
    rng = np.random.default_rng(0)
    x, places = rng.integers(0, 1000, (50, 3)), rng.integers(0, 1000, (9, 3))
    motion = soft_motion(x.astype(float), places.astype(float), places.astype(float), np.zeros((1, 9, 3, 4)))
    square = ((x[:, None] - places) ** 2).sum(axis=2)
    order = np.argsort(square, axis=1, kind="stable")
    assert np.array_equal(motion.near, order[:, :4])
    near = np.take_along_axis(square, order[:, :5], axis=1)
    weights = (1 - near[:, :4] / near[:, 4:]) ** 2
    assert np.allclose(motion.weights, weights / weights.sum(axis=1, keepdims=True))


def test_among_nodes_at_one_distance_the_first_moves_the_slot() -> None:
    places = np.tile([[3.0, 4.0, 5.0]], (6, 1))
    motion = soft_motion(np.array([[3.0, 4.0, 5.0], [9, 9, 9]]), places, places, np.zeros((1, 6, 3, 4)))
    assert np.array_equal(motion.near, [[0, 1, 2, 3]] * 2)
    assert np.array_equal(motion.weights, [[1, 0, 0, 0]] * 2)


def test_rest_places_leave_nothing_in_the_mean() -> None:
    means = np.stack([f.means for f in bending()]).astype(np.float64)
    motion, rest = track_nodes(means, np.full(SLOTS, 1e-3), 25)
    left = motion.still(means, rest) - rest
    assert np.abs(left.mean(axis=0)).max() < 2e-4
    assert left.std() < 0.1 * (means - means.mean(axis=0)).std()


def test_what_bends_is_cheaper_with_soft_parts_and_decodes_as_well() -> None:
    frames = bending()
    hard, soft = encoded(make_tracks_of(frames)), encoded(make_tracks_of(frames, nodes=25))
    assert len(soft.payload) < 0.95 * len(hard.payload)
    for one in (hard, soft):
        gop = decode_segment(one.payload)
        off = [np.abs(gop.frame(t).means - frames[t].means[one.rows]).max(axis=1) for t in range(FRAMES)]
        assert np.quantile(off, 0.99) < 0.02


def test_an_encode_takes_soft_parts_where_something_bends() -> None:
    def encode(*without: str) -> GopResult:
        frames = bending()
        settings = EncodeSettings(quality=85, without=without)
        cameras = sensitivity_cameras(frames[0], None, seed=0, size=128, count=6)
        return encode_gop(GopJob(frames, settings, cameras, cameras[:2], np.arange(SLOTS)))

    soft, hard = encode(), encode("soft parts")
    assert describe_segment(soft.payload)["soft"] and not describe_segment(hard.payload)["soft"]
    assert len(soft.payload) < len(hard.payload)
