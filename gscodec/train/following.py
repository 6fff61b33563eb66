"""The frames of a GOP after its first: each from the one before, by motion, detail and holding still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from gscodec.train.captures.model import Capture
from gscodec.train.checkpoints import Checkpoint, frame_path, load_colours
from gscodec.train.codec_losses import CodecSteps, Neighbours, codec_steps, find_neighbours
from gscodec.train.colour import CameraColours
from gscodec.train.detail import CalmDetail, detail, pixels_per_unit
from gscodec.train.gaussians import Gaussians
from gscodec.train.keyframe import PictureLoss, Report
from gscodec.train.lives import Lives
from gscodec.train.lost import Usual, usual_errors
from gscodec.train.motion import Nodes, bind_nodes, move
from gscodec.train.plan import Plan, make_plan
from gscodec.train.settings import TrainSettings
from gscodec.train.spares import Light, ReadFrame, bear, free_slots, put, train_alone

__all__ = ["Chain", "OnFrame", "ReportOf", "follow", "train_gop", "unheard", "untold"]

BORN = 1  # the stream of random numbers, beside that of the frame itself
MENDED = 0.8  # of what was lost, at most, is lost with births

OnFrame = Callable[[int, bool], None]  # (frame, whether it was there already)
ReportOf = Callable[[int], Report | None]


def untold(_: int) -> None:
    """No report."""


def unheard(_: int, there: bool) -> None:
    """Who does not ask."""


@dataclass(frozen=True)
class Chain:
    """What all following frames take from the key frame."""

    first: Gaussians
    start: int  # the frame of the first
    nodes: Nodes
    steps: CodecSteps
    rate: float
    neighbours: Neighbours
    colours: CameraColours | None = None
    usual: Usual | None = None  # None: nothing is born
    light: Light | None = None  # there with `usual`
    past: ReadFrame | None = None  # the frames up to now, where they are shown

    @classmethod
    def of(
        cls,
        key: Gaussians,
        capture: Capture,
        settings: TrainSettings,
        frames: int,
        start: int,
        colours: CameraColours | None = None,
        past: ReadFrame | None = None,
    ) -> Chain:
        """`frames`: of the whole clip; `start`: that of the key; `past` reads those that are done."""
        spread = make_plan(capture.fps, settings.gop, range(frames)).base_frames
        steps, rate = codec_steps(key, capture, settings.kernel, spread, settings.device, settings.quality)
        usual = usual_errors(key, capture, start, settings.kernel, colours) if settings.births else None
        light = Light(key, capture, start, settings.kernel) if settings.births else None
        nodes, neighbours = bind_nodes(key, settings.nodes), find_neighbours(key)
        return cls(key, start, nodes, steps, rate, neighbours, colours, usual, light, past)

    def of_slots(self, lives: Lives) -> Chain:
        """For the slots of a later frame."""
        rows = lives.beside.to(self.first.means.device)
        return replace(
            self,
            nodes=self.nodes.take(rows),
            steps=self.steps.take(rows),
            neighbours=self.neighbours.take(rows),
        )


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

    def past(frame: int) -> Gaussians:
        return Checkpoint.load(frame_path(work, frame), settings.device).gaussians

    for frame in plan.gop(start)[1:]:
        path = frame_path(work, frame)
        there = path.exists()
        if not there:
            if chain is None:
                key = Checkpoint.load(frame_path(work, start), settings.device)
                colours = load_colours(work, capture, settings)
                chain = Chain.of(key.gaussians, capture, settings, len(plan.frames), start, colours, past)
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
    """The Gaussians of `frame`, the same ones in the same order as in the frame before, and those that are born.

    `small`: the same capture in smaller pictures, in which motion is looked for. Not detail: there the kernel's blur is
    wider in the scene, and shapes would shrink for it.
    """
    here, before = chain.of_slots(last.lives), last.gaussians
    nodes = replace(here.nodes, motion=last.motion)
    rng = np.random.default_rng([settings.seed, frame])
    picture_loss = PictureLoss(capture, frame, settings.kernel, rng, colours=chain.colours)
    motion_loss = replace(picture_loss, capture=small) if small else picture_loss
    carried = move(before, nodes, motion_loss, settings.motion_iterations, report).fixed()
    calm = _calm(capture, settings, here, frame, before, carried)
    gaussians, still = detail(calm, picture_loss, settings.detail_iterations, report)
    done = Checkpoint(gaussians, nodes.motion, still, last.lives, last.failed)
    if chain.usual is None:
        return done
    return _with_births(capture, settings, chain, frame, last, carried, done, report)


def _calm(
    capture: Capture, settings: TrainSettings, here: Chain, frame: int, before: Gaussians, carried: Gaussians
) -> CalmDetail:
    pixels = pixels_per_unit(before, capture, frame)
    return CalmDetail(settings.codec, before, carried, pixels, here.steps, here.rate, here.neighbours)


def _with_births(
    capture: Capture, settings: TrainSettings, chain: Chain, frame: int, last: Checkpoint, carried: Gaussians,
    done: Checkpoint, report: Report | None,
) -> Checkpoint:  # fmt: skip
    """`done`, or where its picture is lost in places, the detail stage once more from `carried` with births there.

    They are kept if much less is lost with them; if not, nobody tries there again in this GOP until more is lost.
    """
    assert chain.usual is not None and chain.light is not None
    lost = chain.usual.lost(done.gaussians, capture, frame, last.failed)
    if not lost.cells:
        return done
    told = (lambda _, loss: report(0, loss)) if report else None  # the plan counts none of these steps
    idle = chain.light.idle(done.gaussians, last.lives, frame, chain.past)
    free = free_slots(chain.first, done.gaussians, idle, chain.nodes.rows, settings.gaussians)
    rng = np.random.default_rng([settings.seed, frame, BORN])
    born = bear(carried, last.lives, free, lost, capture, frame, rng)
    unmended = replace(done, failed=_worst(last.failed, lost.cells))
    if born is None:
        return unmended
    picture_loss = PictureLoss(capture, frame, settings.kernel, rng, colours=chain.colours)
    seed = train_alone(born, picture_loss, told)
    before = put(last.gaussians, born.rows, seed.take(born.rows))
    calm = _calm(capture, settings, chain.of_slots(born.lives), frame, before, seed)
    gaussians, still = detail(calm, picture_loss, settings.detail_iterations, told)
    still[born.rows] = False
    if chain.usual.lost(gaussians, capture, frame, last.failed).total > MENDED * lost.total:
        return unmended
    return Checkpoint(gaussians, done.motion, still, born.lives, last.failed)


def _worst(failed: dict[int, torch.Tensor], cells: dict[int, torch.Tensor]) -> dict[int, torch.Tensor]:
    """By view, the larger of both in each cell."""
    both = {view: torch.maximum(failed[view], cells[view].cpu()) for view in failed.keys() & cells.keys()}
    return dict(sorted((failed | {view: one.cpu() for view, one in cells.items()} | both).items()))
