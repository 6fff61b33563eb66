"""Gaussians that are born and die between GOPs: later GOPs still build on an earlier one's base."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from gscodec.codec.decoder import decode_segment
from gscodec.codec.encoder import encode_tracks
from gscodec.codec.model.steps import sensitive_steps
from gscodec.codec.pipeline import decode_file, encode_sequence
from gscodec.codec.settings import EncodeSettings
from gscodec.codec.shared import SharedBase, builds_on, shared_steps, shared_tracks
from gscodec.container.file import GsvFile
from gscodec.render.metrics import psnr
from gscodec.render.rasterize import rasterize
from gscodec.render.views import orbit, random_views
from gscodec.splats.model import Splats
from gscodec.splats.sample import make_sample
from tests.codec.builders import make_tracks_of

GOP, GOPS, N, CHANGED = 4, 3, 1200, 25
SETTINGS = EncodeSettings(preset="fast", gop=GOP, quality=50)


@dataclass
class Changing:
    """GOPS groups of frames of the sample; in each, CHANGED rows are other Gaussians than in the one before."""

    fps: float = 24.0
    unit_m: float = 1.0

    def __post_init__(self) -> None:
        self._sample = make_sample(frames=GOP * GOPS, gaussians=N + GOPS * CHANGED)
        rng = np.random.default_rng(2)
        rows = rng.permutation(len(self._sample[0]))
        self.shown = [rows[:N]]
        for g in range(1, GOPS):
            mine = self.shown[-1].copy()
            mine[rng.choice(N, CHANGED, replace=False)] = rows[N + (g - 1) * CHANGED : N + g * CHANGED]
            self.shown.append(mine)
        self.names = [str(t) for t in range(len(self))]

    def __len__(self) -> int:
        return GOP * GOPS

    def __getitem__(self, t: int) -> Splats:
        return self._sample[t].take(self.shown[t % len(self) // GOP])

    def __iter__(self):
        return (self[t] for t in range(len(self)))


def encode(folder: Path, **changes: object) -> Path:
    out = folder / f"{abs(hash(str(changes)))}.gsv"
    encode_sequence(Changing(), out, replace(SETTINGS, **changes))
    return out


def test_later_gops_build_on_the_first_ones_base_and_cost_less(tmp_path: Path) -> None:
    with_births = encode(tmp_path)
    without = encode(tmp_path, without=("births on shared bases",))
    assert [entry.base for entry in GsvFile.open(with_births).index] == [0, 1, 2]
    assert with_births.stat().st_size < 0.85 * without.stat().st_size


def test_each_frame_shows_the_gaussians_that_live_in_it(tmp_path: Path) -> None:
    source = Changing()
    decoded = decode_file(encode(tmp_path))
    for t in (0, GOP, 2 * GOP + 1):
        for camera in random_views(orbit(source[t]), 3):
            want, got = (
                rasterize(frame, camera, kernel="classic", alone=True) for frame in (source[t], decoded[t])
            )
            assert psnr(want, got) > 30


def test_births_change_no_byte_with_more_workers(tmp_path: Path) -> None:
    assert encode(tmp_path).read_bytes() == encode(tmp_path, workers=2).read_bytes()


@pytest.mark.parametrize("changed", [0.3, 0.9])
def test_too_many_births_begin_a_base_of_their_own(changed: float) -> None:
    key, ids = np.arange(100), np.arange(100) + int(100 * changed)
    assert builds_on(key, ids, SETTINGS) == (changed < 0.5)


def test_a_birth_too_far_from_the_base_begins_another(tmp_path: Path) -> None:
    class Straying(Changing):
        def __getitem__(self, t: int) -> Splats:
            frame = super().__getitem__(t)
            if t >= GOP:
                frame.means[self.shown[1] != self.shown[0]] += np.float32(1e6)
            return frame

    out = tmp_path / "far.gsv"
    encode_sequence(Straying(), out, SETTINGS)
    assert GsvFile.open(out).index[1].base == 0


def test_the_dead_stay_unseen_however_coarse_the_steps() -> None:
    frames = [frame for _, frame in zip(range(5), make_sample(frames=5, gaussians=300), strict=False)]
    tracks = make_tracks_of(frames[:4])
    steps = sensitive_steps(tracks, 0.2)
    first = encode_tracks(tracks, steps)
    base = SharedBase(first.planes.base_only(), first.rows, steps.coef_unit, 0.2, 0.0)
    alive = np.arange(len(frames[0]))[40:]
    mine = shared_tracks([frames[4].take(alive)], alive, base, {}, use_gauge=True)
    for lam in (0.2, 1.0, 4.0):
        told = encode_tracks(mine, shared_steps(base, mine, lam), base.planes)
        shown = decode_segment(told.payload, base=base.planes).frame(0).opacities
        assert shown[base.ids < 40].max() < 1 / 255
