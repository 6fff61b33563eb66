"""A capture to a sequence on disk, one checkpoint a frame and more within the first, so that a killed run goes on.

The first frame is trained from seeds; each following one starts from the one before: motion, detail, hold still.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from gscodec.base.errors import BadInput, MissingDependency, Misuse
from gscodec.codec.settings import MAX_GOP_FRAMES
from gscodec.render.cameras import Camera
from gscodec.render.metrics import mse_to_psnr
from gscodec.render.output import write_png
from gscodec.render.rasterize import rasterize
from gscodec.splats.model import Splats
from gscodec.train.captures.model import Capture
from gscodec.train.codec_losses import CodecSteps, KeyCalm, Neighbours, codec_steps, find_neighbours
from gscodec.train.colour import CameraColours
from gscodec.train.detail import CalmDetail, detail, pixels_per_unit
from gscodec.train.gaussians import NAMES, Gaussians, to_splats
from gscodec.train.keyframe import PictureLoss, Report, train_key
from gscodec.train.motion import Nodes, bind_nodes, move
from gscodec.train.rasterise import Attributes, render
from gscodec.train.settings import TrainSettings
from gscodec.train.store import UNREADABLE, load_arrays, not_ours, save_arrays

__all__ = ["Chain", "Checkpoint", "TrainedSequence", "held_out_psnr", "train_sequence"]

PREVIEW, COLOURS = "preview.png", "colours.npz"  # in the work folder
SHOWN_ONLY = ("preview_every",)  # settings that change no result
SMOOTH = 0.95  # of the loss that is told
FAR_DB = 100.0

OnStep = Callable[[int, str], None]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """All that the next frame needs."""

    gaussians: Gaussians
    motion: torch.Tensor  # (K, 6) of the nodes, from the frame before to this one
    still: torch.Tensor  # (N,) bool: held bit for bit from the frame before

    def save(self, path: Path) -> None:
        save_arrays(path, self.gaussians.tensors() | {"motion": self.motion, "still": self.still})

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Checkpoint:
        """Raises BadInput where the file isn't one of ours."""
        arrays = load_arrays(path, "a checkpoint")
        try:
            tensors = {k: torch.from_numpy(arrays[k]).to(device) for k in (*NAMES, "motion", "still")}
            if len({len(tensors[k]) for k in (*NAMES, "still")}) > 1:
                raise ValueError("arrays of different lengths")
        except UNREADABLE as error:
            raise not_ours(path, "a checkpoint") from error
        return cls(Gaussians(*(tensors[name] for name in NAMES)), tensors["motion"], tensors["still"])


@dataclass(frozen=True)
class TrainedSequence:
    """A SplatSequence over the checkpoints of a run, in the capture's world; frames are read when asked for."""

    folder: Path
    capture: Capture
    settings: TrainSettings
    frames: range  # of the capture

    @property
    def fps(self) -> float:
        return self.capture.fps

    @property
    def names(self) -> list[str]:
        return [str(_path(self.folder, t)) for t in self.frames]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Splats:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return _splats(self.checkpoint(index).gaussians, self.capture, self.settings.kernel)

    def __iter__(self) -> Iterator[Splats]:
        return (self[i] for i in range(len(self)))

    def checkpoint(self, index: int) -> Checkpoint:
        return Checkpoint.load(_path(self.folder, self.frames[index]))

    def still_share(self) -> float:
        """Share of the slots that hold still bit for bit, mean over the following frames; 0 where there are none."""
        shares = [float(self.checkpoint(i).still.float().mean()) for i in range(1, len(self))]
        return float(np.mean(shares)) if shares else 0.0


