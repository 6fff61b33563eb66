"""The frames of a GOP after its first: each from the one before, by motion, detail and holding still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from gscodec.train.captures.model import Capture
from gscodec.train.checkpoints import Checkpoint, born_path, frame_path, load_colours, own_path
from gscodec.train.codec_losses import CodecSteps, Neighbours, codec_steps, find_neighbours
from gscodec.train.colour import CameraColours
from gscodec.train.detail import CalmDetail, detail, pixels_per_unit
from gscodec.train.gaussians import Gaussians
from gscodec.train.joins import leaning
from gscodec.train.keyframe import PictureLoss, Report
from gscodec.train.motion import Nodes, bind_nodes, move
from gscodec.train.plan import Plan, make_plan
from gscodec.train.settings import TrainSettings
from gscodec.train.store import load_arrays

__all__ = ["Chain", "OnFrame", "ReportOf", "follow", "tidy", "train_gop", "unheard", "untold"]

LED = 2  # a stream of random numbers, beside that of the frame itself

OnFrame = Callable[[int, bool], None]  # (frame, whether it was there already)
ReportOf = Callable[[int], Report | None]


def untold(_: int) -> None:
    """No report."""


def unheard(_: int, there: bool) -> None:
    """Who does not ask."""


@dataclass(frozen=True)
class Chain:
    """What all following frames take from the key frame."""

    nodes: Nodes
    steps: CodecSteps
    rate: float
    neighbours: Neighbours
    colours: CameraColours | None = None

    @classmethod
    def of(
        cls,
        key: Gaussians,
        capture: Capture,
        settings: TrainSettings,
        frames: int,
        colours: CameraColours | None = None,
    ) -> Chain:
        """`frames`: of the whole clip."""
        spread = make_plan(capture.fps, settings.gop, range(frames)).base_frames
        steps, rate = codec_steps(key, capture, settings.kernel, spread, settings.device, settings.quality)
        return cls(bind_nodes(key, settings.nodes), steps, rate, find_neighbours(key), colours)


def train_gop(
    capture: Capture,
    work: Path,
    settings: TrainSettings,
    plan: Plan,
    start: int,
    report_of: ReportOf = untold,
    on_frame: OnFrame = unheard,
) -> None:
    """All frames of the GOP that begins at `start`, whose first is there; those that are there already are kept."""
    gop = plan.gop(start)
    border = gop.stop if gop.stop in plan.frames else None
    led = plan.led_over(start)
    if all(frame_path(work, frame).exists() for frame in gop):
        for frame in gop[1:]:
            on_frame(frame, True)
        tidy(work, plan, start)
        return
    key = Checkpoint.load(frame_path(work, start), settings.device)
    colours = load_colours(work, capture, settings)
    chain = Chain.of(key.gaussians, capture, settings, len(plan.frames), colours)
    last = key
    for frame in [*gop[1:], *([border] if border else [])]:
        own = frame in led or frame == border
        path = own_path(work, start, frame) if own else frame_path(work, frame)
        there = path.exists()
        if there:
            last = Checkpoint.load(path, settings.device)
        else:
            last = follow(capture, settings, chain, frame, last, report_of(frame))
            last.save(path)
        if not own:
            on_frame(frame, there)
    if border:
        _lead_over(capture, work, settings, plan, chain, start, report_of, on_frame)


def _lead_over(
    capture: Capture, work: Path, settings: TrainSettings, plan: Plan, chain: Chain, start: int, report_of: ReportOf,
    on_frame: OnFrame,
) -> None:  # fmt: skip
    """The last frames of a GOP from those of its own to the next GOP's first; see joins.py."""
    led, border = plan.led_over(start), plan.gop(start).stop

    def own(frame: int) -> Checkpoint:
        return Checkpoint.load(own_path(work, start, frame), settings.device)

    reached = own(border).gaussians
    goal = Checkpoint.load(frame_path(work, border), settings.device).gaussians
    born = torch.from_numpy(load_arrays(born_path(work, border), "a list of births")["rows"])
    for n, frame in enumerate(led):
        path = frame_path(work, frame)
        there = path.exists()
        if not there:
            share = (n + 1) / (len(led) + 1)
            before = Checkpoint.load(frame_path(work, frame - 1), settings.device).gaussians
            seed = leaning(own(frame).gaussians, reached, goal, share, born)
            rng = np.random.default_rng([settings.seed, frame, LED])
            picture_loss = PictureLoss(capture, frame, settings.kernel, rng, colours=chain.colours)
            gaussians, still = detail(
                _calm(capture, settings, chain, frame, before, seed), picture_loss, settings.detail_iterations,
                report_of(frame),
            )  # fmt: skip
            Checkpoint(gaussians, own(frame).motion, still).save(path)
        on_frame(frame, there)
    tidy(work, plan, start)


def tidy(work: Path, plan: Plan, start: int) -> None:
    """Take away what only the way to the next GOP needed."""
    border = plan.gop(start).stop
    born_path(work, border).unlink(missing_ok=True)
    for frame in (*plan.led_over(start), border):
        own_path(work, start, frame).unlink(missing_ok=True)


def _calm(
    capture: Capture, settings: TrainSettings, chain: Chain, frame: int, before: Gaussians, carried: Gaussians
) -> CalmDetail:
    pixels = pixels_per_unit(before, capture, frame)
    return CalmDetail(settings.codec, before, carried, pixels, chain.steps, chain.rate, chain.neighbours)


def follow(
    capture: Capture,
    settings: TrainSettings,
    chain: Chain,
    frame: int,
    last: Checkpoint,
    report: Report | None = None,
    small: Capture | None = None,
) -> Checkpoint:
    """The Gaussians of `frame`, the same ones in the same order as in the frame before.

    `small`: the same capture in smaller pictures, in which motion is looked for. Not detail: there the kernel's blur is
    wider in the scene, and shapes would shrink for it.
    """
    nodes, before = replace(chain.nodes, motion=last.motion), last.gaussians
    rng = np.random.default_rng([settings.seed, frame])
    picture_loss = PictureLoss(capture, frame, settings.kernel, rng, colours=chain.colours)
    motion_loss = replace(picture_loss, capture=small) if small else picture_loss
    carried = move(before, nodes, motion_loss, settings.motion_iterations, report).fixed()
    calm = _calm(capture, settings, chain, frame, before, carried)
    gaussians, still = detail(calm, picture_loss, settings.detail_iterations, report)
    return Checkpoint(gaussians, nodes.motion, still)
