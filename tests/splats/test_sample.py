"""The demo sequence: tracked, seamless, repeatable, the stage bit for bit at rest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gscodec.base.errors import Misuse
from gscodec.splats.matching import Relation, relate
from gscodec.splats.sample import make_sample, write_sample
from gscodec.splats.sequence import open_sequence


@pytest.mark.parametrize("n", [200, 2000, 9999])
def test_sample_has_the_size_asked_for_and_valid_values(n: int) -> None:
    sample = make_sample(frames=7, gaussians=n)
    frame = sample[3]
    assert len(sample) == 7 and len(frame) == n and frame.sh_degree == 1
    for array in (frame.means, frame.quats, frame.scales, frame.opacities, frame.sh):
        assert array.dtype == np.float32 and array.flags.c_contiguous and np.isfinite(array).all()
    np.testing.assert_allclose(np.linalg.norm(frame.quats, axis=1), 1, atol=1e-5)
    assert (frame.scales > 0).all()


def test_sample_is_tracked_and_loops_without_a_seam() -> None:
    sample = make_sample(gaussians=1000)
    steps = [np.abs(sample[(i + 1) % 120].means - sample[i].means).max() for i in (0, 40, 119)]
    assert max(steps) < 0.1
    assert relate(sample[119], sample[0]) is Relation.TRACKED
    assert relate(sample[0], sample[1]) is Relation.TRACKED


def test_sample_repeats_for_a_seed_and_differs_for_another() -> None:
    one, two, other = (make_sample(gaussians=500, seed=seed)[5] for seed in (1, 1, 2))
    assert np.array_equal(one.sh, two.sh) and not np.array_equal(one.sh, other.sh)


def test_sample_stage_rests_bit_for_bit_while_dancer_and_light_change() -> None:
    sample = make_sample(gaussians=1000)
    a, b = sample[0], sample[31]
    still = (a.means == b.means).all(axis=1)
    assert 0.3 < still.mean() < 0.5
    assert np.array_equal(a.sh[still], b.sh[still]) and np.array_equal(a.quats[still], b.quats[still])
    assert np.abs(a.sh[~still] - b.sh[~still]).max() > 0.1


def test_write_sample_makes_a_sequence_that_opens_without_notes(tmp_path: Path) -> None:
    assert list(write_sample(tmp_path / "demo", frames=3, gaussians=300, fps=25)) == [1, 2, 3]
    notes: list[str] = []
    sequence = open_sequence([tmp_path / "demo"], notes=notes.append)
    assert [Path(name).name for name in sequence.names] == [f"frame_000{i}.ply" for i in range(3)]
    assert notes == []
    assert (sequence.fps, sequence.up) == (25.0, (0.0, 1.0, 0.0))
    assert len(json.loads((tmp_path / "demo" / "scene.json").read_text())["zone"]["cameras"]) == 12
    np.testing.assert_allclose(sequence[1].sh, make_sample(3, 300, fps=25)[1].sh, atol=1e-6)


def test_write_sample_leaves_nothing_where_it_is_stopped(tmp_path: Path) -> None:
    writing = write_sample(tmp_path / "demo", frames=3, gaussians=300)
    assert next(writing) == 1
    writing.close()  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []


def test_write_sample_keeps_what_is_there_unless_forced_and_never_replaces_other_files(
    tmp_path: Path,
) -> None:
    out = tmp_path / "demo"
    assert list(write_sample(out, frames=2, gaussians=300)) == [1, 2]
    with pytest.raises(Misuse, match="--force"):
        next(write_sample(out, frames=1, gaussians=300))
    assert list(write_sample(out, frames=1, gaussians=300, force=True)) == [1]
    assert sorted(path.name for path in out.iterdir()) == ["frame_0000.ply", "scene.json"]
    (out / "mine.txt").write_text("keep")
    with pytest.raises(Misuse, match="other files"):
        next(write_sample(out, frames=1, gaussians=300, force=True))


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"gaussians": 10}, {"fps": 0.0}])
def test_sample_refuses_impossible_sizes(wrong: dict[str, int]) -> None:
    with pytest.raises(Misuse):
        make_sample(**wrong)
