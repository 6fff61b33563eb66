"""From what a layout says (a Rig, in the capture's own world) to a Capture: the steps that all layouts share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from gscodec.base.errors import BadInput, Misuse
from gscodec.render.cameras import Camera
from gscodec.train.captures.geometry import Pose, estimate_up, normalise
from gscodec.train.captures.lens import Lens, scale_down, straighten, straightening_map
from gscodec.train.captures.model import Capture, Picture, SeedPoints, View
from gscodec.train.captures.sources import Source, read_mask
from gscodec.train.captures.video import Video

__all__ = ["HoldOut", "Rig", "RigView", "assemble"]

U8 = npt.NDArray[np.uint8]
HoldOut = int | Sequence[str] | None

DEFAULT_FPS = 30.0
MAX_MAPS = 16  # straightening maps kept: 16 MB each at full HD
FOREGROUND_SHARE = 0.5  # masks that keep less than this of the picture mean the foreground


@dataclass(frozen=True, slots=True, eq=False)
class RigView:
    """One camera as its layout describes it; `lenses` and `poses` hold one entry, or one a frame."""

    name: str
    lenses: tuple[Lens, ...]
    poses: tuple[Pose, ...]
    source: Source
    masks: Sequence[Path | None] | None = None  # a file a frame
    held_out: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """A whole capture as its layout describes it."""

    views: list[RigView]
    fps: float | None = None
    points: SeedPoints | None = None
    up: tuple[float, float, float] | None = None  # None: estimated from the cameras
    has_alpha: bool | None = None  # None: looked up in the first picture
    masks: Literal["foreground", "valid", "ask"] = "foreground"  # what mask files mean; "ask": by their share
    warnings: list[str] = field(default_factory=list)


def assemble(rig: Rig, path: Path, downscale: float, hold_out: HoldOut) -> Capture:
    """The Capture of a Rig: held-out views, equal lengths, pinhole cameras of the final size, normalised.

    Raises BadInput where a view has no picture at all or of another size than its camera; Misuse for `downscale` < 1 and views to hold
    out that don't exist.
    """
    if not downscale >= 1:
        raise Misuse("downscale must be 1 or more", field="downscale", value=downscale)
    if not rig.views:
        raise BadInput("holds no cameras", file=str(path))
    warnings = list(rig.warnings)
    views = _hold_out(rig.views, hold_out)
    n_frames = _length(views, warnings, path)
    raw = [[_camera(lens, pose, downscale) for lens, pose in _moments(view, n_frames)] for view in views]
    every = [cameras[0] for cameras in raw] if len(raw) > 1 else raw[0]
    similarity = normalise(every, rig.points)
    up = rig.up or estimate_up(every)
    frames = [frozenset(f for f in range(n_frames) if view.source.has(f)) for view in views]
    for view, present in zip(views, frames, strict=True):
        if not present:
            raise BadInput("a camera without a single picture", file=str(path), field=view.name)
        if len(present) < n_frames:
            warnings.append(f"{view.name}: {n_frames - len(present)} of {n_frames} pictures are missing")
    shown = min(frames[0])
    alpha = views[0].source.read(shown)[1] is not None if rig.has_alpha is None else rig.has_alpha
    guessed = [v.name for v in views if isinstance(v.source, Video) and v.source.untagged]
    if guessed:
        warnings.append(
            f"no colour tags in {len(guessed)} videos ({guessed[0]}): taken as BT.709 from 720 lines on, BT.601 below"
        )
    if not rig.fps and n_frames > 1:
        warnings.append(f"no frame rate is given: taken as {DEFAULT_FPS:g} frames a second")
    meaning = _meaning_of_masks(rig, views, frames, warnings)
    return Capture(
        views=[
            View(
                view.name, view.held_out, tuple(similarity.camera(c) for c in cameras),
                None if len(present) == n_frames else present,
            )
            for view, cameras, present in zip(views, raw, frames, strict=True)
        ],
        n_frames=n_frames,
        fps=rig.fps or DEFAULT_FPS,
        up=up,
        masked=alpha or meaning == "foreground",
        points=None if rig.points is None else SeedPoints(similarity.apply(rig.points.means), rig.points.colors),
        normalisation=similarity,
        warnings=warnings,
        read=_Reader(views, [cameras[0] for cameras in raw], meaning),
    )  # fmt: skip


class _Reader:
    """Reads pictures: file, mask, lens, size."""

    def __init__(self, views: list[RigView], cameras: list[Camera], meaning: str | None) -> None:
        self._views, self._meaning = views, meaning
        self._sizes = [(camera.width, camera.height) for camera in cameras]
        self._maps: dict[Lens, npt.NDArray[np.float32]] = {}

    def __call__(self, index: int, frame: int) -> Picture:
        view = self._views[index]
        lens = view.lenses[frame if len(view.lenses) > 1 else 0]
        rgb, mask = view.source.read(frame)
        if rgb.shape[:2] != (lens.height, lens.width):
            raise BadInput(
                f"a picture of {rgb.shape[1]} x {rgb.shape[0]}, but its camera has {lens.width} x {lens.height}",
                file=str(getattr(view.source, "path", view.name)), field=f"{view.name}, frame {frame}",
            )  # fmt: skip
        valid = None
        path = view.masks[frame] if view.masks is not None else None
        if path is not None:
            extra = read_mask(path)
            if extra.shape != rgb.shape[:2]:
                raise BadInput("a mask of another size than its picture", file=str(path))
            if self._meaning == "valid":
                valid = extra >= 128
            else:
                mask = extra
        if not lens.straight:
            places = self._map(lens)
            given = valid
            rgb, mask, valid = straighten(rgb, mask, places)
            if given is not None:
                nearest = np.clip(
                    np.nan_to_num(places).astype(np.int64), 0, (lens.width - 1, lens.height - 1)
                )
                valid &= given[nearest[..., 1], nearest[..., 0]]
        if self._sizes[index] != (lens.width, lens.height):
            rgb, mask, valid = scale_down(rgb, mask, valid, self._sizes[index])
        return Picture(rgb, mask, valid)

    def _map(self, lens: Lens) -> npt.NDArray[np.float32]:
        if lens not in self._maps:
            while len(self._maps) >= MAX_MAPS:
                del self._maps[next(iter(self._maps))]
            self._maps[lens] = straightening_map(lens)
        return self._maps[lens]


def _hold_out(views: list[RigView], hold_out: HoldOut) -> list[RigView]:
    """None: as the capture says; n: every n-th view from the first; names: those."""
    if hold_out is None:
        return views
    if isinstance(hold_out, int):
        if hold_out < 2:
            raise Misuse("every n-th view is held out: n is 2 or more", field="hold_out", value=hold_out)
        return [replace(view, held_out=i % hold_out == 0) for i, view in enumerate(views)]
    unknown = set(hold_out) - {view.name for view in views}
    if unknown:
        raise Misuse(f"no such view: {', '.join(sorted(unknown))}", field="hold_out")
    return [replace(view, held_out=view.name in hold_out) for view in views]


def _length(views: list[RigView], warnings: list[str], path: Path) -> int:
    """Frames that all cameras have; longer ones are cut, said in a warning."""
    lengths = [len(view.source) for view in views]
    if min(lengths) < 1:
        raise BadInput(
            "a camera without pictures", file=str(path), field=views[lengths.index(min(lengths))].name
        )
    if min(lengths) != max(lengths):
        longest = views[lengths.index(max(lengths))].name
        shortest = views[lengths.index(min(lengths))].name
        warnings.append(
            f"unequal lengths: {shortest} has {min(lengths)} frames, {longest} {max(lengths)}; the first {min(lengths)} are used"
        )
    return min(lengths)


def _moments(view: RigView, n_frames: int) -> list[tuple[Lens, Pose]]:
    """(lens, pose) for all frames at once, or one a frame where either changes."""
    n = n_frames if max(len(view.lenses), len(view.poses)) > 1 else 1
    return [
        (view.lenses[f if len(view.lenses) > 1 else 0], view.poses[f if len(view.poses) > 1 else 0])
        for f in range(n)
    ]


def _camera(lens: Lens, pose: Pose, downscale: float) -> Camera:
    width, height = max(1, round(lens.width / downscale)), max(1, round(lens.height / downscale))
    sx, sy = width / lens.width, height / lens.height
    return Camera(*pose, lens.fx * sx, lens.fy * sy, lens.cx * sx, lens.cy * sy, width, height)


def _meaning_of_masks(
    rig: Rig, views: list[RigView], frames: list[frozenset[int]], warnings: list[str]
) -> Literal["foreground", "valid"] | None:
    """What mask files mean; "ask": the foreground where they keep less than half of the picture."""
    paths = [
        view.masks[min(present)]
        for view, present in zip(views, frames, strict=True)
        if view.masks is not None
    ]
    found = [path for path in paths if path is not None]
    if not found:
        return None
    if rig.masks != "ask":
        return rig.masks
    share = float(np.median([(read_mask(path) >= 128).mean() for path in found[:8]]))
    if share < FOREGROUND_SHARE:
        warnings.append(f"masks keep {share:.0%} of the picture: taken as foreground, all else as empty")
        return "foreground"
    warnings.append(
        f"masks keep {share:.0%} of the picture: what they black out is ignored, not taken as empty"
    )
    return "valid"
