"""The work folder of a run: which run it is of, one checkpoint a frame, and the sequence that they make."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch

from gscodec.base.errors import UNREADABLE, BadInput, Misuse
from gscodec.splats.model import Splats
from gscodec.train.captures.model import Capture
from gscodec.train.colour import CameraColours
from gscodec.train.gaussians import NAMES, Gaussians, to_splats
from gscodec.train.lead import Lead, Past, lead_over, lead_share, led
from gscodec.train.lives import Held, Lives, held_slots, settle_lives
from gscodec.train.plan import Plan, make_plan
from gscodec.train.settings import TrainSettings
from gscodec.train.store import PART, clear_parts, load_arrays, not_ours, save_arrays

__all__ = [
    "COLOURS",
    "PREVIEW",
    "Checkpoint",
    "TrainedSequence",
    "claim",
    "frame_path",
    "key_state",
    "load_colours",
]

PREVIEW, COLOURS = "preview.png", "colours.npz"  # in the work folder
WORK_VERSION = 3  # of what training makes of the same capture and settings; a run goes on only with its own
LIVES = ("born", "beside")
FAILED = "failed."  # and a view's number
PAST = "past."  # and an attribute's name, or "rows"
SHOWN_ONLY = ("preview_every",)  # settings that change no result


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """All that the next frame needs."""

    gaussians: Gaussians
    motion: torch.Tensor  # (K, 6) of the nodes, from the frame before to this one
    still: (
        torch.Tensor
    )  # (N,) bool: held bit for bit from the frame before; a GOP's first: from the last GOP's first
    lives: Lives
    failed: dict[int, torch.Tensor] = field(
        default_factory=dict
    )  # by view (h, w): errors in this GOP that births could not mend
    past: Past | None = None  # a later GOP's first frame: where it comes from

    def save(self, path: Path) -> None:
        others = {"motion": self.motion, "still": self.still, **{n: getattr(self.lives, n) for n in LIVES}}
        failed = {f"{FAILED}{view}": cells for view, cells in self.failed.items()}
        past = {} if self.past is None else {"rows": self.past.rows, **self.past.gaussians.tensors()}
        others |= {f"{PAST}{name}": tensor for name, tensor in past.items()}
        save_arrays(path, self.gaussians.tensors() | others | failed)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Checkpoint:
        """Raises BadInput where the file isn't one of ours."""
        arrays = load_arrays(path, "a checkpoint")
        try:
            tensors = {k: torch.from_numpy(arrays[k]).to(device) for k in (*NAMES, "motion", "still")}
            lives = Lives(*(torch.from_numpy(arrays[k]) for k in LIVES))
            if len({len(tensors[k]) for k in (*NAMES, "still")} | {len(lives.born), len(lives.beside)}) > 1:
                raise ValueError("arrays of different lengths")
            failed = {
                int(k.removeprefix(FAILED)): torch.from_numpy(array)
                for k, array in arrays.items()
                if k.startswith(FAILED)
            }
            past = None
            if f"{PAST}rows" in arrays:
                before = Gaussians(*(torch.from_numpy(arrays[f"{PAST}{n}"]).to(device) for n in NAMES))
                past = Past(torch.from_numpy(arrays[f"{PAST}rows"]), before)
                if {len(t) for t in before.tensors().values()} != {len(past.rows)}:
                    raise ValueError("arrays of different lengths")
        except UNREADABLE as error:
            raise not_ours(path, "a checkpoint") from error
        gaussians = Gaussians(*(tensors[name] for name in NAMES))
        return cls(gaussians, tensors["motion"], tensors["still"], lives, failed, past)


