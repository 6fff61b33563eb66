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
from gscodec.train.captures.geometry import Pose, estimate_up, is_rotation, normalise
from gscodec.train.captures.lens import MAX_SIDE, Lens, scale_down, straighten, straightening_map
from gscodec.train.captures.model import Capture, Picture, SeedPoints, View, places_of
from gscodec.train.captures.sources import Source, read_mask
from gscodec.train.captures.video import Video

__all__ = ["HoldOut", "Rig", "RigView", "assemble"]

U8 = npt.NDArray[np.uint8]
HoldOut = int | Sequence[str] | None

DEFAULT_FPS = 30.0
LOOKED_AT = 8  # views whose pictures or masks say what the others are like
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
    has_alpha: bool | None = None  # None: looked up in some pictures
    masks: Literal["foreground", "valid", "ask"] = "foreground"  # what mask files mean; "ask": by their share
    warnings: list[str] = field(default_factory=list)


def assemble(rig: Rig, path: Path, downscale: float, hold_out: HoldOut) -> Capture:
    """The Capture of a Rig: held-out views, equal lengths, pinhole cameras of the final size, normalised.

    Raises BadInput where a view has no picture at all and where a moment has none to train on; Misuse for
    `downscale` < 1, views to hold out that don't exist, and all of them.
    """
    if not downscale >= 1:
        raise Misuse("downscale must be 1 or more", field="downscale", value=downscale)
    if not rig.views:
        raise BadInput("holds no cameras", file=str(path))
    warnings = list(rig.warnings)
    views = _hold_out(rig.views, hold_out)
    n_frames = _length(views, warnings, path)
    frames = _frames(views, n_frames, warnings, path)
    alpha = _have_alpha(views, frames) if rig.has_alpha is None else rig.has_alpha
    meaning = _meaning_of_masks(rig, views, frames, warnings)
    if meaning == "foreground" and not alpha:
        views, frames = _with_masks(views, frames, warnings)
    _check_training(views, frames, n_frames, path)
    masked = alpha or meaning == "foreground"
    raw = [
        _view(view, present, n_frames, downscale, path) for view, present in zip(views, frames, strict=True)
    ]
    every = places_of([view.seen() for view in raw])
    similarity = normalise(every, rig.points)
    up = rig.up or estimate_up(every)
    _check_videos(views, n_frames, warnings)
    if not rig.fps and n_frames > 1:
        warnings.append(f"no frame rate is given: taken as {DEFAULT_FPS:g} frames a second")
    return Capture(
        views=[replace(view, cameras=tuple(similarity.camera(c) for c in view.cameras)) for view in raw],
        n_frames=n_frames,
        fps=rig.fps or DEFAULT_FPS,
        up=up,
        masked=masked,
        points=None
        if rig.points is None
        else SeedPoints(similarity.apply(rig.points.means), rig.points.colors),
        normalisation=similarity,
        warnings=warnings,
        read=_Reader(views, [view.cameras[0] for view in raw], meaning, masked),
    )


