"""One training run of `gscodec bench train`, in a process of its own, and the streams made of it."""

from __future__ import annotations

import json
import resource
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gscodec.bench.curve import Knob, Point, bracket, rate_at
from gscodec.bench.train_plan import LOW, V3, Row
from gscodec.codec.settings import EncodeSettings

if TYPE_CHECKING:
    from gscodec.splats.model import SplatSequence
    from gscodec.train.captures.model import Capture
    from gscodec.train.pipeline import TrainedSequence

__all__ = [
    "FIXED_QUALITY",
    "Run",
    "Stream",
    "encoded",
    "encoded_at",
    "open_row",
    "sequence_of",
    "stream_at",
    "train_row",
    "v3_at",
]

FIXED_QUALITY = LOW  # of the encode that shows where bytes go
QUALITY_KNOB = Knob(db_per_step=0.04, low=0, high=100, start=LOW)
QP_KNOB = Knob(db_per_step=-0.3, low=1, high=51, start=30, whole=True)


@dataclass(frozen=True, slots=True)
class Run:
    """What a training run took and reached. PSNR: whole picture on black, held-out views, dB."""

    slots: int
    seconds: list[float]  # by frame
    peak_mb: float  # of the process
    psnr: list[float]  # by frame
    still: float
    estimate: float  # bytes of its stream as the entropy loss sees them
    gpu_mb: float = 0.0  # most that torch held on the GPU


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream made of a run, decoded and measured on the held-out views."""

    setting: float  # quality or QP
    kb: float  # a frame
    psnr: float
    worst: float
    bytes_by: dict[str, int] = field(default_factory=dict)


def open_row(row: Row, place: Path) -> Capture:
    from gscodec.train.captures import open_capture

    return open_capture(place, downscale=row.downscale, hold_out=row.hold_out)


def train_row(row: Row, place: Path, folder: Path, keys: Path) -> Run:
    """Train `row` into `folder`, from where it was. Key frames that several rows share are kept in `keys`."""
    from gscodec.train.pipeline import held_out_psnr, train_sequence

    capture = open_row(row, place)
    folder.mkdir(parents=True, exist_ok=True)
    key, first = keys / f"{_key_name(row)}.npz", folder / "frame_00000.npz"
    clock = _Clock(folder / "seconds.json")
    if key.exists() and not first.exists():
        clock.note(float(key.with_suffix(".txt").read_text()))
        _copy(key, first)
    clock.begin()
    frames = range(1 if row.recipe == V3 else row.frames)
    train_sequence(capture, folder, row.settings, frames, on_frame=lambda _: clock.note())
    if row.recipe == V3:
        _train_v3(row, capture, folder, clock)
    if not key.exists():
        keys.mkdir(parents=True, exist_ok=True)
        _write(key.with_suffix(".txt"), str(clock.seconds[0]))
        _copy(first, key)
    sequence = sequence_of(row, capture, folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    scores = [float(np.mean(held_out_psnr(capture, splats, t))) for t, splats in enumerate(sequence)]
    slots = len(sequence.checkpoint(0).gaussians.means)
    return Run(
        slots, clock.seconds, peak, scores, sequence.still_share(), _estimate(row, sequence), _gpu_peak(row)
    )


def _gpu_peak(row: Row) -> float:
    import torch

    return torch.cuda.max_memory_allocated() / 1e6 if row.settings.device == "cuda" else 0.0


def _write(path: Path, text: str) -> None:
    """By rename: a file of that name is whole."""
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _copy(source: Path, path: Path) -> None:
    part = path.with_suffix(".part")
    shutil.copy(source, part)
    part.replace(path)


def sequence_of(row: Row, capture: Capture, folder: Path) -> TrainedSequence:
    """The checkpoints of a row that is trained."""
    from gscodec.train.pipeline import TrainedSequence

    return TrainedSequence(folder, capture, row.settings, range(row.frames))


def _key_name(row: Row) -> str:
    """Of all that the key frame depends on."""
    from gscodec.train.codec_losses import KEY_LOSSES

    known = asdict(row.settings) | {"codec": [n for n in row.settings.codec if n in KEY_LOSSES]}
    for name in ("motion_iterations", "detail_iterations"):
        del known[name]
    spread = row.frames if known["codec"] else 0  # the frames that share a base
    text = json.dumps([row.capture, row.downscale, row.hold_out, spread, known], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]


class _Clock:
    """Seconds of each frame, kept beside the checkpoints. What a kill interrupted counts from where it went on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seconds: list[float] = json.loads(path.read_text()) if path.exists() else []
        self._told = 0
        self._since = time.monotonic()

    def begin(self) -> None:
        self._told, self._since = 0, time.monotonic()

    def note(self, seconds: float | None = None) -> None:
        """One more frame is done, or was there already: then its time is known."""
        taken = time.monotonic() - self._since if seconds is None else seconds
        self._since = time.monotonic()
        self._told += 1
        if self._told > len(self.seconds):
            self.seconds.append(taken)
            _write(self._path, json.dumps(self.seconds))


