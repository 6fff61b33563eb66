"""What appears inside a GOP is shown by free slots; the stream is told of them as if they had always been there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from gscodec.train.captures.model import Capture
from gscodec.train.settings import TrainSettings
from tests.train.test_motion import blob, capture_of, shifted

torch = pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")

if TYPE_CHECKING:
    from gscodec.splats.model import Splats
    from gscodec.train.checkpoints import Checkpoint, TrainedSequence
    from gscodec.train.gaussians import Gaussians
    from gscodec.train.lives import Lives

APPEARS = 2
SETTINGS = TrainSettings(
    gaussians=230, key_iterations=1, motion_iterations=16, detail_iterations=16, nodes=20, gop=4, preview_every=0
)  # fmt: skip
HELD_OUT = 2


def joined(a: Gaussians, b: Gaussians) -> Gaussians:
    from gscodec.train.gaussians import Gaussians

    return Gaussians(
        *(torch.cat(pair) for pair in zip(a.tensors().values(), b.tensors().values(), strict=True))
    )


def moment(frame: int) -> Gaussians:
    """The right one of two clusters moves; a third one appears above them."""
    body = shifted(blob(), np.arange(150) % 2 == 1, (0.02 * frame, 0.01 * frame, 0.0))
    if frame < APPEARS:
        return body
    ball = blob(60)
    ball.means[:] = 0.7 * (ball.means * torch.tensor([0.0, 1.0, 1.0])) + torch.tensor([0.0, 0.0, 0.55])
    ball.means[:, 0] += torch.linspace(-0.1, 0.1, 60)
    return joined(body, shifted(ball, np.arange(60), (0.02 * frame, 0.0, 0.0)))


def filmed(frames: int = 6) -> Capture:
    capture = capture_of([moment(t) for t in range(frames)])
    views = [replace(view, held_out=n == HELD_OUT) for n, view in enumerate(capture.views)]
    return replace(capture, views=views)


def train(work: Path, frames: int, settings: TrainSettings = SETTINGS, **how: object) -> TrainedSequence:
    """From a first frame that is as it was filmed."""
    from gscodec.train.checkpoints import Checkpoint, claim, frame_path
    from gscodec.train.lives import Lives
    from gscodec.train.motion import bind_nodes
    from gscodec.train.pipeline import train_sequence
    from gscodec.train.plan import make_plan

    capture = filmed()
    claim(work, capture, settings, make_plan(capture.fps, settings.gop, range(frames)))
    if not frame_path(work, 0).exists():
        first = moment(0)
        nodes = bind_nodes(first, settings.nodes)
        still = torch.zeros(len(first.means), dtype=torch.bool)
        lives = Lives.of_first(len(first.means), 0)
        Checkpoint(first, nodes.motion, still, lives).save(frame_path(work, 0))
    return train_sequence(capture, work, settings, range(frames), **how)  # type: ignore[arg-type]


def contents(work: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in work.iterdir() if path.name.startswith("frame")}


def psnr(clip: TrainedSequence) -> list[float]:
    from gscodec.train.scores import held_out_psnr

    return [float(np.mean(held_out_psnr(clip.capture, splats, t))) for t, splats in enumerate(clip)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainedSequence:
    """Two GOPs by one worker that nothing disturbed."""
    heard: list[int] = []
    clip = train(tmp_path_factory.mktemp("births"), 6, on_frame=heard.append)
    assert sorted(heard) == list(range(6))  # each once, births or not
    return clip


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> TrainedSequence:
    return train(tmp_path_factory.mktemp("without"), 4, replace(SETTINGS, births=False))


def test_what_appears_inside_a_gop_is_shown_and_nothing_else_changes(
    run: TrainedSequence, without: TrainedSequence
) -> None:
    from gscodec.train.scores import drawn

    gained = np.array(psnr(run)[:4]) - psnr(without)
    assert gained[:2].tolist() == [0, 0]
    assert min(gained[2:]) > 6, gained
    assert [len(run.checkpoint(t).gaussians.means) for t in (0, 1)] == [150, 150]
    gop = [run[t] for t in range(4)]
    count = len(gop[3])
    assert 150 < count <= SETTINGS.gaussians
    assert [len(one) for one in gop] == [count] * 4
    for t in range(2):  # not even a pixel of what is born later
        for name in ("means", "quats", "scales", "opacities", "sh"):
            assert np.array_equal(getattr(gop[t], name)[:150], getattr(without[t], name)), name
        for view in run.capture.views:
            both = [drawn(one, view.cameras[0], "classic")[0] for one in (gop[t], without[t])]
            assert np.array_equal(both[0], both[1])
    born = run.checkpoint(3).lives.born
    assert set(born[150:].tolist()) <= {2, 3}
    for slot in np.flatnonzero(born.numpy() == 2):
        for name in ("means", "quats", "scales", "sh"):
            values = [getattr(one, name)[slot] for one in gop]
            assert np.array_equal(values[0], values[2])
            assert np.array_equal(values[1], values[2])
        assert gop[1].opacities[slot] < 1 / 255 < gop[2].opacities[slot]


def test_it_is_there_when_the_next_gop_begins(run: TrainedSequence, without: TrainedSequence) -> None:
    assert min(psnr(run)[4:]) > max(psnr(without)[2:]) + 4
    assert run.checkpoint(4).lives.born.unique().tolist() == [4]


def test_a_kill_after_a_birth_and_two_workers_change_no_byte(
    run: TrainedSequence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gscodec.train import checkpoints

    whole, save = contents(run.folder), checkpoints.save_arrays

    class Killed(BaseException):
        pass

    def train_until(name: str) -> None:
        def save_and_die(path: Path, arrays: object) -> None:
            save(path, arrays)  # type: ignore[arg-type]
            if path.name == name:
                raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(checkpoints, "save_arrays", save_and_die)
            train(tmp_path / "killed", 6)

    for moment_of_death in ("chain_00002.npz", "frame_00002.npz"):
        train_until(moment_of_death)
    train(tmp_path / "killed", 6)
    assert contents(tmp_path / "killed") == whole
    train(tmp_path / "two", 6, workers=2, reopen=filmed)
    assert contents(tmp_path / "two") == whole


class Clip:
    """Frames in memory."""

    fps = 30.0

    def __init__(self, frames: list[Splats]) -> None:
        self._frames = frames
        self.names = [str(n) for n in range(len(frames))]

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Splats:
        return self._frames[index]

    def __iter__(self) -> Iterator[Splats]:
        return iter(self._frames)


def test_the_stream_of_a_clip_whose_slots_hold_still_unseen_is_no_larger(
    run: TrainedSequence, tmp_path: Path
) -> None:
    from gscodec.codec.pipeline import decode_file, encode_sequence
    from gscodec.codec.settings import EncodeSettings
    from gscodec.train.gaussians import to_splats
    from gscodec.train.mcmc import GONE

    settled, loose = [run[t] for t in range(4)], []
    middle = torch.tensor([1.0, 0, 0, 0])
    for t in range(4):
        gaussians = run.checkpoint(t).gaussians
        lacking = len(settled[0]) - len(gaussians.means)
        gaussians = gaussians.extended(lacking)
        if lacking:  # as slots are that nobody has cared for
            gaussians.logits[-lacking:], gaussians.quats[-lacking:] = GONE, middle
        loose.append(to_splats(gaussians, run.capture.normalisation, run.capture.up, "classic"))
    sizes = []
    for name, frames in (("settled", settled), ("loose", loose)):
        out = tmp_path / f"{name}.gsv"
        encode_sequence(
            Clip(frames), out, EncodeSettings(preset="fast", quality=40, fps=30.0, up=frames[0].up)
        )  # type: ignore[arg-type]
        sizes.append(out.stat().st_size)
    assert sizes[0] <= sizes[1]
    assert len(decode_file(tmp_path / "settled.gsv")) == 4


@cache
def trained(opacities: tuple[float, ...], born: tuple[int, ...], frame: int) -> Checkpoint:
    """A checkpoint whose slots are at (frame, 0, 0)."""
    from gscodec.train.checkpoints import Checkpoint
    from gscodec.train.lives import Lives

    n = len(opacities)
    gaussians = blob(max(n, 2)).take(torch.arange(n))
    gaussians.means[:] = torch.tensor([float(frame), 0, 0])
    gaussians.logits[:] = torch.logit(torch.tensor(opacities))
    lives = Lives(torch.tensor(born), torch.arange(n))
    return Checkpoint(gaussians, torch.zeros(1, 6), torch.zeros(n, dtype=torch.bool), lives)


def test_slots_hold_still_before_they_are_born_and_after_they_died() -> None:
    from gscodec.train.lives import Lives, held_slots, settle_lives

    gone = 1e-4
    frames = [  # lives on, wakes, dies, was hidden and is born anew at 12, is born at 11 and dies; a new one at 13
        trained((0.5, gone, 0.5, 0.9, gone), (10, 10, 10, 10, 10), 0),
        trained((0.5, gone, gone, 0.9, 0.6), (10, 10, 10, 10, 11), 1),
        trained((0.5, 0.4, gone, 0.3, gone), (10, 10, 10, 12, 11), 2),
        trained((0.5, 0.4, gone, 0.3, gone, 0.3), (10, 10, 10, 12, 11, 13), 3),
    ]
    reads: list[int] = []

    def read(at: int) -> tuple[Gaussians, Lives]:
        reads.append(at)
        return frames[at].gaussians, frames[at].lives

    held = held_slots(read, 4, 10)
    assert held.rows.tolist() == [1, 2, 3, 4, 5]  # nothing is kept of a slot that all frames show
    assert max(map(reads.count, range(4))) <= 3
    reads.clear()
    settled = [settle_lives(frames[t].gaussians, held, t) for t in range(4)]
    assert not reads
    assert torch.stack([gaussians.means[:, 0] for gaussians in settled]).T.tolist() == [
        [0, 1, 2, 3],
        [2, 2, 2, 3],
        [0, 0, 0, 0],
        [2, 2, 2, 3],
        [1, 1, 1, 1],
        [3, 3, 3, 3],
    ]
    light = [[round(float(v), 4) for v in torch.sigmoid(g.logits)] for g in settled]
    assert light[0] == [0.5, gone, 0.5, 0.0005, gone, 0.0005]
    assert light[1] == [0.5, gone, gone, 0.0005, 0.6, 0.0005]
    assert light[3] == [0.5, 0.4, gone, 0.3, gone, 0.3]
    all_shown = held_slots(
        lambda t: (frames[t].gaussians.take(torch.zeros(1).long()), Lives.of_first(1, 10)), 4, 10
    )
    own = frames[1].gaussians.take(torch.zeros(1).long())
    assert settle_lives(own, all_shown, 1) is own


def test_a_picture_is_lost_where_several_views_show_what_the_first_frame_does_not() -> None:
    from gscodec.train.lost import usual_errors

    capture = filmed()
    worn = moment(0)
    worn.sh[:30] += 0.3  # a first frame that is not all it should be
    usual = usual_errors(worn, capture, 0, "classic", None)
    assert not usual.lost(worn, capture, 0).cells
    assert not usual.lost(worn, capture, 1).cells  # moved on by half a pixel
    lost = usual.lost(worn, capture, APPEARS)
    assert set(lost.cells) == set(capture.train_views)
    for pixels in lost.pixels.values():
        rows = np.flatnonzero(pixels.any(1))
        assert rows.mean() < 20  # of 48: above the others
    assert 0.02 < lost.share < 0.5
    views = [replace(v, frames=None if n == 0 else frozenset({0})) for n, v in enumerate(capture.views)]
    assert not usual.lost(worn, replace(capture, views=views), APPEARS).cells  # one view may be wrong


def test_free_are_faint_slots_then_new_ones_then_hidden_ones() -> None:
    from gscodec.train.spares import free_slots

    first = blob(7)
    first.logits[[1, 2, 3]] = -12.0
    now = first.extended(1)
    idle = torch.tensor([False, False, True, True, True, False, False])
    assert free_slots(first, now, idle, torch.tensor([2]), 10).tolist() == [3, 8, 9, 4]
    assert free_slots(first, now, idle, torch.tensor([2]), 0).tolist() == [3, 4]


def test_idle_is_what_no_frame_of_the_gop_has_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    from gscodec.train import spares
    from gscodec.train.lives import Lives

    seen = {3: [9.0, 0, 0, 0], 4: [0, 9.0, 0, 0], 5: [0, 0, 0, 0, 9.0], 6: [0, 0, 0, 0, 9.0]}
    looked: list[int] = []

    def contribution(_: Gaussians, __: Capture, frame: int, kernel: str) -> torch.Tensor:
        looked.append(frame)
        return torch.tensor(seen[frame])

    monkeypatch.setattr(spares, "contribution", contribution)
    first = blob(4)
    now = first.extended(1)
    lives = Lives.of_first(4, 3).reborn(torch.tensor([2, 4]), torch.tensor([0, 0]), 5)
    light = spares.Light(first, cast("Capture", None), 3, "classic")
    assert light.idle(now, lives, 6, None).tolist() == [False, True, False, True]  # the chain's are not shown
    assert light.idle(now, lives, 6, lambda _: now).tolist() == [
        False,
        False,
        False,
        True,
    ]  # 1 woke in frame 4
    assert light.idle(now, lives, 6, lambda _: now).tolist() == [False, False, False, True]
    assert looked.count(4) == 1


def test_what_could_not_be_mended_is_not_lost_again_until_it_is_worse(tmp_path: Path) -> None:
    from gscodec.train.checkpoints import Checkpoint
    from gscodec.train.lost import WORSE, usual_errors

    capture = filmed()
    usual = usual_errors(moment(0), capture, 0, "classic", None)
    failed = usual.lost(moment(0), capture, APPEARS).cells
    assert failed and not usual.lost(moment(0), capture, APPEARS, failed).cells
    less = {view: cells / (2 * WORSE) for view, cells in failed.items()}
    assert usual.lost(moment(0), capture, APPEARS, less).cells
    saved = replace(trained((0.5,), (0,), 0), failed=failed)
    saved.save(tmp_path / "one.npz")
    kept = Checkpoint.load(tmp_path / "one.npz").failed
    assert set(kept) == set(failed) and all(torch.equal(kept[v], failed[v]) for v in failed)


def test_a_slot_born_beside_one_just_born_moves_as_the_nearest_that_was_there() -> None:
    from gscodec.train.chainpass import _moving_as
    from gscodec.train.lives import Lives

    lives = Lives(torch.tensor([0, 4, 4, 0, 2]), torch.tensor([0, 2, 3, 3, 1]))
    gaussians = blob(5)
    gaussians.means[:, 0] = torch.tensor([9.0, 1, 2, 5, 0])
    gaussians.means[:, 1:] = 0
    assert _moving_as(lives, 4, gaussians).tolist() == [0, 4, 3, 3, 4]
