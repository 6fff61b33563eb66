"""A capture to a sequence on disk, one checkpoint a frame and more within the first, so that a killed run goes on.

The first frame is trained from seeds, the first frames of later GOPs by the chain pass; within a GOP each frame starts
from the one before: motion, detail, hold still. GOPs depend on nothing but their first frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from gscodec.base import cuda
from gscodec.base.errors import MissingDependency, Misuse
from gscodec.base.lock import alone_in
from gscodec.render.output import write_png
from gscodec.train.captures.model import Capture
from gscodec.train.chainpass import chain_pass
from gscodec.train.checkpoints import (
    COLOURS,
    PREVIEW,
    Checkpoint,
    TrainedSequence,
    claim,
    frame_path,
    key_state,
)
from gscodec.train.codec_losses import KeyCalm
from gscodec.train.following import Chain, train_gop
from gscodec.train.gaussians import Gaussians
from gscodec.train.keyframe import Report, train_key
from gscodec.train.lives import Lives
from gscodec.train.motion import bind_nodes
from gscodec.train.parallel import train_gops
from gscodec.train.plan import Plan, make_plan
from gscodec.train.rasterise import render
from gscodec.train.scores import held_out_psnr
from gscodec.train.settings import TrainSettings

__all__ = ["Chain", "Checkpoint", "TrainedSequence", "held_out_psnr", "train_sequence"]

SMOOTH = 0.95  # of the loss that is told

OnStep = Callable[[int, str], None]


def train_sequence(
    capture: Capture,
    work: Path,
    settings: TrainSettings,
    frames: range | None = None,
    on_step: OnStep | None = None,
    *,
    on_frame: Callable[[int], None] | None = None,
    workers: int = 1,
    reopen: Callable[[], Capture] | None = None,
) -> TrainedSequence:
    """Train `frames` of the capture (None: all) into `work`; what is there already is kept.

    `on_step(steps, note)` hears of every step done, plan.Plan.steps in all, `on_frame(frame)` of every frame that is
    done or was there. The same seed gives the same result on one
    CPU, whether or not the run was interrupted and whatever the number of `workers`, processes that train a GOP each;
    more than one needs `reopen`, which opens the same capture in a process of its own (it is pickled). Raises Misuse
    where `work` is of another run or another process works in it, MissingDependency where the device isn't there,
    BadInput and its kin from the capture.
    """
    frames = range(capture.n_frames) if frames is None else frames
    if settings.device == "cuda":
        if not torch.cuda.is_available():
            raise MissingDependency("torch sees no CUDA GPU; train with --device cpu")
        cuda.load("sensitivity")  # missed before any work, not when the key frame first asks for steps
    if workers < 1 or (workers > 1 and reopen is None):
        raise Misuse(
            "at least one worker, and more than one only with a way to open the capture", workers=workers
        )
    torch.set_num_threads(1)  # sums must not depend on the number of threads
    plan = make_plan(capture.fps, settings.gop, frames)
    with alone_in(work):
        claim(work, capture, settings, plan)
        told = _Told(capture, work, settings, plan, on_step, on_frame)
        _train(capture, work, settings, plan, told, workers, reopen)
    return TrainedSequence(work, capture, settings, frames)


def _train(
    capture: Capture, work: Path, settings: TrainSettings, plan: Plan, told: _Told, workers: int,
    reopen: Callable[[], Capture] | None,
) -> None:  # fmt: skip
    first = plan.frames.start
    there = frame_path(work, first).exists()
    if not there:
        _key(capture, settings, plan, work, told.report_of(first)).save(frame_path(work, first))
    key_state(work).unlink(missing_ok=True)
    told.frame_done(first, there)
    chain_pass(capture, work, settings, plan, told.report_of, told.frame_done)
    if workers > 1 and len(plan.starts) > 1:
        assert reopen is not None
        train_gops(reopen, work, settings, plan, workers, told.frame_done, told.frame_elsewhere)
    else:
        for start in plan.starts:
            train_gop(capture, work, settings, plan, start, told.report_of, told.frame_done)


class _Told:
    """Turns what is done into steps, lines and previews."""

    def __init__(
        self, capture: Capture, work: Path, settings: TrainSettings, plan: Plan, on_step: OnStep | None,
        on_frame: Callable[[int], None] | None,
    ) -> None:  # fmt: skip
        self._capture, self._work, self._settings, self._plan = capture, work, settings, plan
        self._on_step, self._on_frame = on_step, on_frame
        self._last = ""  # what the frame before came to

    def report_of(self, frame: int) -> Report:
        """Hears of the steps of a frame: (iterations, loss), not a number where there is no loss."""
        smooth = -1.0

        def report(iterations: int, loss: float) -> None:
            nonlocal smooth
            if not math.isnan(loss):
                smooth = loss if smooth < 0 else SMOOTH * smooth + (1 - SMOOTH) * loss
            if self._on_step:
                line = f"frame {frame}" + (f", loss {smooth:.4f}" if smooth >= 0 else "")
                self._on_step(iterations, f"{line}, {self._last}" if self._last else line)

        return report

    def frame_elsewhere(self, frame: int) -> None:
        """A frame is done whose steps nobody reported."""
        if self._on_step:
            self._on_step(self._plan.frame_steps(frame, self._settings), f"frame {frame}")
        self.frame_done(frame, False)

    def frame_done(self, frame: int, there: bool) -> None:
        """`there`: it was when the run began, and is counted here."""
        if self._on_frame:
            self._on_frame(frame)
        if there:
            if self._on_step:
                self._on_step(
                    self._plan.frame_steps(frame, self._settings), f"frame {frame} was there already"
                )
            return
        path = frame_path(self._work, frame)
        if self._settings.preview_every:
            gaussians = Checkpoint.load(path, self._settings.device).gaussians
            write_preview(self._work / PREVIEW, self._capture, self._settings, frame, gaussians)
        if not self._on_step:
            return
        splats = TrainedSequence(self._work, self._capture, self._settings, range(frame, frame + 1))[0]
        self._last = f"{len(splats)} Gaussians"
        if scores := held_out_psnr(self._capture, splats, frame, self._settings.kernel):
            self._last += f", held out {np.mean(scores):.2f} dB (frame {frame})"
        self._on_step(0, self._last)


def _key(capture: Capture, settings: TrainSettings, plan: Plan, work: Path, report: Report) -> Checkpoint:
    frame = plan.frames.start

    def preview(_: int, gaussians: Gaussians) -> None:
        write_preview(work / PREVIEW, capture, settings, frame, gaussians)

    calm = KeyCalm(settings.codec, capture, settings.kernel, plan.base_frames, settings.quality)
    key = train_key(capture, settings, frame, report, saved=key_state(work), preview=preview, calm=calm)
    gaussians = key.gaussians
    if key.colours is not None:
        key.colours.save(work / COLOURS)
    still = torch.zeros(len(gaussians.means), dtype=torch.bool)
    lives = Lives.of_first(len(still), frame)
    return Checkpoint(gaussians, bind_nodes(gaussians, settings.nodes).motion, still, lives)


def write_preview(
    path: Path, capture: Capture, settings: TrainSettings, frame: int, gaussians: Gaussians
) -> None:
    """A PNG, by rename: beside each other what a view shows and what is trained, the first held-out view if any."""
    views = [v for v in (*capture.test_views, *capture.train_views) if capture.views[v].has(frame)]
    with torch.no_grad():
        camera = capture.views[views[0]].camera(frame)
        drawn = render(gaussians.activated(), [camera], kernel=settings.kernel)[0, ..., :3].cpu().numpy()
    pair = np.concatenate([capture.picture(views[0], frame).over(0.0), np.clip(drawn, 0, 1)], axis=1)
    write_png(path, (pair * 255 + 0.5).astype(np.uint8))
