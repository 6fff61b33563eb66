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
from gscodec.train.lives import Lives
from gscodec.train.lost import Usual, usual_errors
from gscodec.train.motion import Nodes, bind_nodes, move
from gscodec.train.plan import Plan, make_plan
from gscodec.train.prune import contribution
from gscodec.train.settings import TrainSettings
from gscodec.train.spares import bear, free_slots, put, train_alone

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

    @classmethod
    def of(
        cls,
        key: Gaussians,
        capture: Capture,
        settings: TrainSettings,
        frames: int,
        start: int,
        colours: CameraColours | None = None,
    ) -> Chain:
        """`frames`: of the whole clip; `start`: that of the key."""
        spread = make_plan(capture.fps, settings.gop, range(frames)).base_frames
        steps, rate = codec_steps(key, capture, settings.kernel, spread, settings.device, settings.quality)
        usual = usual_errors(key, capture, start, settings.kernel, colours) if settings.births else None
        nodes, neighbours = bind_nodes(key, settings.nodes), find_neighbours(key)
        return cls(key, start, nodes, steps, rate, neighbours, colours, usual)

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
    for frame in plan.gop(start)[1:]:
        path = frame_path(work, frame)
        there = path.exists()
        if not there:
            if chain is None:
                key = Checkpoint.load(frame_path(work, start), settings.device)
                colours = load_colours(work, capture, settings)
                chain = Chain.of(key.gaussians, capture, settings, len(plan.frames), start, colours)
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
    done = Checkpoint(gaussians, nodes.motion, still, last.lives)
    return done if chain.usual is None else _with_births(capture, settings, chain, frame, last, carried, done)


def _calm(
    capture: Capture, settings: TrainSettings, here: Chain, frame: int, before: Gaussians, carried: Gaussians
) -> CalmDetail:
    pixels = pixels_per_unit(before, capture, frame)
    return CalmDetail(settings.codec, before, carried, pixels, here.steps, here.rate, here.neighbours)


def _with_births(
    capture: Capture, settings: TrainSettings, chain: Chain, frame: int, last: Checkpoint, carried: Gaussians,
    done: Checkpoint,
) -> Checkpoint:  # fmt: skip
    """`done`, or where its picture is lost in places, the detail stage once more from `carried` with births there.

    They are kept if much less is lost with them.
    """
    assert chain.usual is not None
    lost = chain.usual.lost(done.gaussians, capture, frame)
    if not lost.cells:
        return done
    light = (
        contribution(chain.first, capture, chain.start, settings.kernel),
        contribution(done.gaussians, capture, frame, settings.kernel),
    )
    free = free_slots(
        chain.first, done.gaussians, light, last.lives, chain.start, chain.nodes.rows, settings.gaussians
    )
    rng = np.random.default_rng([settings.seed, frame, BORN])
    born = bear(carried, last.lives, free, lost, capture, frame, rng)
    if born is None:
        return done
    picture_loss = PictureLoss(capture, frame, settings.kernel, rng, colours=chain.colours)
    seed = train_alone(born, picture_loss)
    before = put(last.gaussians, born.rows, seed.take(born.rows))
    calm = _calm(capture, settings, chain.of_slots(born.lives), frame, before, seed)
    gaussians, still = detail(calm, picture_loss, settings.detail_iterations)
    still[born.rows] = False
    if chain.usual.lost(gaussians, capture, frame).total > MENDED * lost.total:
        return done
    return Checkpoint(gaussians, done.motion, still, born.lives)
