"""What all steps of an encode share: the tracks in slot order, the model being filled, what is decoded so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from gscodec.base.jit import njit
from gscodec.codec.decoder import part_motion
from gscodec.codec.entropy.neighbours import Neighbours
from gscodec.codec.model import rotation
from gscodec.codec.model.channels import GROUPS
from gscodec.codec.model.motion import Motion
from gscodec.codec.model.steps import Steps
from gscodec.codec.model.tracks import Tracks
from gscodec.codec.planes import (
    Planes,
    empty_planes,
    shared_planes,
)
from gscodec.codec.segment import (
    Model,
)

__all__ = ["EncodedGop", "Quantised", "Residuals", "Tools", "Writer", "canonical_quats", "refinement"]

SMOOTH = 0.02  # mean of what neighbours leave, in steps, under which a finer channel costs next to nothing
SMOOTH_REFINEMENT = 8


@dataclass(frozen=True, slots=True)
class Tools:
    """What the payload is made with."""

    video: bool = True
    preset: str = "balanced"
    gain: int = 6
    qp: int = 18
    device: str = "cpu"
    without: tuple[str, ...] = ()  # of settings.TOOLS: those that are the encoder's


@dataclass
class Residuals:
    """What the entropy coder writes of N slots beside what the planes hold, all int64."""

    keys: np.ndarray  # (N,) of the partition, sorted
    classes: np.ndarray  # (6, N) class corrections by group
    base: np.ndarray  # (C, N)
    coefs: list[np.ndarray] = field(default_factory=list)  # by channel (N, m) of mode 1
    lasts: list[np.ndarray] = field(default_factory=list)  # by channel (N,)
    explicit: list[np.ndarray] = field(default_factory=list)  # by group, the integers of an explicit basis
    overflow: np.ndarray | None = None  # (3, n): plane, slot, value of what video levels can't hold


@dataclass(frozen=True, slots=True)
class Quantised:
    """A GOP as integers: what a decoder will have of it (planes), and all that is still to be entropy-coded."""

    planes: Planes
    rows: np.ndarray  # (N,) row of the given tracks in each slot
    residuals: Residuals
    video: bytes  # the VIDEO section


@dataclass
class EncodedGop:
    """A segment and where its bytes went."""

    payload: bytes
    planes: Planes
    rows: np.ndarray  # (N,) row of the given tracks in each slot
    bytes_by: dict[str, int]


class Writer:
    """State of one encode: tracks in slot order, the model being filled, decoded planes."""

    def __init__(self, tracks: Tracks, steps: Steps, tools: Tools, base: Planes | None) -> None:
        self.tools = tools
        self.rows = np.arange(tracks.slots)
        self.model = Model(tracks.frames, tracks.slots, tracks.sh_degree, parts=tracks.parts)
        self.model.soft = tracks.soft
        self.model.base_unit, self.model.coef_unit = steps.base_unit.copy(), steps.coef_unit.copy()
        if base is None:
            self.planes = empty_planes(self.model)
        else:
            self.model.shared = True
            self.planes = shared_planes(self.model, base)
        self.tracks, self.steps = tracks, steps
        slots, channels = self.model.slots, self.model.channels
        self.residuals = Residuals(
            np.zeros(slots, np.int64), np.zeros((GROUPS, slots), np.int64), np.zeros((channels, slots), np.int64)
        )  # fmt: skip
        self.video = b""

    @cached_property
    def motion(self) -> Motion | None:
        """The decoded motion of the parts, once slots have their places and the parts theirs."""
        return part_motion(self.planes)

    @property
    def nb(self) -> Neighbours:
        assert self.planes.neighbours is not None
        return self.planes.neighbours


def canonical_quats(w: Writer) -> np.ndarray:
    """(T, N, 4): rotations with the decoded parts' turns taken out."""
    if w.motion is None:
        return w.tracks.quats
    return rotation.multiply(rotation.conjugate(w.motion.turns()), w.tracks.quats)


@njit
def _is_smooth(index, weight, count, total, step, y, limit):
    """Whether what neighbours leave of y (N, M), in units of each slot's step, is on the mean over slots under the limit in
    every column."""
    n, m = y.shape
    left = np.zeros(m)
    for i in range(n):
        if count[i] == 0:
            continue
        for j in range(m):
            s = 0.0
            for k in range(count[i]):
                s += weight[i, k] * y[index[i, k], j]
            left[j] += abs(y[i, j] - s / total[i]) / step[i]
            if left[j] >= limit * n:
                return False
    return True


def refinement(w: Writer, y: np.ndarray, c: int, g: int) -> int:
    """How much finer a channel's step may be for next to nothing: where neighbours tell a slot's values (N, M) to well
    under a step, quantisation errors would all lean one way, and a uniform tint is what people see."""
    if "finer smooth channels" in w.tools.without:
        return 1
    steps = 2.0 ** w.planes.step_classes(c, g)
    return SMOOTH_REFINEMENT if _is_smooth(*w.nb[:4], steps, np.ascontiguousarray(y), SMOOTH) else 1