def _train_v3(row: Row, capture: Capture, folder: Path, clock: _Clock) -> None:
    """Following frames by V3's recipe, each a checkpoint."""
    import torch

    from gscodec.bench.recipe_v3 import v3_frame
    from gscodec.train.keyframe import PictureLoss
    from gscodec.train.motion import bind_nodes
    from gscodec.train.pipeline import Checkpoint

    settings = row.settings
    device = settings.device
    last = Checkpoint.load(folder / "frame_00000.npz", device)
    nodes = bind_nodes(last.gaussians, settings.nodes)
    for t in range(1, row.frames):
        path = folder / f"frame_{t:05d}.npz"
        if not path.exists():
            rng = np.random.default_rng([settings.seed, t])
            picture_loss = PictureLoss(capture, t, settings.kernel, rng)
            gaussians = v3_frame(last.gaussians, nodes, picture_loss, settings.steps(following=True))
            still = torch.zeros(len(gaussians.means), dtype=torch.bool)
            Checkpoint(gaussians, nodes.motion, still, last.lives).save(path)
        clock.note()
        last = Checkpoint.load(path, device)


def _estimate(row: Row, sequence: TrainedSequence) -> float:
    """Bytes as the entropy loss sees them: the base against its neighbours, each frame against the motion's prediction."""
    from gscodec.train.codec_losses import base_bits, bits, change
    from gscodec.train.motion import moved
    from gscodec.train.pipeline import Chain

    key, lives = sequence.checkpoint(0).gaussians, sequence.checkpoint(len(sequence) - 1).lives
    first = sequence.frames.start
    chain = Chain.of(key, sequence.capture, row.settings, row.frames, first).of_slots(lives)
    last = sequence.gaussians(0)
    total = float(base_bits(last, chain.neighbours, chain.steps).sum())
    for t in range(1, len(sequence)):
        done = sequence.gaussians(t)
        carried = moved(last, chain.nodes, sequence.checkpoint(t).motion)
        total += sum(float(bits(levels).sum()) for levels in change(done, carried, chain.steps).values())
        last = done
    return total / 8


def encoded(sequence: TrainedSequence, quality: float, scratch: Path) -> Stream:
    """Encode to a file, decode that file, measure; bytes are the whole file."""
    from gscodec.codec.pipeline import decode_file, encode_sequence

    path = scratch / f"{quality:g}.gsv"
    settings = EncodeSettings(
        quality=quality, preset="fast", payload="compact", kernel=sequence.settings.kernel, fps=sequence.fps,
        up=sequence[0].up,
    )  # fmt: skip
    report = encode_sequence(sequence, path, settings, zone=sequence.capture.zone())
    return _measured(sequence, decode_file(path), quality, report.bytes, report.bytes_by)


def _measured(
    sequence: TrainedSequence, decoded: SplatSequence, setting: float, n_bytes: int, by: dict[str, int]
) -> Stream:
    from gscodec.train.pipeline import held_out_psnr

    scores = [float(np.mean(held_out_psnr(sequence.capture, splats, t))) for t, splats in enumerate(decoded)]
    return Stream(setting, n_bytes / len(sequence) / 1000, float(np.mean(scores)), min(scores), by)


def encoded_at(sequence: TrainedSequence, target: float, known: Sequence[Stream], scratch: Path) -> Stream:
    """The bytes of our encoder's stream at a held-out PSNR, `known` being those that are there already."""
    return stream_at(lambda quality: encoded(sequence, quality, scratch), QUALITY_KNOB, target, known)


def v3_at(sequence: TrainedSequence, target: float) -> Stream:
    """The same of the run in V3's layout."""
    from gscodec.bench.peer_v3 import encode_peer

    def measure(qp: float) -> Stream:
        clip = encode_peer(sequence, qp=int(qp))
        return _measured(sequence, clip, qp, clip.n_bytes, {})

    return stream_at(measure, QP_KNOB, target)


def stream_at(
    measure: Callable[[float], Stream], knob: Knob, target: float, known: Sequence[Stream] = ()
) -> Stream:
    """Bytes at `target` between two real streams around it (linear in log bytes, as `bench rd`).

    Where the knob ends before, the nearest stream as it is.
    """

    def point(stream: Stream) -> Point:
        return Point(stream.setting, stream.kb, stream.psnr, stream.worst, 0.0, 0.0)

    points = bracket(lambda at: point(measure(at)), knob, [point(s) for s in known], target)
    rate = rate_at(points, target)
    near = min(points, key=lambda p: abs(p.psnr - target))
    if rate.extrapolated:
        return Stream(near.setting, near.kb, near.psnr, near.worst)
    return Stream(near.setting, rate.kb, target, near.worst)