@dataclass(frozen=True)
class TrainedSequence:
    """A SplatSequence over the checkpoints of a run, in the capture's world; frames are read when asked for."""

    folder: Path
    capture: Capture
    settings: TrainSettings
    frames: range  # of the capture
    # Of the GOP last read, by its first frame: frames are mostly read in order.
    _leads: dict[int, Lead | None] = field(default_factory=dict, init=False, compare=False)
    _held: dict[int, Held] = field(default_factory=dict, init=False, compare=False)

    @property
    def fps(self) -> float:
        return self.capture.fps

    @property
    def names(self) -> list[str]:
        return [str(frame_path(self.folder, t)) for t in self.frames]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Splats:
        if not 0 <= index < len(self):
            raise IndexError(index)
        gaussians = self.gaussians(index)
        return to_splats(gaussians, self.capture.normalisation, self.capture.up, self.settings.kernel)

    def __iter__(self) -> Iterator[Splats]:
        return (self[i] for i in range(len(self)))

    def gaussians(self, index: int) -> Gaussians:
        """As they are told to the stream: the end of a GOP leads over to the next; slots that are born later in the
        GOP, or have died, hold still unseen."""
        start, length = self._gop(index)
        at = self.frames[index] - start
        own, _ = self._led(start, length, at)
        if not self.settings.births:
            return own
        if start not in self._held:
            self._held.clear()
            self._held[start] = held_slots(partial(self._led, start, length), length, start)
        return settle_lives(own, self._held[start], at)

    def _gop(self, index: int) -> tuple[int, int]:
        """The first frame and the length of the GOP."""
        plan = self._plan()
        start = plan.start_of(self.frames[index])
        return start, len(plan.gop(start))

    def _plan(self) -> Plan:
        return make_plan(self.fps, self.settings.gop, self.frames)

    def _lead(self, start: int, length: int) -> Lead | None:
        """Of the GOP of `length` frames that begins at `start`; None where the clip ends with it."""
        if start not in self._leads:
            self._leads.clear()
            self._leads[start] = self._find_lead(start, length)
        return self._leads[start]

    def _find_lead(self, start: int, length: int) -> Lead | None:
        if start + length not in self.frames:
            return None
        last, first = (Checkpoint.load(frame_path(self.folder, start + at)) for at in (length - 1, length))
        if first.past is None:
            return None
        if len(first.past.rows) and int(first.past.rows.max()) >= len(last.gaussians.means):
            raise not_ours(
                frame_path(self.folder, start + length), "a checkpoint that follows the GOP before"
            )
        return lead_over(last.gaussians, last.lives, start, first.past)

    def _led(self, start: int, length: int, at: int) -> tuple[Gaussians, Lives]:
        """Frame `at` of a GOP."""
        lead = self._lead(start, length)
        one = Checkpoint.load(frame_path(self.folder, start + at))
        return one.gaussians if lead is None else led(one.gaussians, lead, at, length), one.lives

    def checkpoint(self, index: int) -> Checkpoint:
        return Checkpoint.load(frame_path(self.folder, self.frames[index]))

    def most_gaussians(self) -> int:
        """The most that a frame has: the last of a GOP has all that were born in it."""
        plan = self._plan()
        last = (self.frames.index(plan.gop(start)[-1]) for start in plan.starts)
        return max(len(self.checkpoint(index).gaussians.means) for index in last)

    def still_share(self) -> float:
        """Share of the slots that hold still bit for bit, mean over frames after a GOP's first; 0: no such frames."""
        starts = self._plan().starts
        shares = [self._still(i) for i, frame in enumerate(self.frames) if frame not in starts]
        return float(np.mean(shares)) if shares else 0.0

    def _still(self, index: int) -> float:
        """Share of one frame; slots that are led over move."""
        start, length = self._gop(index)
        lead = self._lead(start, length)
        still = self.checkpoint(index).still
        if lead is not None and lead_share(self.frames[index] - start, length):
            still[lead.rows] = False
        return float(still.float().mean())


def frame_path(folder: Path, frame: int) -> Path:
    return folder / f"frame_{frame:05d}.npz"


def key_state(folder: Path) -> Path:
    """Where the first key frame is kept while it is trained."""
    return folder / "key.npz"


def load_colours(folder: Path, capture: Capture, settings: TrainSettings) -> CameraColours | None:
    """What the key frame has learnt of the cameras; None where that isn't asked for."""
    return CameraColours.load(folder / COLOURS, capture, settings.device) if settings.camera_colours else None


def claim(folder: Path, capture: Capture, settings: TrainSettings, plan: Plan) -> None:
    """Make the work folder, or see that it is of the same run. Raises Misuse where it is of another."""
    cameras = [(v.name, v.held_out, [c.to_dict() for c in v.cameras]) for v in capture.views]
    shown = [[v.has(frame) for frame in plan.frames] for v in capture.views]
    digest = hashlib.sha256(json.dumps([cameras, shown, capture.masked]).encode()).hexdigest()[:16]
    chosen = {name: value for name, value in asdict(settings).items() if name not in SHOWN_ONLY}
    run = {
        "version": WORK_VERSION,
        "settings": chosen,
        "first": plan.frames.start,
        "length": plan.length,
        "capture": digest,
    }
    if settings.codec:  # the key frame's base is made for so many frames
        run["gop"] = plan.base_frames
    wanted = json.loads(json.dumps(run))
    place = folder / "run.json"
    folder.mkdir(parents=True, exist_ok=True)
    clear_parts(folder)
    if not place.exists():
        part = place.with_suffix(PART)
        part.write_text(json.dumps(wanted), encoding="utf-8")
        part.replace(place)
        return
    try:
        same = json.loads(place.read_text(encoding="utf-8")) == wanted
    except ValueError as error:
        raise BadInput("not of a training run; remove the work folder", file=str(place)) from error
    if not same:
        raise Misuse(
            "the work folder is of another capture, other settings or an earlier version; remove it or name another",
            folder=str(folder),
        )
