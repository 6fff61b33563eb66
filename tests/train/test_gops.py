"""GOPs that train on their own: the same bytes by one worker or two, and after a kill; slots that live on are kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from gscodec.base.errors import BadInput, GscodecError, Misuse
from gscodec.train.captures import open_capture
from gscodec.train.captures.model import Capture
from gscodec.train.captures.sample import write_sample_capture
from gscodec.train.settings import TrainSettings

torch = pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")

SETTINGS = TrainSettings(
    gaussians=150,
    key_iterations=60,
    motion_iterations=12,
    detail_iterations=10,
    nodes=20,
    gop=3,
    preview_every=0,
)
FRAMES = range(6)
CHECKPOINTS = [f"frame_{t:05d}.npz" for t in FRAMES]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("capture") / "tiny"
    write_sample_capture(place, train=4, test=1, frames=6, size=40, gaussians=400)
    return place


def contents(work: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in work.iterdir()}


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of a run by one worker that nothing disturbed."""
    from gscodec.train.pipeline import train_sequence
    from gscodec.train.plan import make_plan

    work = tmp_path_factory.mktemp("whole")
    steps: list[int] = []
    capture = open_capture(folder)
    train_sequence(capture, work, SETTINGS, FRAMES, lambda n, _: steps.append(n))
    assert sum(steps) == make_plan(capture.fps, SETTINGS.gop, FRAMES).steps(SETTINGS)
    assert sorted(contents(work)) == [*CHECKPOINTS, "lock", "run.json"]  # nothing of the chain pass is left
    return work


def test_two_workers_make_the_same_bytes(folder: Path, whole: Path, tmp_path: Path) -> None:
    from gscodec.train.pipeline import train_sequence

    told: list[tuple[int, str]] = []
    capture, reopen = open_capture(folder), partial(open_capture, folder)
    train_sequence(
        capture, tmp_path, SETTINGS, FRAMES, lambda n, note: told.append((n, note)), workers=2, reopen=reopen
    )
    assert contents(tmp_path) == contents(whole)
    assert sum("held out" in note for n, note in told if n == 0) == len(FRAMES)
    with pytest.raises(Misuse, match="worker"):
        train_sequence(capture, tmp_path, SETTINGS, FRAMES, workers=2)


def test_what_a_worker_finds_wrong_is_said(folder: Path, whole: Path, tmp_path: Path) -> None:
    from gscodec.train.pipeline import train_sequence

    for path in whole.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / CHECKPOINTS[5]).unlink()
    (tmp_path / CHECKPOINTS[4]).write_bytes(b"nothing")
    reopen = partial(open_capture, folder)
    with pytest.raises(BadInput, match=CHECKPOINTS[4]):
        train_sequence(open_capture(folder), tmp_path, SETTINGS, FRAMES, workers=2, reopen=reopen)


def open_and_die(folder: Path, parent: int) -> Capture:
    if os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    return open_capture(folder)


def test_of_a_worker_that_is_killed_its_frame_is_named(folder: Path, whole: Path, tmp_path: Path) -> None:
    from gscodec.train.pipeline import train_sequence

    for path in whole.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for name in CHECKPOINTS[4:]:
        (tmp_path / name).unlink()
    reopen = partial(open_and_die, folder, os.getpid())
    with pytest.raises(GscodecError, match=r"ended early; run again to go on \(frame=4\)") as caught:
        train_sequence(open_capture(folder), tmp_path, SETTINGS, FRAMES, workers=2, reopen=reopen)
    assert caught.value.exit_code == 1
    train_sequence(open_capture(folder), tmp_path, SETTINGS, FRAMES)
    assert contents(tmp_path) == contents(whole)