def train_sequence(
    capture: Capture,
    work: Path,
    settings: TrainSettings,
    frames: range | None = None,
    on_step: OnStep | None = None,
) -> TrainedSequence:
    """Train `frames` of the capture (None: all) into `work`; what is there already is kept.

    `on_step(steps, note)` hears of every step done; a frame has settings.steps(following) of them. The same seed gives
    the same result on one CPU, whether or not the run was interrupted. Raises Misuse where `work` is of another run,
    MissingDependency where the device isn't there, BadInput and its kin from the capture.
    """
    frames = range(capture.n_frames) if frames is None else frames
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise MissingDependency("torch sees no CUDA GPU; train with --device cpu")
    torch.set_num_threads(1)  # sums must not depend on the number of threads
    _claim(work, capture, settings, frames)
    last, chain = "", None
    for frame in frames:
        path, first = _path(work, frame), frame == frames.start
        if not path.exists():
            report = _Teller(on_step, frame, last)
            if first:
                done = _key(capture, settings, frame, len(frames), work, report)
            else:
                if chain is None:
                    key = Checkpoint.load(_path(work, frames.start), settings.device)
                    colours = _colours(work, capture, settings)
                    chain = Chain.of(key.gaussians, capture, settings, len(frames), colours)
                before = Checkpoint.load(_path(work, frame - 1), settings.device)
                done = _following(capture, settings, chain, frame, before, report)
            done.save(path)
            _key_state(work).unlink(missing_ok=True)
            if settings.preview_every:
                write_preview(work / PREVIEW, capture, settings, frame, done.gaussians)
        elif on_step:
            on_step(settings.steps(following=not first), f"frame {frame} was there already")
        if on_step:
            gaussians = Checkpoint.load(path).gaussians
            splats = _splats(gaussians, capture, settings.kernel)
            scores = held_out_psnr(capture, splats, frame, settings.kernel)
            last = f"{len(gaussians.means)} Gaussians"
            if scores:
                last += f", held out {np.mean(scores):.2f} dB (frame {frame})"
            on_step(0, last)
    return TrainedSequence(work, capture, settings, frames)


def held_out_psnr(capture: Capture, splats: Splats, frame: int, kernel: str | None = None) -> list[float]:
    """PSNR of splats in the capture's world over the whole picture on black, dB, one a held-out view.

    Pixels that are not valid don't count; pictures clipped, not rounded. `kernel`: None as the splats say.
    """
    kernel = kernel or ("compensated" if splats.antialiased else "classic")
    out = []
    for view in capture.test_views:
        if capture.views[view].has(frame):
            camera = capture.normalisation.inverse.camera(capture.views[view].camera(frame))
            picture = capture.picture(view, frame)
            error = (np.clip(_drawn(splats, camera, kernel), 0, 1) - picture.over(0.0)) ** 2
            error = error if picture.valid is None else error[picture.valid]
            out.append(min(FAR_DB, mse_to_psnr(float(np.mean(error.astype(np.float64))))))
    return out


def _drawn(splats: Splats, camera: Camera, kernel: str) -> npt.NDArray[np.float32]:
    """(H, W, 3) on black; the analytic kernel is the trainer's alone."""
    if kernel != "analytic":
        return rasterize(splats, camera, kernel=kernel)[0]
    arrays = (splats.means, splats.quats, splats.scales, splats.opacities, splats.sh)
    attributes = Attributes(*(torch.from_numpy(a.copy()) for a in arrays))
    return np.asarray(render(attributes, [camera], kernel=kernel)[0, ..., :3].numpy())


class _Teller:
    """Turns (iterations, loss) into a step and a line; `last` is what the frame before came to."""

    def __init__(self, on_step: OnStep | None, frame: int, last: str) -> None:
        self._on_step, self._frame, self._last, self._loss = on_step, frame, last, -1.0

    def __call__(self, iterations: int, loss: float) -> None:
        if not math.isnan(loss):
            self._loss = loss if self._loss < 0 else SMOOTH * self._loss + (1 - SMOOTH) * loss
        if self._on_step:
            line = f"frame {self._frame}" + (f", loss {self._loss:.4f}" if self._loss >= 0 else "")
            self._on_step(iterations, f"{line}, {self._last}" if self._last else line)


def gop_frames(capture: Capture, frames: int) -> int:
    """Frames over which the encoder spreads a base, of a sequence of so many."""
    return max(1, min(round(capture.fps), MAX_GOP_FRAMES, frames))


