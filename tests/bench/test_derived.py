from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from gscodec.base.errors import BadInput
from gscodec.bench.derived import (
    CHANGED,
    LOOP_FRAMES,
    SHOWN,
    derived_folder,
    forth_and_back,
    respelled,
    rows_of_groups,
)
from gscodec.codec.model import rotation
from tests.splats.helpers import random_splats


def test_loop_runs_forth_and_back_without_standing_still() -> None:
    assert forth_and_back(4, 10) == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]
    loop = forth_and_back(24, 60)
    assert len(loop) == 60
    assert all(abs(a - b) == 1 for a, b in pairwise(loop))


@pytest.mark.parametrize("source", [1, 2])
def test_loop_of_one_or_two_frames(source: int) -> None:
    assert forth_and_back(source, 4) == [i % source for i in range(4)]


def test_folder_has_the_frames_in_loop_order_and_the_scene(tmp_path: Path) -> None:
    source = tmp_path / "seq"
    source.mkdir()
    for t in range(3):
        (source / f"frame_{t:04d}.ply").write_bytes(b"%d" % t)
    (source / "scene.json").write_text("{}")
    out = derived_folder("seq-fox-loop", source, tmp_path / "loop")
    frames = sorted(out.glob("frame_*.ply"))
    assert [path.read_bytes() for path in frames[:6]] == [b"0", b"1", b"2", b"1", b"0", b"1"]
    assert len(frames) == LOOP_FRAMES
    assert (out / "scene.json").exists()
    assert not list(tmp_path.glob("*.part"))
    frames[0].unlink()
    assert derived_folder("seq-fox-loop", source, out) == out
    assert len(list(out.glob("frame_*.ply"))) == LOOP_FRAMES - 1


def test_folder_without_frames_is_refused(tmp_path: Path) -> None:
    (tmp_path / "seq").mkdir()
    with pytest.raises(BadInput, match="seq"):
        derived_folder("seq-fox-loop", tmp_path / "seq", tmp_path / "loop")


def test_some_rows_are_others_in_each_group() -> None:
    groups = rows_of_groups(1000, 4)
    assert all(len(set(rows)) == SHOWN * 1000 for rows in groups)
    for a, b in pairwise(groups):
        assert (a != b).sum() == int(CHANGED * len(a)) == len(set(b) - set(a))


def test_respelled_gaussians_have_the_same_covariances_and_falling_scales() -> None:
    splats = random_splats(200)
    other = respelled(splats, np.random.default_rng(0))
    assert (np.diff(other.scales, axis=1) <= 0).all()
    assert not np.allclose(other.quats, splats.quats)

    def covariances(s) -> np.ndarray:  # type: ignore[no-untyped-def]
        turned = rotation.to_matrix(s.quats.astype(np.float64)) * s.scales[:, None, :]
        return turned @ turned.transpose(0, 2, 1)

    np.testing.assert_allclose(covariances(other), covariances(splats), atol=1e-6)
