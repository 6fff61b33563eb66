from __future__ import annotations

import numpy as np
import pytest

from gscodec.bench.tiles import TiledSequence
from gscodec.splats.model import Splats
from tests.codec.builders import make_frames


class Loop:
    """A short sequence that loops."""

    fps = 10.0

    def __init__(self, frames: list[Splats]) -> None:
        self._frames = frames
        self.names = [str(i) for i in range(len(frames))]

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Splats:
        return self._frames[index]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._frames)


def test_tiles_stand_apart_are_turned_recoloured_and_shifted_in_time() -> None:
    source = Loop(make_frames(40, 4, sh_degree=1))
    tiled = TiledSequence(source, 100, 8)
    assert len(tiled) == 8
    frame = tiled[1]
    assert [len(f) for f in tiled] == [100] * 8
    assert np.allclose(np.linalg.norm(frame.quats, axis=1), 1, atol=1e-5)
    first, second = frame.means[:40], frame.means[40:80]
    assert np.linalg.norm(first.mean(0) - second.mean(0)) > 2  # shells of radius 1
    # tile 1 is a third of the loop ahead: frame 2 of the source, turned, so that heights (y is up) stay
    height = source[2].means[:, 1] - source[0].means[:, 1].mean()
    assert np.allclose(second[:, 1], height, atol=1e-5)
    gains = frame.sh[40:80] / source[2].sh
    assert np.allclose(gains, gains[0, 0], rtol=1e-4)
    assert not np.allclose(gains[0, 0], 1, atol=0.01)


def test_tiles_loop_and_end() -> None:
    source = Loop(make_frames(40, 4))
    tiled = TiledSequence(source, 40, 8)
    assert np.array_equal(tiled[0].means, tiled[4].means)
    assert not np.array_equal(tiled[0].means, tiled[1].means)
    with pytest.raises(IndexError):
        tiled[8]
