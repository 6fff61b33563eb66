"""How a clip is cut into GOPs that train on their own. No torch here: the command line counts the steps.

A later GOP starts from a seed of the chain pass (chainpass.py). Slots are used again only where one starts, for a
Gaussian that is born or dies costs the encoder a new base, which is there for eight of its GOPs: so by default a GOP of
training is as long as a base lasts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from gscodec.codec.pipeline import SHARED_GOPS, gop_length
from gscodec.codec.settings import EncodeSettings
from gscodec.train.settings import TrainSettings

__all__ = ["Plan", "chain_settings", "make_plan", "refine_iterations"]

CHAIN_SHARE = 0.25  # of a following frame's iterations
REFINED = 8  # times a following frame's detail iterations; with 4 a border costs 0.4 dB more (capture-fox)


@dataclass(frozen=True)
class Plan:
    """`length` frames a GOP (the last one may have fewer), a multiple of the `spread` frames of the encoder's GOPs."""

    frames: range
    length: int
    spread: int

    @property
    def starts(self) -> list[int]:
        """First frames of the GOPs."""
        return list(self.frames[:: self.length])

    def gop(self, start: int) -> range:
        """The frames of the GOP that begins at `start`."""
        return range(start, min(start + self.length, self.frames.stop))

    def start_of(self, frame: int) -> int:
        """First frame of the GOP that `frame` is in."""
        return frame - (frame - self.frames.start) % self.length

    @property
    def base_frames(self) -> int:
        """Frames over which the encoder spreads a base."""
        return max(1, min(self.spread, len(self.frames)))

    def frame_steps(self, frame: int, settings: TrainSettings) -> int:
        """Iterations of a frame; the first one of a later GOP with those of the chain pass up to there."""
        if frame == self.frames.start:
            return settings.steps(following=False)
        if frame != self.start_of(frame):
            return settings.steps(following=True)
        return self.length * chain_settings(settings).steps(following=True) + refine_iterations(settings)

    def steps(self, settings: TrainSettings) -> int:
        """Iterations of the whole clip."""
        return sum(self.frame_steps(frame, settings) for frame in self.frames)


def chain_settings(settings: TrainSettings) -> TrainSettings:
    """Of the chain pass."""
    return replace(
        settings,
        motion_iterations=math.ceil(CHAIN_SHARE * settings.motion_iterations),
        detail_iterations=math.ceil(CHAIN_SHARE * settings.detail_iterations),
    )


def refine_iterations(settings: TrainSettings) -> int:
    """Of the first frame of a later GOP, from its seed."""
    return REFINED * settings.detail_iterations


def make_plan(fps: float, gop: int, frames: range) -> Plan:
    """`gop` frames a GOP, 0: as long as the encoder keeps a base.

    Rounded up to whole GOPs of the encoder, which are a second long at most and all alike: borders fall together.
    """
    second = gop_length(EncodeSettings(), fps)
    if not gop:
        return Plan(frames, SHARED_GOPS * second, second)
    pieces = math.ceil(gop / second)
    spread = math.ceil(gop / pieces)
    return Plan(frames, pieces * spread, spread)
