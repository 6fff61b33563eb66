"""The frames of a GOP after its first: each from the one before, by motion, detail and holding still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gscodec.train.captures.model import Capture
from gscodec.train.checkpoints import Checkpoint, frame_path, load_colours
from gscodec.train.codec_losses import CodecSteps, Neighbours, codec_steps, find_neighbours
from gscodec.train.colour import CameraColours
from gscodec.train.detail import CalmDetail, detail, pixels_per_unit
from gscodec.train.gaussians import Gaussians
from gscodec.train.keyframe import PictureLoss, Report
from gscodec.train.motion import Nodes, bind_nodes, move
from gscodec.train.plan import Plan, make_plan
from gscodec.train.settings import TrainSettings

__all__ = ["Chain", "OnFrame", "ReportOf", "follow", "train_gop", "unheard", "untold"]

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
    chain: Chain | None = None
    for frame in plan.gop(start)[1:]:
        path = frame_path(work, frame)
        there = path.exists()
        if not there:
            if chain is None:
                key = Checkpoint.load(frame_path(work, start), settings.device)
                colours = load_colours(work, capture, settings)
                chain = Chain.of(key.gaussians, capture, settings, len(plan.frames), colours)
            before = Checkpoint.load(frame_path(work, frame - 1), settings.device)
            follow(capture, settings, chain, frame, before, report_of(frame)).save(path)
        on_frame(frame, there)


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
    calm = CalmDetail(
        settings.codec, before, carried, pixels_per_unit(before, capture, frame), chain.steps, chain.rate,
        chain.neighbours,
    )  # fmt: skip
    gaussians, still = detail(calm, picture_loss, settings.detail_iterations, report)
    return Checkpoint(gaussians, nodes.motion, still)
