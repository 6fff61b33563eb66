"""A capture to a sequence on disk, one checkpoint a frame, so that a killed run goes on where it was; then to a stream."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from gscodec.base.errors import BadInput, Misuse
from gscodec.render.metrics import mse_to_psnr
from gscodec.render.rasterize import rasterize
from gscodec.splats.model import Splats
from gscodec.train.captures.model import Capture
from gscodec.train.gaussians import NAMES, Gaussians, splats_of, to_splats
from gscodec.train.keyframe import train_key
from gscodec.train.motion import bind_nodes, next_frame
from gscodec.train.rasterise import KERNELS
from gscodec.train.settings import TrainSettings

__all__ = ["TrainedSequence", "held_out_psnr", "train"]


@dataclass(frozen=True)
class TrainedSequence:
    """A SplatSequence over the checkpoints of a run, in the capture's world."""

    folder: Path
    capture: Capture
    kernel: str
    count: int

    @property
    def fps(self) -> float:
        return self.capture.fps

    @property
    def names(self) -> list[str]:
        return [str(_path(self.folder, t)) for t in range(self.count)]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Splats:
        if not 0 <= index < self.count:
            raise IndexError(index)
        gaussians, _ = _load(_path(self.folder, index), "cpu")
        return to_splats(gaussians, self.capture.normalisation, self.capture.up, self.kernel)

    def __iter__(self) -> Iterator[Splats]:
        return (self[i] for i in range(self.count))


def _path(folder: Path, frame: int) -> Path:
    return folder / f"frame_{frame:05d}.npz"


def _save(path: Path, gaussians: Gaussians, motion: torch.Tensor) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as stream:
        arrays = {name: tensor.cpu().numpy() for name, tensor in gaussians.tensors().items()}
        np.savez(stream, allow_pickle=False, motion=motion.cpu().numpy(), **arrays)  # type: ignore[arg-type]
    part.replace(path)


def _load(path: Path, device: str) -> tuple[Gaussians, torch.Tensor]:
    try:
        with np.load(path) as file:
            arrays = {name: torch.from_numpy(file[name]).to(device) for name in (*NAMES, "motion")}
    except (OSError, KeyError, ValueError) as error:
        raise BadInput("not a checkpoint; remove the work folder to begin anew", file=str(path)) from error
    return Gaussians(*(arrays[name] for name in NAMES)), arrays["motion"]


def _claim(folder: Path, capture: Capture, settings: TrainSettings) -> None:
    """Make the work folder, or see that it is of the same run. Raises Misuse where it is of another."""
    cameras = [
        (v.name, v.held_out, c.R.tolist(), c.t.tolist(), c.fx, c.fy, c.width)
        for v in capture.views
        for c in v.cameras[:1]
    ]
    digest = hashlib.sha256(json.dumps(cameras).encode()).hexdigest()[:16]
    wanted = {"settings": asdict(settings) | {"frames": None}, "capture": digest}
    place = folder / "run.json"
    folder.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        part = place.with_suffix(".part")
        part.write_text(json.dumps(wanted), encoding="utf-8")
        part.replace(place)
    elif json.loads(place.read_text(encoding="utf-8")) != wanted:
        raise Misuse(
            "the work folder is of another capture or other settings; remove it or name another",
            folder=str(folder),
        )


def train(
    capture: Capture,
    work: Path,
    settings: TrainSettings,
    progress: Callable[[int, str], None] | None = None,
) -> TrainedSequence:
    """Train the capture's frames into `work`; frames that are there already are kept.

    `progress(frames, note)` is called for each frame. The same seed gives the same result on one CPU, whether or not
    the run was interrupted. Raises Misuse and BadInput and its kin.
    """
    if settings.kernel not in KERNELS:
        raise Misuse(f"unknown kernel; known: {', '.join(KERNELS)}", kernel=settings.kernel)
    torch.set_num_threads(1)  # sums must not depend on the number of threads
    count = min(capture.n_frames, settings.frames or capture.n_frames)
    _claim(work, capture, settings)
    for frame in range(count):
        path = _path(work, frame)
        if not path.exists():
            if frame == 0:
                gaussians = train_key(capture, settings)
                motion = bind_nodes(gaussians, settings.nodes).motion
            else:
                key, _ = _load(_path(work, 0), settings.device)
                nodes = bind_nodes(key, settings.nodes)
                start, nodes.motion = _load(_path(work, frame - 1), settings.device)
                gaussians, motion = next_frame(start, nodes, capture, settings, frame), nodes.motion
            _save(path, gaussians, motion)
        if progress:
            scores = held_out_psnr(capture, _load(path, "cpu")[0], frame, settings.kernel)
            progress(1, f"held out {np.mean(scores):.2f} dB" if scores else "")
    return TrainedSequence(work, capture, settings.kernel, count)


def held_out_psnr(capture: Capture, gaussians: Gaussians, frame: int, kernel: str) -> list[float]:
    """PSNR over the whole picture on black, by held-out view, dB."""
    splats = splats_of([t.detach().numpy() for t in gaussians.activated().tensors()])
    out = []
    for view in capture.test_views:
        if capture.views[view].has(frame):
            rgb, _ = rasterize(splats, capture.views[view].camera(frame), kernel=kernel)
            error = np.clip(rgb, 0, 1) - capture.picture(view, frame).over(0.0)
            out.append(mse_to_psnr(float(np.mean(error.astype(np.float64) ** 2))))
    return out
