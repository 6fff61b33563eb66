"""What `gscodec bench rd` measures, as data: sequences, goals, peers, codec tools. A new tool is one line here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gscodec.bench.curve import Knob
from gscodec.codec import settings as codec

__all__ = [
    "CHANGING", "CURVE_QUALITIES", "GOALS", "HEVC", "HEVC_KNOB", "HEVC_POINTS", "LOOP", "LOOP_GOAL",
    "NOISE_FLOOR", "PAYLOADS_MEASURED", "QP_KNOB", "QUALITY_KNOB", "RESPELLED", "SEAMS_GOP", "SEQUENCES",
    "SHUFFLED", "STATIC", "STATIC_GOALS", "STATIC_SHIPPED", "TOOLS", "V3", "V3_HELD", "V3_KNOWN", "V3_TOLERANCE",
    "V3_QPS", "Goal", "Tool",
]  # fmt: skip

PAYLOADS_MEASURED = ("compact", "video")


@dataclass(frozen=True, slots=True)
class Goal:
    """KB a frame at 40 dB: what a payload must reach, and what `compact` aims for."""

    compact: float
    video: float
    aim: float


GOALS = {
    "seq-wave": Goal(0.85, 1.4, 0.6),
    "seq-monkey": Goal(6.5, 11, 4.5),
    "seq-fox": Goal(15, 21, 10),
    "seq-trio": Goal(17, 22, 11),
}
SEQUENCES = tuple(GOALS)
SHUFFLED = {"seq-wave-shuffled": "seq-wave", "seq-monkey-shuffled": "seq-monkey"}  # twins with tracked rows
# Of every curve; 60 is the default, 38 is near 40 dB. `compact` reaches up to where the peers are.
CURVE_QUALITIES = {"compact": (20.0, 38.0, 60.0, 80.0), "video": (20.0, 38.0, 60.0)}
QUALITY_KNOB = Knob(db_per_step=0.25, low=0, high=100, start=45)

LOOP, CHANGING, RESPELLED = "seq-fox-loop", "seq-fox-changing", "seq-fox-respelled"  # of DERIVED
SEAMS_GOP = 10
LOOP_GOAL = Goal(14, 14, 10)

STATIC = ("guitar", "angel", "playbot")
# At the peer's PSNR: bytes a Gaussian, or a share of the peer's bytes.
STATIC_GOALS = {("guitar", "SOG"): "8.5 bytes a Gaussian", ("playbot", "SPZ"): "0.7 of the peer"}
STATIC_SHIPPED = ("playbot",)  # decoded from a SOG: its bytes are the shipped file's, no second coding

V3 = "V3-like peer"
V3_HELD = "V3-like peer, constant channels held"
HEVC = "SeqHevc-like peer"
# QP: (KB a frame, dB) of the peer's prototype; reproduced means within V3_TOLERANCE of the bytes.
V3_KNOWN: dict[str, dict[int, tuple[float, float]]] = {
    "seq-wave": {28: (13.5, 43.8), 34: (10.8, 38.6), 40: (8.1, 34.0)},
    "seq-monkey": {16: (186.8, 46.6), 24: (141.5, 40.9), 30: (114.7, 37.1)},
    "seq-fox": {16: (85.5, 41.5), 22: (67.1, 36.2), 28: (54.4, 31.5)},
    "seq-trio": {18: (73.6, 38.7), 24: (55.8, 34.2), 30: (42.0, 30.0)},
}
V3_TOLERANCE = 0.10
V3_QPS = (16, 22, 28)  # where nothing is known
NOISE_FLOOR = 1e-5  # the stronger form: channels that vary less are constant
QP_KNOB = Knob(db_per_step=-0.85, low=1, high=51, start=22, whole=True)
HEVC_POINTS = (0, 1, 2, 3)  # as published
HEVC_KNOB = Knob(db_per_step=-4.0, low=0, high=7, start=3, whole=True)


@dataclass(frozen=True, slots=True)
class Tool:
    """Encoding without something: the settings that do it, and the sequences where it can matter."""

    name: str
    off: dict[str, Any]
    where: tuple[str, ...] = SEQUENCES


# Where a tool of the codec can matter, if that is not every sequence.
WHERE = {
    "gauge": (*SEQUENCES, RESPELLED),
    "shared bases": (LOOP,),
    "births on shared bases": (CHANGING,),
}
TOOLS = (
    *(Tool(name, {"without": (name,)}, WHERE.get(name, SEQUENCES)) for name in codec.TOOLS),
    Tool("hidden Gaussians kept (dropped instead)", {"drop_hidden": True}, STATIC),
    Tool("preset balanced (fast instead)", {"preset": "fast"}),
)