RUN = """
import os
import signal
import sys
from functools import partial
from pathlib import Path
from gscodec.train import checkpoints
from gscodec.train.captures import open_capture
from gscodec.train.pipeline import train_sequence
from tests.train.test_gops import FRAMES, SETTINGS


def save_and_die(path, arrays, save=checkpoints.save_arrays):
    save(path, arrays)
    if path.name == sys.argv[4]:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    checkpoints.save_arrays = save_and_die  # of this process: workers have their own
    reopen = partial(open_capture, Path(sys.argv[1]))
    train_sequence(reopen(), Path(sys.argv[2]), SETTINGS, FRAMES, workers=int(sys.argv[3]), reopen=reopen)
"""


@pytest.mark.parametrize(
    ("moment", "workers"), [("chain_00002.npz", 1), (CHECKPOINTS[4], 1), (CHECKPOINTS[4], 2)]
)
def test_killed_in_a_later_gop_and_run_again_it_ends_with_the_same_bytes(
    moment: str, workers: int, folder: Path, whole: Path, tmp_path: Path
) -> None:
    from gscodec.train.pipeline import train_sequence

    script, work = tmp_path / "run.py", tmp_path / "work"
    script.write_text(RUN)
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), str(work), str(workers), moment],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        deadline = time.monotonic() + 240
        while process.poll() is None and (workers == 1 or not (work / moment).exists()):
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    if workers == 1:
        assert not (work / CHECKPOINTS[5]).exists()
    train_sequence(open_capture(folder), work, SETTINGS, FRAMES)
    assert contents(work) == contents(whole)


def test_slots_of_a_first_frame_do_not_count_as_still(
    folder: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gscodec.train.checkpoints import TrainedSequence
    from gscodec.train.lead import lead_over

    monkeypatch.setattr("gscodec.train.lead.MOST", 0.0)
    clip = TrainedSequence(whole, open_capture(folder), SETTINGS, FRAMES)
    following = [float(clip.checkpoint(t).still.float().mean()) for t in (4, 5)]
    last, past = clip.checkpoint(2), clip.checkpoint(3).past
    assert past is not None
    lead = lead_over(last.gaussians, last.lives, 0, past)
    assert lead is not None
    for t in (1, 2):  # what leads over to the next GOP does not hold still
        alone = torch.ones(len(clip.checkpoint(t).still), dtype=torch.bool)
        alone[lead.rows] = False
        following.append(float((clip.checkpoint(t).still & alone).float().mean()))
    assert clip.still_share() == pytest.approx(sum(following) / 4)
    assert TrainedSequence(whole, clip.capture, SETTINGS, range(1)).still_share() == 0


def test_slots_live_on_over_a_border_and_a_clip_of_one_gop_has_no_chain_pass(whole: Path) -> None:
    from gscodec.train.checkpoints import Checkpoint
    from gscodec.train.plan import make_plan

    last, first = (Checkpoint.load(whole / CHECKPOINTS[t]).gaussians for t in (2, 3))
    shift = (last.means - first.means).norm(dim=1)
    size = float(torch.exp(first.log_scales).mean())
    assert len(last.means) == len(first.means)
    assert float(shift.median()) < 2 * size
    assert make_plan(8.0, 0, FRAMES).starts == [0]


def test_what_a_gop_was_before_its_border_is_kept_for_the_gop_before(
    folder: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gscodec.train.checkpoints import Checkpoint, TrainedSequence
    from gscodec.train.lead import lead_over

    monkeypatch.setattr("gscodec.train.lead.MOST", 0.0)
    first, last = (Checkpoint.load(whole / CHECKPOINTS[t]) for t in (3, 2))
    assert first.past is not None and last.past is None
    assert 0.9 * len(first.still) <= len(first.past.rows) <= len(first.still)
    lead = lead_over(last.gaussians, last.lives, 0, first.past)
    assert lead is not None
    shown = TrainedSequence(whole, open_capture(folder), SETTINGS, FRAMES).gaussians(2)
    torch.testing.assert_close(
        lead.past.means - shown.means[lead.rows], (lead.past.means - lead.last.means) / 3
    )
