"""The demo: a little dancer of soft capsules on a stage, under lights that change colour; made by formula, any size.

Tracked, loops seamlessly (every motion is periodic in the whole length), and the stage keeps its bits. Redistributable
like the rest of this project. Units: metres; up is +Y.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gscodec.base.errors import Misuse
from gscodec.base.limits import MAX_SLOTS
from gscodec.splats.formats.ply import write_ply
from gscodec.splats.model import Splats
from gscodec.splats.sample_body import pose
from gscodec.splats.sample_surface import Surface, make_dancer, make_stage

__all__ = ["SampleSequence", "make_sample", "write_sample"]

F64 = npt.NDArray[np.float64]

UP = (0.0, 1.0, 0.0)
SH_C0 = 0.28209479177387814  # Y_0^0
SH_C1 = 0.4886025119029199  # of the three functions of degree 1
COVER = 0.65  # standard deviation of a Gaussian over the mean distance of its neighbours: no holes, no blur
OPACITY = 0.97
FLAT = 0.16  # thickness of a Gaussian over its width
STAGE_SHARE = 0.36  # of the Gaussians
BEATS_PER_SECOND = 2.0
TURN_SECONDS = 4.0
MIN_GAUSSIANS = 200


class SampleSequence:
    """A SplatSequence computed frame by frame."""

    def __init__(self, frames: int, gaussians: int, seed: int, fps: float) -> None:
        if frames < 1 or not MIN_GAUSSIANS <= gaussians <= MAX_SLOTS or not 0 < fps <= 1000:
            raise Misuse(
                f"a sample has 1 frame or more, {MIN_GAUSSIANS} to {MAX_SLOTS} Gaussians and up to 1000 frames a second",
                frames=frames,
                gaussians=gaussians,
                fps=fps,
            )
        self.fps = float(fps)
        self.up = UP
        self._frames = frames
        rng = np.random.default_rng(seed)
        n_stage = int(STAGE_SHARE * gaussians)
        self._dancer = make_dancer(gaussians - n_stage, rng)
        self._stage = _finish(make_stage(n_stage, rng))
        seconds = frames / fps
        self._turns = max(1, round(seconds / TURN_SECONDS))
        self._beats = 2 * max(1, round(seconds * BEATS_PER_SECOND / 2))  # the dance repeats after two

    @property
    def names(self) -> list[str]:
        return [f"sample frame {i}" for i in range(self._frames)]

    def __len__(self) -> int:
        return self._frames

    def __iter__(self) -> Iterator[Splats]:
        return (self[i] for i in range(self._frames))

    def __getitem__(self, index: int) -> Splats:
        if not -self._frames <= index < self._frames:
            raise IndexError(index)
        phase = 2 * math.pi * (index % self._frames) / self._frames
        dancer = _finish(_posed(self._dancer, phase * self._beats, phase * self._turns), phase * self._turns)
        parts = (self._stage, dancer)
        return Splats(
            means=np.concatenate([part.means for part in parts]),
            quats=np.concatenate([part.quats for part in parts]),
            scales=np.concatenate([part.scales for part in parts]),
            opacities=np.concatenate([part.opacities for part in parts]),
            sh=np.concatenate([part.sh for part in parts]),
            up=UP,
        )


def make_sample(
    frames: int = 120, gaussians: int = 40000, seed: int = 0, fps: float = 30.0
) -> SampleSequence:
    """The demo sequence, SH of degree 1. Raises Misuse for impossible sizes."""
    return SampleSequence(frames, gaussians, seed, fps)


def write_sample(
    folder: str | Path,
    frames: int = 120,
    gaussians: int = 40000,
    seed: int = 0,
    fps: float = 30.0,
    *,
    force: bool = False,
) -> Iterator[int]:
    """Write frame_0000.ply ... and scene.json; yields the number of frames done after each.

    The folder appears by rename once all is written; nothing is left where the caller stops earlier. Raises Misuse
    for impossible sizes, and where `folder` holds an older sample, unless `force`, or anything else.
    """
    sequence = make_sample(frames, gaussians, seed, fps)
    out = Path(folder)
    _check_output(out, force)
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        scene = {"up": list(UP), "fps": fps, "zone": {"cameras": _zone()}}
        (part / "scene.json").write_text(json.dumps(scene))
        for i, frame in enumerate(sequence):
            write_ply(part / f"frame_{i:04d}.ply", frame)
            if i + 1 < frames:
                yield i + 1
        if out.is_dir():
            shutil.rmtree(out)
        os.replace(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    yield frames


def _check_output(out: Path, force: bool) -> None:
    """Raises Misuse where `out` must be kept: never are files replaced that are no sample's."""
    if not out.exists():
        return
    names = [path.name for path in out.iterdir()] if out.is_dir() else [out.name]
    if not out.is_dir() or any(name != "scene.json" and not fnmatch(name, "frame_*.ply") for name in names):
        raise Misuse("exists already and holds other files than a sample's", output=str(out))
    if names and not force:
        raise Misuse("exists already; --force replaces it", output=str(out))


