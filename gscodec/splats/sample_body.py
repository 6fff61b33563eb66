"""The demo's dancer: round parts on a skeleton, and the skeleton's pose at any moment of the loop.

Figure axes: x forward, y up, z to the figure's right; metres; the feet stand at y = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["BONES", "Bone", "Pose", "pose"]

F64 = npt.NDArray[np.float64]
Rgb = tuple[float, float, float]

TEAL: Rgb = (0.05, 0.50, 0.52)
CREAM: Rgb = (0.98, 0.84, 0.60)
CORAL: Rgb = (0.90, 0.16, 0.10)
GOLD: Rgb = (1.00, 0.66, 0.08)
INK: Rgb = (0.02, 0.02, 0.04)
WHITE: Rgb = (1.0, 1.0, 1.0)
LEMON: Rgb = (1.0, 0.95, 0.45)

UPPER, LOWER = 0.20, 0.20  # arm
THIGH, SHIN = 0.22, 0.22
HIP, SHOULDER = 0.095, 0.175  # half widths
N_TAIL = 5  # pieces of the scarf's end


@dataclass(frozen=True, slots=True)
class Bone:
    """A capsule between two spheres, its axis along z, squashed across; or a ring around z where `ring` is set."""

    name: str
    length: float
    r0: float
    r1: float
    color: Rgb
    second: Rgb | None = None  # of the pattern
    pattern: str = ""  # stripes | belly | face
    gloss: float = 0.3
    glow: float = 0.0
    squash: tuple[float, float] = (1.0, 1.0)
    ring: float = 0.0  # radius of the ring; r0 is then its thickness


def _limb(side: str) -> list[Bone]:
    return [
        Bone(f"upper arm {side}", UPPER, 0.058, 0.050, TEAL, gloss=0.35),
        Bone(f"forearm {side}", LOWER, 0.050, 0.046, TEAL, CREAM, "stripes", gloss=0.35),
        Bone(f"hand {side}", 0.03, 0.066, 0.058, CORAL, gloss=0.5),
        Bone(f"thigh {side}", THIGH, 0.082, 0.066, TEAL, gloss=0.35),
        Bone(f"shin {side}", SHIN, 0.064, 0.060, TEAL, CREAM, "stripes", gloss=0.35),
        Bone(f"boot {side}", 0.13, 0.078, 0.070, CORAL, gloss=0.7),
        Bone(f"eye {side}", 0.035, 0.043, 0.043, INK, gloss=1.0),
        Bone(f"glint {side}", 0.0, 0.013, 0.013, WHITE, glow=0.8),
        Bone(f"feeler {side}", 0.17, 0.017, 0.012, TEAL, gloss=0.2),
        Bone(f"bulb {side}", 0.0, 0.042, 0.042, LEMON, gloss=0.6, glow=0.75),
    ]


BONES: tuple[Bone, ...] = (
    Bone("torso", 0.24, 0.185, 0.130, TEAL, CREAM, "belly", squash=(0.92, 1.0)),
    Bone("head", 0.07, 0.235, 0.215, TEAL, CREAM, "face", gloss=0.45, squash=(0.95, 1.08)),
    Bone("scarf", 0.0, 0.052, 0.052, GOLD, gloss=0.15, ring=0.125),
    *(
        Bone(f"tail {i}", 0.10, 0.054 - 0.003 * i, 0.051 - 0.003 * i, CORAL if i == N_TAIL - 1 else GOLD,
             gloss=0.15, squash=(0.42, 1.15))
        for i in range(N_TAIL)
    ),
    *_limb("left"),
    *_limb("right"),
)  # fmt: skip
_PLACE = {bone.name: i for i, bone in enumerate(BONES)}


@dataclass(frozen=True, slots=True)
class Pose:
    """Where each bone of BONES is: its first end, and its axes as columns (x, y across, z along)."""

    origins: F64  # (B, 3)
    axes: F64  # (B, 3, 3)


def pose(beat: float, turn: float) -> Pose:
    """The pose at angle `beat` (2 pi: one beat; the dance repeats after two) and `turn` (2 pi: the whole loop)."""
    figure = _Figure()
    half = beat / 2
    hip = np.array([0.0, 0.50 + 0.028 * math.cos(beat), 0.060 * math.sin(half)])
    spine = _unit(np.array([0.06 * math.sin(beat), 1.0, -0.20 * math.sin(half)]))
    chest = hip + 0.26 * spine
    figure.put("torso", hip + 0.03 * spine, spine, np.array([1.0, 0.0, 0.18 * math.sin(half)]))
    neck = hip + 0.40 * spine
    figure.put("scarf", neck, spine, np.array([1.0, 0.0, 0.0]))
    _put_tail(figure, neck - 0.13 * np.array([1.0, 0.0, 0.0]) + 0.04 * np.array([0.0, 0.0, 1.0]), beat)
    _put_head(figure, neck + 0.19 * spine, beat)
    for side, sign in (("left", -1.0), ("right", 1.0)):
        _put_leg(figure, side, sign, hip, half)
        _put_arm(figure, side, sign, chest, beat, turn)
    angle = 0.55 * math.sin(turn)
    c, s = math.cos(angle), math.sin(angle)
    yaw = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    return Pose(figure.origins @ yaw.T, np.matmul(yaw, figure.axes))


class _Figure:
    def __init__(self) -> None:
        self.origins = np.zeros((len(BONES), 3))
        self.axes = np.tile(np.eye(3), (len(BONES), 1, 1))

    def put(self, name: str, origin: F64, along: F64, forward: F64) -> None:
        """Place a bone; its x axis is `forward` made square to `along`."""
        z = _unit(along)
        x = _unit(forward - z * (forward @ z))
        self.origins[_PLACE[name]] = origin
        self.axes[_PLACE[name]] = np.stack([x, np.cross(z, x), z], axis=1)


def _unit(v: F64) -> F64:
    return np.asarray(v / np.linalg.norm(v))


def _knee(root: F64, target: F64, first: float, second: float, pole: F64) -> tuple[F64, F64]:
    """Joint and end of two links from `root` towards `target`, bent towards `pole` (law of cosines)."""
    reach = float(np.linalg.norm(target - root))
    d = min(reach, 0.985 * (first + second))
    way = (target - root) / reach
    along = (first**2 - second**2 + d**2) / (2 * d)
    side = _unit(pole - way * (pole @ way))
    joint = root + way * along + side * math.sqrt(max(first**2 - along**2, 0.0))
    return joint, root + way * d


def _put_leg(figure: _Figure, side: str, sign: float, hip: F64, half: float) -> None:
    lift = 0.13 * max(-sign * math.sin(half), 0.0) ** 2
    ankle = np.array([0.02 + 0.45 * lift, 0.085 + lift, sign * (0.125 + 0.25 * lift)])
    root = hip + np.array([0.0, -0.03, sign * HIP])
    forward = np.array([1.0, 0.0, 0.25 * sign])
    knee, ankle = _knee(root, ankle, THIGH, SHIN, forward)
    figure.put(f"thigh {side}", root, knee - root, forward)
    figure.put(f"shin {side}", knee, ankle - knee, forward)
    toe = np.array([1.0, -0.12 - 4.0 * lift, 0.22 * sign])
    figure.put(
        f"boot {side}", ankle - 0.005 * toe - np.array([0.0, 0.008, 0.0]), toe, np.array([0.0, 1.0, 0.0])
    )


def _put_arm(figure: _Figure, side: str, sign: float, chest: F64, beat: float, turn: float) -> None:
    root = chest + np.array([0.0, 0.05, sign * SHOULDER])
    high = sign * math.sin(beat / 2)
    hand = root + np.array(
        [
            0.13 + 0.05 * math.cos(beat),
            0.05 + 0.24 * high + 0.03 * math.sin(turn),
            sign * (0.27 - 0.05 * high),
        ]
    )
    elbow, wrist = _knee(root, hand, UPPER, LOWER, np.array([-0.4, -0.8, 0.5 * sign]))
    forward = np.array([1.0, 0.3, 0.0])
    figure.put(f"upper arm {side}", root, elbow - root, forward)
    figure.put(f"forearm {side}", elbow, wrist - elbow, forward)
    figure.put(f"hand {side}", wrist, wrist - elbow, forward)


def _put_head(figure: _Figure, centre: F64, beat: float) -> None:
    roll = 0.20 * math.sin(beat / 2 + 0.5)
    nod = 0.10 * math.sin(beat + 0.9)
    up = _unit(np.array([nod, 1.0, -roll]))
    figure.put("head", centre, up, np.array([1.0, 0.0, 0.0]))
    axes = figure.axes[_PLACE["head"]]
    x, z = axes[:, 0], axes[:, 2]
    right = -axes[:, 1]
    for side, sign in (("left", -1.0), ("right", 1.0)):
        out = _unit(0.93 * x + 0.36 * sign * right)
        eye = centre + 0.194 * out + 0.010 * z
        figure.put(f"eye {side}", eye, z, out)
        figure.put(f"glint {side}", eye + (0.0385 + 0.0035 * sign) * out + 0.038 * z - 0.012 * right, z, out)
        lag = 0.22 * math.sin(beat / 2 - 0.9)
        tilt = _unit(z + 0.42 * sign * right + 0.16 * math.sin(beat - 1.2) * x - lag * right)
        foot = centre + 0.255 * z + 0.085 * sign * right
        figure.put(f"feeler {side}", foot, tilt, x)
        figure.put(f"bulb {side}", foot + 0.20 * tilt, tilt, x)


def _put_tail(figure: _Figure, start: F64, beat: float) -> None:
    """The scarf's end: a chain in which each piece repeats its forerunner's swing a little later."""
    for i in range(N_TAIL):
        swing = 0.10 + 0.10 * i
        way = _unit(
            np.array([
                -0.75 + swing * math.sin(beat - 0.7 * i),
                -0.55 + 0.12 * i + 0.6 * swing * math.cos(beat - 0.7 * i),
                0.15 + swing * math.sin(beat / 2 - 0.5 * i),
            ])
        )  # fmt: skip
        figure.put(f"tail {i}", start, way, np.array([0.3, 1.0, 0.0]))
        start = start + 0.095 * way
