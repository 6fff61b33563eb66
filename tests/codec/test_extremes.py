"""Input at the format's edges: encodes end in a file that decodes, or in a clear refusal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gscodec.base.errors import LimitExceeded, Misuse
from gscodec.base.limits import Budget
from gscodec.codec.decoder import decode_base, decode_segment
from gscodec.codec.encoder import Tools, encode_tracks
from gscodec.codec.model.bases import choose_basis
from gscodec.codec.model.steps import sensitive_steps
from gscodec.codec.pipeline import decode_file, encode_sequence
from gscodec.codec.planes import read_base, read_planes
from gscodec.codec.quality import stalled
from gscodec.codec.segment import MODE_CODED, Model
from gscodec.codec.settings import EncodeSettings
from gscodec.codec.shared import SharedBase, shared_steps, shared_tracks
from gscodec.splats.formats.ply import write_ply
from gscodec.splats.model import Splats

from .builders import make_frames, make_tracks_of


class Frames(list[Splats]):
    """A sequence as encode_sequence takes it."""

    fps = 24.0
    names = property(lambda self: [str(i) for i in range(len(self))])


def encoded(frames: list[Splats], out: Path, **settings: object) -> tuple[object, list[Splats]]:
    report = encode_sequence(Frames(frames), out, EncodeSettings(preset="fast", **settings))  # type: ignore[arg-type]
    return report, list(decode_file(out))


def test_a_stray_far_away_costs_quality_and_no_error(tmp_path: Path) -> None:
    frame = make_frames(300, 1)[0]
    means = frame.means.copy()
    means[7] *= 3e4 / np.linalg.norm(means[7])
    report, told = encoded([replace(frame, means=means)], tmp_path / "a.gsv")
    assert report.coarse  # type: ignore[attr-defined]
    stray = np.linalg.norm(told[0].means, axis=1).argmax()
    np.testing.assert_allclose(told[0].means[stray], means[7], rtol=1e-4)
    report, _ = encoded([frame], tmp_path / "b.gsv")
    assert not report.coarse  # type: ignore[attr-defined]


def test_finer_steps_that_bring_nothing_are_seen() -> None:
    assert not stalled([(-10.0, 30.0)])
    assert stalled([(-10.0, 30.0), (-14.0, 30.1)])
    assert not stalled([(-10.0, 30.0), (-14.0, 45.0)])
    assert not stalled([(-10.0, 30.0), (-10.5, 30.1)])


@pytest.mark.parametrize("wrong", [{"gop": 0}, {"gop": 257}, {"seed": -1}])
def test_settings_beyond_the_format_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(Misuse):
        EncodeSettings(**wrong)  # type: ignore[arg-type]


def test_a_group_has_no_more_coefficients_than_its_field_holds() -> None:
    rough = np.random.default_rng(0).normal(size=(40, 256)) * 50
    for explicit in (True, False):
        assert len(choose_basis(rough, np.ones(40), shared=True, explicit=explicit)[1]) == 255


def test_the_longest_gop_on_a_shared_base() -> None:
    frames = make_frames(6, 258, jitter=0.5)
    tracks = make_tracks_of(frames[:2])
    steps = sensitive_steps(tracks, 0.2)
    first = encode_tracks(tracks, steps)
    shared = SharedBase(first.planes.base_only(), first.rows, steps.coef_unit, 0.2, 0.0)
    mine = shared_tracks(frames[2:], np.arange(6), shared, {}, use_gauge=True)
    told = encode_tracks(
        mine, shared_steps(shared, mine, 0.2), shared.planes, Tools(video=False, without=("KLT",))
    )
    gop = decode_segment(told.payload, base=decode_base(first.payload))
    assert gop.n_frames == 256
    assert max(gop.planes.model.basis_count) == 255


def test_a_first_gop_without_gaussians_does_not_settle_the_others_steps(tmp_path: Path) -> None:
    full = make_frames(200, 3)
    none = [one.take(np.zeros(0, np.int64)) for one in full]
    report, told = encoded([*none, *full], tmp_path / "a.gsv", gop=3)
    assert [len(one) for one in told] == [0, 0, 0, 200, 200, 200]
    alone, _ = encoded(full, tmp_path / "b.gsv", gop=3)
    after, _ = encoded([*full, *none], tmp_path / "c.gsv", gop=3)
    assert report.psnr == pytest.approx(alone.psnr, abs=1.0)  # type: ignore[attr-defined]
    assert after.psnr == pytest.approx(alone.psnr, abs=1.0)  # type: ignore[attr-defined]
    assert report.worst == pytest.approx(alone.worst, abs=1.0)  # type: ignore[attr-defined]


@pytest.mark.parametrize("degree", [0, 1])
def test_a_frame_without_gaussians_is_written(degree: int, tmp_path: Path) -> None:
    write_ply(tmp_path / "none.ply", make_frames(3, 1, degree)[0].take(np.zeros(0, np.int64)))
    assert b"element vertex 0\n" in (tmp_path / "none.ply").read_bytes()


def test_memory_is_counted_as_the_format_says() -> None:
    """SEGMENT.md 6: N * (C + planes) * 4 bytes of 2 GiB, the same for every reader."""
    fits, too_much = ((1 << 31) // 4 // (1 << 20) - 13 - more for more in (0, -1))
    for planes, refused in ((fits, False), (too_much, True)):
        model = Model(256, 1 << 20, 0)
        model.mode = [[MODE_CODED] * planes, *([[]] * 12)]
        with pytest.raises(
            LimitExceeded if refused else KeyError
        ):  # what fits is read: there are no sections
            read_planes(model, {}, False, Budget())
    with pytest.raises(LimitExceeded, match="budget"):
        read_base(Model(1, 1000, 0), {}, Budget(1000 * 13 * 4 - 1))