def _posed(dancer: Surface, beat: float, turn: float) -> Surface:
    """The dancer's surface in the world. Axes (N, 3, 3): columns, the last along the normal."""
    now = pose(beat, turn)
    axes = now.axes[dancer.bone]
    return replace(
        dancer,
        points=np.matmul(axes, dancer.points[:, :, None])[:, :, 0] + now.origins[dancer.bone],
        axes=np.matmul(axes, dancer.axes),
    )


def _finish(surface: Surface, turn: float = 0.0) -> Splats:
    """Flat Gaussians on the surface, with the light of the moment `turn` baked into their colours."""
    width = COVER * surface.size
    color, sheen = _shade(surface, turn)
    sh = np.zeros((len(color), 4, 3))
    sh[:, 0] = (color - 0.5) / SH_C0
    # INRIA's degree 1 is C1 (-y s1 + z s2 - x s3) of the direction d from the camera; wanted is -d . sheen.
    sh[:, 1:] = (sheen[:, [1, 2, 0]] * (1.0, -1.0, 1.0))[:, :, None] / SH_C1
    return Splats(
        means=surface.points.astype(np.float32),
        quats=_quaternions(surface.axes).astype(np.float32),
        scales=np.stack([width, width, FLAT * width], axis=1).astype(np.float32),
        opacities=np.full(len(color), OPACITY, dtype=np.float32),
        sh=sh.astype(np.float32),
        up=UP,
    )


def _shade(surface: Surface, turn: float) -> tuple[F64, F64]:
    """sRGB (N, 3) under three lights, and the sheen (N, 3): a vector that brightens views from its side."""
    normal = surface.axes[:, :, 2]
    sky = 0.5 + 0.5 * normal[:, 1:2]
    light = sky * (0.40, 0.44, 0.54) + (1 - sky) * (0.20, 0.13, 0.17)
    sheen = np.zeros_like(normal)
    for azimuth, height, strength, color in _lights(turn):
        way = np.array([math.cos(azimuth), height, math.sin(azimuth)])
        way /= np.linalg.norm(way)
        facing = np.clip((normal @ way + 0.25) / 1.25, 0.0, None)[:, None]  # wrapped: soft terminator
        light = light + strength * facing * color
        mirrored = 2 * (normal @ way)[:, None] * normal - way
        sheen += 0.20 * strength * surface.gloss[:, None] * facing * mirrored
    linear = surface.color * (
        light * surface.open[:, None] * (1 - surface.glow[:, None]) + surface.glow[:, None]
    )
    srgb = np.clip(linear, 0.0, 1.0) ** (1 / 2.2)
    return srgb, sheen


def _lights(turn: float) -> list[tuple[float, float, float, F64]]:
    """(azimuth, height, strength, RGB) of a warm key light that sways and two that trade colours."""
    swap = 0.5 + 0.5 * math.sin(turn)
    pink, blue = np.array([1.0, 0.25, 0.55]), np.array([0.15, 0.55, 1.0])
    return [
        (-0.5 + 0.7 * math.sin(turn), 0.9, 0.75, np.array([1.0, 0.92, 0.78])),
        (1.55, 0.35, 0.60, pink * swap + blue * (1 - swap)),
        (-1.75, 0.35, 0.60, blue * swap + pink * (1 - swap)),
    ]


def _quaternions(axes: F64) -> F64:
    """(N, 4) wxyz of rotation matrices (N, 3, 3) by the largest of the four components (Shepperd 1978), w >= 0."""
    m = axes
    trace = np.trace(m, axis1=1, axis2=2)
    square = np.stack([1 + trace, *(1 + 2 * m[:, i, i] - trace for i in range(3))], axis=1)
    skew = np.stack([m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]], axis=1)
    sums = m + m.transpose(0, 2, 1)
    products = np.empty((len(m), 4, 4))  # 4 q q^T
    products[:, 0, 1:] = products[:, 1:, 0] = skew
    products[:, 1:, 1:] = sums
    products[:, range(4), range(4)] = square
    row = products[np.arange(len(m)), square.argmax(axis=1)]
    row /= np.linalg.norm(row, axis=1, keepdims=True)
    return np.asarray(row * np.where(row[:, :1] < 0, -1.0, 1.0))


def _zone() -> list[dict[str, object]]:
    """Where viewers stand: twelve cameras around, at eye level and a little above."""
    cameras: list[dict[str, object]] = []
    for k in range(12):
        azimuth, height = math.radians(20 + 60 * (k // 2) + 20 * (k % 2)), math.radians(12)
        back = np.array(
            [math.cos(height) * math.cos(azimuth), math.sin(height), -math.cos(height) * math.sin(azimuth)]
        )
        right = np.cross(UP, back) / np.linalg.norm(np.cross(UP, back))
        r = np.stack([right, np.cross(right, back), -back])
        eye = np.array([0.0, 0.65, 0.0]) + 2.9 * back
        t = -r @ eye
        cameras.append(
            {
                "R": r.tolist(),
                "t": t.tolist(),
                "fx": 620.0,
                "fy": 620.0,
                "cx": 256.0,
                "cy": 256.0,
                "w": 512,
                "h": 512,
            }
        )
    return cameras
