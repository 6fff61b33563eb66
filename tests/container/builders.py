"""A small valid file, and files with parts damaged on purpose."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gscodec.codec.encoder import Tools, encode_tracks
from gscodec.codec.model.steps import sensitive_steps
from gscodec.container import GsvWriter, Header
from tests.codec.builders import make_frames, make_tracks_of


def segment_bytes(n: int = 40, frames: int = 3, seed: int = 0, video: bool = False) -> bytes:
    tracks = make_tracks_of(make_frames(n, frames, seed=seed, moving=not video, jitter=0.002 * video))
    return encode_tracks(tracks, sensitive_steps(tracks, 0.3), tools=Tools(video=video)).payload


def write_file(path: Path, segments: list[tuple[bytes, int]]) -> bytes:
    """Write (payload, frames) segments; returns the file's bytes."""
    writer = GsvWriter(path, Header(fps=(30, 1), generator="test"))
    first = 0
    for payload, frames in segments:
        writer.add_segment(payload, first_frame=first, n_frames=frames)
        first += frames
    writer.finish()
    return path.read_bytes()


def tiny_file(path: Path) -> bytes:
    """Three GOPs of 40 Gaussians, three frames each."""
    return write_file(path, [(segment_bytes(seed=s), 3) for s in range(3)])


def random_segments(count: int, seed: int = 0) -> list[tuple[bytes, int]]:
    rng = np.random.default_rng(seed)
    return [(rng.integers(0, 256, 50 + 7 * i, dtype=np.uint8).tobytes(), 2) for i in range(count)]