def _key(
    capture: Capture, settings: TrainSettings, frame: int, frames: int, work: Path, report: Report
) -> Checkpoint:
    def preview(_: int, gaussians: Gaussians) -> None:
        write_preview(work / PREVIEW, capture, settings, frame, gaussians)

    calm = KeyCalm(settings.codec, capture, settings.kernel, gop_frames(capture, frames), settings.quality)
    key = train_key(capture, settings, frame, report, saved=_key_state(work), preview=preview, calm=calm)
    gaussians = key.gaussians
    if key.colours is not None:
        key.colours.save(work / COLOURS)
    still = torch.zeros(len(gaussians.means), dtype=torch.bool)
    return Checkpoint(gaussians, bind_nodes(gaussians, settings.nodes).motion, still)


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
        steps, rate = codec_steps(
            key, capture, settings.kernel, gop_frames(capture, frames), settings.device, settings.quality
        )
        return cls(bind_nodes(key, settings.nodes), steps, rate, find_neighbours(key), colours)


def _following(
    capture: Capture, settings: TrainSettings, chain: Chain, frame: int, last: Checkpoint, report: Report
) -> Checkpoint:
    """The Gaussians of `frame`, the same ones in the same order as in the frame before."""
    nodes, before = replace(chain.nodes, motion=last.motion), last.gaussians
    rng = np.random.default_rng([settings.seed, frame])
    picture_loss = PictureLoss(capture, frame, settings.kernel, rng, colours=chain.colours)
    carried = move(before, nodes, picture_loss, settings.motion_iterations, report).fixed()
    calm = CalmDetail(
        settings.codec, before, carried, pixels_per_unit(before, capture, frame), chain.steps, chain.rate,
        chain.neighbours,
    )  # fmt: skip
    gaussians, still = detail(calm, picture_loss, settings.detail_iterations, report)
    return Checkpoint(gaussians, nodes.motion, still)


def write_preview(
    path: Path, capture: Capture, settings: TrainSettings, frame: int, gaussians: Gaussians
) -> None:
    """A PNG, by rename: beside each other what a view shows and what is trained, the first held-out view if any."""
    views = [v for v in (*capture.test_views, *capture.train_views) if capture.views[v].has(frame)]
    with torch.no_grad():
        camera = capture.views[views[0]].camera(frame)
        drawn = render(gaussians.activated(), [camera], kernel=settings.kernel)[0, ..., :3].cpu().numpy()
    pair = np.concatenate([capture.picture(views[0], frame).over(0.0), np.clip(drawn, 0, 1)], axis=1)
    write_png(path, (pair * 255 + 0.5).astype(np.uint8))


def _colours(work: Path, capture: Capture, settings: TrainSettings) -> CameraColours | None:
    return CameraColours.load(work / COLOURS, capture, settings.device) if settings.camera_colours else None


def _key_state(work: Path) -> Path:
    return work / "key.npz"


def _splats(gaussians: Gaussians, capture: Capture, kernel: str) -> Splats:
    return to_splats(gaussians, capture.normalisation, capture.up, kernel)


def _path(folder: Path, frame: int) -> Path:
    return folder / f"frame_{frame:05d}.npz"


def _claim(folder: Path, capture: Capture, settings: TrainSettings, frames: range) -> None:
    """Make the work folder, or see that it is of the same run. Raises Misuse where it is of another."""
    cameras = [(v.name, v.held_out, c.to_dict()) for v in capture.views for c in v.cameras[:1]]
    digest = hashlib.sha256(json.dumps(cameras).encode()).hexdigest()[:16]
    chosen = {name: value for name, value in asdict(settings).items() if name not in SHOWN_ONLY}
    run = {"settings": chosen, "first": frames.start, "capture": digest}
    if settings.codec:  # the key frame's base is made for so many frames
        run["gop"] = gop_frames(capture, len(frames))
    wanted = json.loads(json.dumps(run))
    place = folder / "run.json"
    folder.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        part = place.with_suffix(".part")
        part.write_text(json.dumps(wanted), encoding="utf-8")
        part.replace(place)
        return
    try:
        same = json.loads(place.read_text(encoding="utf-8")) == wanted
    except ValueError as error:
        raise BadInput("not of a training run; remove the work folder", file=str(place)) from error
    if not same:
        raise Misuse(
            "the work folder is of another capture or other settings; remove it or name another",
            folder=str(folder),
        )
