"""Where planes lie in the luma pictures of a video payload (SPEC.md 5.9), and levels on them and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gscodec.codec.segment import atlas_geometry

__all__ = ["GUARD_ROWS", "LEVEL_MAX", "LEVEL_MIN", "LEVEL_ZERO", "Atlas", "pack_levels", "unpack_levels"]

LEVEL_MIN, LEVEL_ZERO, LEVEL_MAX = 16, 126, 235  # every browser's way to luma keeps these apart (SPEC.md 5.9)
GUARD_ROWS = 2  # below the tiles


@dataclass(frozen=True, slots=True)
class Atlas:
    """Planes of `slots` values as tiles of pictures: `cols` x `rows` to a page, one picture for each k and page."""

    slots: int
    width: int  # of a tile
    height: int
    cols: int
    rows: int
    pages: int
    video: tuple[tuple[int, int], ...]  # (channel, k) of each plane

    @classmethod
    def of(cls, slots: int, video: Sequence[tuple[int, int]]) -> Atlas:
        return cls(slots, *atlas_geometry(slots, len({c for c, _ in video})), tuple(video))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of a picture."""
        return self.cols * self.width, self.rows * self.height + GUARD_ROWS

    @property
    def pictures(self) -> int:
        return max(k for _, k in self.video) * self.pages

    def tiles(self) -> np.ndarray:
        """int64 (planes,): the tile of each plane, tiles counted through all pictures."""
        channels = sorted({c for c, _ in self.video})
        apart = self.cols * self.rows * self.pages  # from one k to the next
        return np.array([(k - 1) * apart + channels.index(c) for c, k in self.video], np.int64)

    def places(self) -> np.ndarray:
        """int64 (N,): raster index in the plane of each place 0..N-1: 16 x 16 blocks, Z-order inside, snake rows."""
        p = np.arange(self.slots, dtype=np.int64)
        block, inner = p >> 8, p & 255
        x = sum((((inner >> (2 * b)) & 1) << b) for b in range(4))
        y = sum((((inner >> (2 * b + 1)) & 1) << b) for b in range(4))
        row, col = np.divmod(block, self.width // 16)
        col = np.where(row % 2 == 1, self.width // 16 - 1 - col, col)
        return np.asarray((row * 16 + y) * self.width + col * 16 + x, dtype=np.int64)

    def plane(self, pictures: Sequence[np.ndarray] | np.ndarray, tile: int) -> np.ndarray:
        """A view (height, width) of one tile."""
        picture, at = divmod(int(tile), self.cols * self.rows)
        y, x = self.height * (at // self.cols), self.width * (at % self.cols)
        return np.asarray(pictures[picture])[y : y + self.height, x : x + self.width]


def pack_levels(wanted: np.ndarray, atlas: Atlas) -> np.ndarray:
    """uint8 (pictures, height, width) of planes `wanted` (planes, N) float64 in luma levels around zero."""
    width, height = atlas.size
    pictures = np.full((atlas.pictures, height, width), LEVEL_ZERO, np.uint8)
    levels = np.clip(np.round(wanted + LEVEL_ZERO), LEVEL_MIN, LEVEL_MAX).astype(np.uint8)
    places = atlas.places()
    plane = np.full(atlas.width * atlas.height, LEVEL_ZERO, np.uint8)
    for tile, values in zip(atlas.tiles(), levels, strict=True):
        plane[places] = values
        atlas.plane(pictures, tile)[:] = plane.reshape(atlas.height, atlas.width)
    return pictures


def unpack_levels(
    pictures: Sequence[np.ndarray] | np.ndarray, atlas: Atlas, places: np.ndarray | None = None
) -> np.ndarray:
    """int64 (planes, N): levels around zero of pictures as of `pack_levels`; places: of another layout."""
    places = atlas.places() if places is None else places
    planes = [atlas.plane(pictures, tile).reshape(-1)[places] for tile in atlas.tiles()]
    return np.stack(planes).astype(np.int64) - LEVEL_ZERO