class _Reader:
    """Reads pictures: file, mask, lens, size."""

    def __init__(
        self, views: list[RigView], cameras: list[Camera], meaning: str | None, masked: bool
    ) -> None:
        self._views, self._meaning, self._masked = views, meaning, masked
        self._sizes = [(camera.width, camera.height) for camera in cameras]
        self._maps: dict[Lens, npt.NDArray[np.float32]] = {}

    def __call__(self, index: int, frame: int) -> Picture:
        view = self._views[index]
        lens = view.lenses[frame if len(view.lenses) > 1 else 0]
        rgb, mask = view.source.read(frame)
        if rgb.shape[:2] != (lens.height, lens.width):
            raise BadInput(
                f"a picture of {rgb.shape[1]} x {rgb.shape[0]}, but its camera has {lens.width} x {lens.height}",
                file=view.source.file(frame), field=f"{view.name}, frame {frame}",
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
        if self._masked and mask is None:
            raise BadInput(
                "a picture without alpha, but others have it",
                file=view.source.file(frame), field=f"{view.name}, frame {frame}",
            )  # fmt: skip
        if not self._masked and mask is not None and (mask == 255).all():
            mask = None
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
        chosen = [i % hold_out == 0 for i in range(len(views))]
    else:
        unknown = set(hold_out) - {view.name for view in views}
        if unknown:
            raise Misuse(f"no such view: {', '.join(sorted(unknown))}", field="hold_out")
        chosen = [view.name in hold_out for view in views]
    if all(chosen):
        raise Misuse("nothing is left to train on", field="hold_out", value=hold_out)
    return [replace(view, held_out=out) for view, out in zip(views, chosen, strict=True)]


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


def _view(view: RigView, present: frozenset[int], n_frames: int, downscale: float, path: Path) -> View:
    """In the capture's world: one camera for all frames, or one a frame where lens or pose changes."""
    n = n_frames if max(len(view.lenses), len(view.poses)) > 1 else 1
    cameras = tuple(
        _camera(
            view.lenses[f if len(view.lenses) > 1 else 0], view.poses[f if len(view.poses) > 1 else 0], downscale,
            path, view.name,
        )
        for f in range(n)
    )  # fmt: skip
    return View(view.name, view.held_out, cameras, None if len(present) == n_frames else present)


def _frames(views: list[RigView], n_frames: int, warnings: list[str], path: Path) -> list[frozenset[int]]:
    """The frames of which each view has a picture; what is missing is said in a warning."""
    frames = [frozenset(f for f in range(n_frames) if view.source.has(f)) for view in views]
    for view, present in zip(views, frames, strict=True):
        if not present:
            raise BadInput("a camera without a single picture", file=str(path), field=view.name)
        if len(present) < n_frames:
            warnings.append(f"{view.name}: {n_frames - len(present)} of {n_frames} pictures are missing")
    return frames


def _check_training(views: list[RigView], frames: list[frozenset[int]], n_frames: int, path: Path) -> None:
    """Raises BadInput where nothing is left to train on, of the whole capture or of a frame."""
    seen = [present for view, present in zip(views, frames, strict=True) if not view.held_out]
    if not seen:
        raise BadInput("nothing is left to train on: every view left is held out", file=str(path))
    missing = set(range(n_frames)).difference(*seen)
    if missing:
        raise BadInput(
            "no training view shows this frame (where others have masks, pictures without one don't count)",
            file=str(path), frame=min(missing),
        )  # fmt: skip


def _have_alpha(views: list[RigView], frames: list[frozenset[int]]) -> bool:
    """Whether alpha hides anything in a few pictures of a few views: one alone may show nothing but foreground."""
    few = np.linspace(0, len(views) - 1, min(LOOKED_AT, len(views))).astype(int)
    return any(_hides(views[i].source, sorted(frames[i])) for i in few)


def _hides(source: Source, present: list[int]) -> bool:
    """Whether alpha hides anything in the first, a middle or the last picture."""
    for frame in dict.fromkeys((present[0], present[len(present) // 2], present[-1])):
        alpha = source.read(frame)[1]
        if alpha is None and isinstance(source, Video):  # nor has the rest, and to look there takes long
            return False
        if alpha is not None and (alpha < 255).any():
            return True
    return False


def _with_masks(
    views: list[RigView], frames: list[frozenset[int]], warnings: list[str]
) -> tuple[list[RigView], list[frozenset[int]]]:
    """Views and frames without those that lack masks: their background would be taken for what is filmed."""
    kept: list[RigView] = []
    shown: list[frozenset[int]] = []
    for view, present in zip(views, frames, strict=True):
        masks = view.masks
        there = frozenset(f for f in present if masks is not None and masks[f] is not None)
        if not there:
            warnings.append(f"{view.name}: left out, it has no masks and others do")
            continue
        if len(there) < len(present):
            warnings.append(f"{view.name}: {len(present) - len(there)} pictures without a mask are left out")
        kept.append(view)
        shown.append(there)
    return kept, shown


def _check_videos(views: list[RigView], n_frames: int, warnings: list[str]) -> None:
    """Says where colours are guessed and where rates differ by more than half a frame over the capture."""
    videos = [(view.name, view.source) for view in views if isinstance(view.source, Video)]
    guessed = [name for name, video in videos if video.untagged]
    if guessed:
        warnings.append(
            f"no colour tags in {len(guessed)} videos ({guessed[0]}): taken as BT.709 from 720 lines on, BT.601 below"
        )
    rated = sorted((video.fps, name) for name, video in videos if video.fps > 0)
    if rated and (rated[-1][0] / rated[0][0] - 1) * n_frames > 0.5:
        (low, slow), (high, fast) = rated[0], rated[-1]
        warnings.append(
            f"videos differ in frame rate: {slow} has {low:g}, {fast} {high:g} frames a second; paired by number"
        )


def _camera(lens: Lens, pose: Pose, downscale: float, path: Path, name: str) -> Camera:
    """Raises BadInput where it is none; `name` says whose it is."""
    rotation, t = pose
    if not 1 <= lens.width <= MAX_SIDE or not 1 <= lens.height <= MAX_SIDE:
        raise BadInput(f"a size of 1 to {MAX_SIDE} is expected", file=str(path), field=f"{name}, size")
    if not (0 < lens.fx < np.inf and 0 < lens.fy < np.inf):
        raise BadInput("a focal length above 0 is expected", file=str(path), field=f"{name}, focal length")
    if not np.isfinite((lens.cx, lens.cy, *lens.params, *t)).all():
        raise BadInput("finite numbers are expected", file=str(path), field=f"{name}, lens or place")
    if not is_rotation(rotation):
        raise BadInput("not a rotation", file=str(path), field=f"{name}, rotation")
    width, height = max(1, round(lens.width / downscale)), max(1, round(lens.height / downscale))
    sx, sy = width / lens.width, height / lens.height
    return Camera(rotation, t, lens.fx * sx, lens.fy * sy, lens.cx * sx, lens.cy * sy, width, height)


def _meaning_of_masks(
    rig: Rig, views: list[RigView], frames: list[frozenset[int]], warnings: list[str]
) -> Literal["foreground", "valid"] | None:
    """What mask files mean; "ask": the foreground where they keep less than half of the picture."""
    paths = [
        next((view.masks[f] for f in sorted(present) if view.masks[f] is not None), None)
        for view, present in zip(views, frames, strict=True)
        if view.masks is not None
    ]
    found = [path for path in paths if path is not None]
    if not found:
        return None
    if rig.masks != "ask":
        return rig.masks
    share = float(np.median([(read_mask(path) >= 128).mean() for path in found[:LOOKED_AT]]))
    if share < FOREGROUND_SHARE:
        warnings.append(f"masks keep {share:.0%} of the picture: taken as foreground, all else as empty")
        return "foreground"
    warnings.append(
        f"masks keep {share:.0%} of the picture: what they black out is ignored, not taken as empty"
    )
    return "valid"
