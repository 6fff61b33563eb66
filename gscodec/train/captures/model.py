"""What every capture layout is read into: views with pinhole cameras, and pictures read when they are asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

import numpy as np
import numpy.typing as npt

from gscodec.base.errors import Misuse
from gscodec.render.cameras import Camera

__all__ = ["Capture", "Normalisation", "Picture", "SeedPoints", "View", "places_of"]

U8 = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

MAX_PLACES = 512  # of all views together: what a rig looks at needs no more
CACHE_BYTES = 1 << 29  # 512 MiB: one moment of fifty full-HD cameras, whatever the capture's length


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What one camera saw at one moment, sRGB, not premultiplied."""

    rgb: U8  # (H, W, 3)
    mask: U8 | None = None  # (H, W), 255 = foreground; the alpha of an RGBA picture
    valid: Bool | None = None  # (H, W), False where nothing is known: ignored by losses; None: all is known

    def over(self, background: float | npt.ArrayLike) -> F32:
        """(H, W, 3) float32 in 0..1: composited on a grey, an RGB colour (3,) or a picture (H, W, 3), 0..1."""
        rgb = self.rgb.astype(np.float32) / np.float32(255)
        if self.mask is None:
            return rgb
        alpha = self.mask.astype(np.float32)[..., None] / np.float32(255)
        return np.asarray(rgb * alpha + np.asarray(background, np.float32) * (1 - alpha), np.float32)

    @property
    def n_bytes(self) -> int:
        return sum(a.nbytes for a in (self.rgb, self.mask, self.valid) if a is not None)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A place from which the scene was filmed: one camera that may move and zoom."""

    name: str
    held_out: bool  # kept from training, for measuring
    cameras: tuple[Camera, ...]  # one for all frames, or one a frame; undistorted, normalised coordinates
    frames: frozenset[int] | None = None  # those of which there is a picture; None: all

    def camera(self, frame: int) -> Camera:
        """The pinhole camera of a frame, of the size that its pictures have."""
        return self.cameras[frame if len(self.cameras) > 1 else 0]

    def seen(self) -> list[Camera]:
        """The cameras of the frames of which there is a picture."""
        return [c for f, c in enumerate(self.cameras) if len(self.cameras) == 1 or self.has(f)]

    def has(self, frame: int) -> bool:
        """Whether there is a picture of `frame`."""
        return self.frames is None or frame in self.frames


@dataclass(frozen=True, slots=True, eq=False)
class SeedPoints:
    """Points to start from, normalised coordinates."""

    means: F64  # (N, 3)
    colors: U8  # (N, 3) sRGB


@dataclass(frozen=True, slots=True, eq=False)
class Normalisation:
    """A similarity from the capture's world to training coordinates: x_train = scale * R x_world + t."""

    scale: float = 1.0
    R: F64 = field(default_factory=lambda: np.eye(3))  # (3, 3)
    t: F64 = field(default_factory=lambda: np.zeros(3))  # (3,)

    def apply(self, points: F64) -> F64:
        """World points (N, 3) in training coordinates."""
        return np.asarray(self.scale * points @ self.R.T + self.t)

    @property
    def inverse(self) -> Normalisation:
        """From training coordinates back to the capture's world."""
        return Normalisation(1 / self.scale, self.R.T, -self.R.T @ self.t / self.scale)

    def camera(self, camera: Camera) -> Camera:
        """The same camera in training coordinates; pictures are unchanged, depths grow by `scale`."""
        rotation = camera.R @ self.R.T
        return Camera(
            rotation, self.scale * camera.t - rotation @ self.t,
            camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Capture:
    """A multi-camera capture, synchronised: frame n of every view shows the same moment.

    Pictures are read lazily through a cache of bounded size; reading frames in rising order is quickest.
    """

    views: list[View]
    n_frames: int
    fps: float
    up: tuple[float, float, float]  # unit, normalised coordinates
    masked: bool  # foreground only: pictures have masks, and what they mask out is empty
    points: SeedPoints | None
    normalisation: Normalisation
    warnings: list[str]  # what was assumed or left out, one line each
    read: Callable[[int, int], Picture]  # (view, frame), not cached
    cache_bytes: int = CACHE_BYTES
    _cache: OrderedDict[tuple[int, int], Picture] = field(default_factory=OrderedDict, init=False)
    _lock: RLock = field(default_factory=RLock, init=False)  # decoders are stateful: one reader at a time

    def picture(self, view: int, frame: int) -> Picture:
        """The picture of a view at a frame, of the size of its camera.

        Raises BadInput and its kin, naming the file, where it can't be read; Misuse where there is none.
        """
        if not 0 <= view < len(self.views) or not 0 <= frame < self.n_frames:
            raise Misuse("no such picture", view=view, frame=frame)
        if not self.views[view].has(frame):
            raise Misuse("this view has no picture of this frame", view=self.views[view].name, frame=frame)
        key = (view, frame)
        with self._lock:
            picture = self._cache.get(key)
            if picture is None:
                picture = self.read(view, frame)
                self._cache[key] = picture
                self._shrink()
            self._cache.move_to_end(key)
            return picture

    @property
    def train_views(self) -> list[int]:
        """Indices of the views to train on."""
        return [i for i, view in enumerate(self.views) if not view.held_out]

    def zone(self) -> list[dict[str, Any]]:
        """Where the training cameras stand, in the capture's world, as `encode` takes a zone."""
        cameras = places_of([self.views[i].seen() for i in self.train_views])
        return [self.normalisation.inverse.camera(camera).to_dict() for camera in cameras]

    @property
    def test_views(self) -> list[int]:
        """Indices of the views held out."""
        return [i for i, view in enumerate(self.views) if view.held_out]

    def _shrink(self) -> None:
        """Drop what was longest unused; the newest picture always stays."""
        held = sum(picture.n_bytes for picture in self._cache.values())
        while held > self.cache_bytes and len(self._cache) > 1:
            held -= self._cache.popitem(last=False)[1].n_bytes


def places_of(views: Sequence[Sequence[Camera]]) -> list[Camera]:
    """Where each view stands in turn, every pose once; of many poses of a view an even choice."""
    most = max(1, MAX_PLACES // len(views))
    places: list[Camera] = []
    for cameras in views:
        first: dict[tuple[bytes, bytes], Camera] = {}
        for camera in cameras:
            first.setdefault((camera.R.tobytes(), camera.t.tobytes()), camera)
        poses = list(first.values())
        places += [poses[int(i)] for i in np.linspace(0, len(poses) - 1, min(most, len(poses)))]
    return places
