"""The chain pass: quickly through the whole clip, so that each later GOP has a first frame and can train on its own.

Frames follow each other as they do within a GOP, in a quarter of the iterations, motion in pictures of half the size.
Where a GOP begins, idle slots are used again, and a longer detail stage, held to the first frame of the GOP before,
makes the frame a key.
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree

from gscodec.train.births import reuse_slots
from gscodec.train.captures.half import halved
from gscodec.train.captures.model import Capture
from gscodec.train.checkpoints import Checkpoint, frame_path, load_colours
from gscodec.train.codec_losses import codec_steps, find_neighbours
from gscodec.train.colour import CameraColours
from gscodec.train.detail import CalmDetail, detail, pixels_per_unit
from gscodec.train.following import Chain, OnFrame, ReportOf, follow, unheard, untold
from gscodec.train.gaussians import Gaussians
from gscodec.train.keyframe import PictureLoss, Report
from gscodec.train.lead import Past, shifted
from gscodec.train.lives import Lives
from gscodec.train.motion import bind_nodes, node_motion
from gscodec.train.plan import Plan, chain_settings, refine_iterations
from gscodec.train.settings import TrainSettings

__all__ = ["chain_pass"]

REFINED = 1  # the stream of random numbers, beside that of the frame itself


def chain_pass(
    capture: Capture,
    work: Path,
    settings: TrainSettings,
    plan: Plan,
    report_of: ReportOf = untold,
    on_frame: OnFrame = unheard,
) -> None:
    """The first frames of all GOPs but the clip's first, which is there. A killed pass goes on from its last frame."""
    small = halved(capture)
    for begin, start in pairwise(plan.starts):
        path = frame_path(work, start)
        there = path.exists()
        if not there:
            key = Checkpoint.load(frame_path(work, begin), settings.device)
            before, carried = _carry(
                capture, small, work, settings, plan, key, range(begin, start), report_of
            )
            report = report_of(start)
            _refine(
                capture, work, settings, plan, range(begin, start + 1), key, before, carried, report
            ).save(path)
        for state in _states(work):
            if _frame_of(state) < start:
                state.unlink()
        on_frame(start, there)


def _states(work: Path) -> list[Path]:
    """Where the pass has come to, the latest last."""
    return sorted(work.glob("chain_*.npz"))


def _frame_of(state: Path) -> int:
    return int(state.stem.split("_")[1])


def _carry(
    capture: Capture, small: Capture, work: Path, settings: TrainSettings, plan: Plan, key: Checkpoint, gop: range,
    report_of: ReportOf,
) -> tuple[Checkpoint, Checkpoint]:  # fmt: skip
    """The first frame of a GOP carried to its last, and to the frame after that."""
    quick, colours = chain_settings(settings), load_colours(work, capture, settings)
    chain = Chain.of(key.gaussians, capture, quick, len(plan.frames), gop.start, colours)
    at, last = gop.start, key
    for state in _states(work):
        if _frame_of(state) in gop:
            at, last = _frame_of(state), Checkpoint.load(state, settings.device)
    if at > gop.start and (report := report_of(at)):
        report((at - gop.start) * quick.steps(following=True), math.nan)

    def carried_to(frame: int) -> Checkpoint:
        return follow(capture, quick, chain, frame, last, report_of(frame), small)

    for frame in range(at + 1, gop.stop):
        last = carried_to(frame)
        last.save(work / f"chain_{frame:05d}.npz")
        for state in _states(work)[:-1]:
            state.unlink()
    return last, carried_to(gop.stop)


def _refine(
    capture: Capture, work: Path, settings: TrainSettings, plan: Plan, way: range, key: Checkpoint,
    before: Checkpoint, carried: Checkpoint, report: Report | None,
) -> Checkpoint:  # fmt: skip
    """The first frame of a GOP, the last of `way`, from where the chain has brought `key`, the first of `way`.

    Refined until it shows the training views as well as `key` showed its own: what a capture's frames are short of
    everywhere, a longer look at one of them would mend at once, and that shows as a jump.
    """
    start = way[-1]
    generator = torch.Generator().manual_seed(settings.seed + start)
    seed, *reused = reuse_slots(carried.gaussians, capture, start, settings.kernel, generator)
    born, beside = (rows.cpu() for rows in reused)
    lives = carried.lives
    where = _moving_as(lives, start, carried.gaussians)
    where[born] = where[beside]  # a slot that is born moves as the one beside it
    came, went = before.gaussians.take(where), carried.gaussians.take(where)
    held = key.gaussians.take(lives.beside)
    other = torch.unique(torch.cat([born, torch.nonzero(lives.born > way[0])[:, 0]]))
    for name, tensor in held.tensors().items():
        tensor[other] = getattr(seed, name)[other]
    steps, rate = codec_steps(
        seed, capture, settings.kernel, plan.base_frames, settings.device, settings.quality
    )
    calm = CalmDetail(
        settings.codec, held, seed, pixels_per_unit(seed, capture, start), steps, rate, find_neighbours(seed)
    )
    rng = np.random.default_rng([settings.seed, start, REFINED])
    colours = load_colours(work, capture, settings)
    picture_loss = PictureLoss(capture, start, settings.kernel, rng, colours=colours)
    goal = _shown_loss(capture, settings, way[0], key.gaussians, colours)
    gaussians, still = detail(
        calm, picture_loss, refine_iterations(settings), report, every=settings.detail_iterations,
        enough=lambda now: _shown_loss(capture, settings, start, now, colours) <= goal,
    )  # fmt: skip
    motion = node_motion(bind_nodes(gaussians, settings.nodes), came, went)
    lasting = torch.ones(len(still), dtype=torch.bool)
    lasting[other] = False
    rows = torch.nonzero(lasting)[:, 0]
    past = shifted(before.gaussians.take(rows), seed.take(rows), gaussians.take(rows), 1.0)
    return Checkpoint(gaussians, motion, still, Lives.of_first(len(still), start), past=Past(rows, past))


def _moving_as(lives: Lives, frame: int, gaussians: Gaussians) -> torch.Tensor:
    """(N,) the slot that tells how each has come to `frame`: itself, or beside which it was born there.

    Where that one was born there too, it has come from nowhere: then the nearest one that has not.
    """
    where = torch.arange(len(lives.born))
    is_new = lives.born == frame
    new = torch.nonzero(is_new)[:, 0]
    where[new] = lives.beside[new]
    astray = new[is_new[where[new]]]
    if len(astray):
        others, means = torch.nonzero(~is_new)[:, 0], gaussians.means.cpu().numpy()
        where[astray] = others[cKDTree(means[others]).query(means[astray])[1]]
    return where


def _shown_loss(
    capture: Capture, settings: TrainSettings, frame: int, gaussians: Gaussians, colours: CameraColours | None
) -> float:
    """The photometric loss of a frame, mean over the training views."""
    rng = np.random.default_rng(settings.seed)  # black and white behind the views: alike for all frames
    look = PictureLoss(capture, frame, settings.kernel, rng, colours=colours)
    views = sum(capture.views[view].has(frame) for view in capture.train_views)
    with torch.no_grad():
        return float(np.mean([float(look(gaussians)) for _ in range(views)]))
