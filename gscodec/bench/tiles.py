"""A larger sequence out of a small one: copies side by side, each turned, recoloured and shifted in time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gscodec.codec.model.rotation import multiply, to_matrix
from gscodec.splats.model import F32, Splats, SplatSequence

__all__ = ["TiledSequence"]

SPACING = 1.25  # of the tiles, in extents of the small sequence
STRETCH = 0.25  # a tile's colours are changed by up to this share
GOLDEN = 2.399963229728653  # radians: no two tiles are turned alike


class TiledSequence:
    """`count` Gaussians and `frames` frames made of a tracked, looping sequence; the last tile is cut to fit.

    Tile i stands at its place of a square grid across the up axis, turned about that axis by i golden angles, its
    colours scaled by seeded factors, its time shifted by i / tiles of a loop. View-dependent colour (SH of degree 1
    and up) is not turned along: it stays as costly to code, and nobody looks at it.
    """

    def __init__(self, source: SplatSequence, count: int, frames: int, seed: int = 0) -> None:
        self._source = [source[i] for i in range(len(source))]
        self._frames, self.fps = frames, source.fps
        first = self._source[0]
        sizes = {len(frame) for frame in self._source}
        assert len(sizes) == 1, "tracked sequences only"
        self._tiles = -(-count // len(first))
        self._count = count
        self.up = first.up
        self._gains = np.random.default_rng(seed).uniform(1 - STRETCH, 1 + STRETCH, (self._tiles, 3))
        self._axis = int(np.argmax(np.abs(first.up)))
        self._centre = first.means.mean(axis=0)
        extent = np.quantile(first.means, 0.98, axis=0) - np.quantile(first.means, 0.02, axis=0)
        self._pitch = SPACING * float(np.delete(extent, self._axis).max())

    @property
    def names(self) -> list[str]:
        return [f"tiled frame {i}" for i in range(self._frames)]

    def __len__(self) -> int:
        return self._frames

    def __iter__(self) -> Iterator[Splats]:
        return (self[i] for i in range(self._frames))

    def __getitem__(self, index: int) -> Splats:
        if not 0 <= index < self._frames:
            raise IndexError(index)
        tiles = [self._tile(i, index) for i in range(self._tiles)]
        return replace(
            tiles[0],
            means=self._joined([tile.means for tile in tiles]),
            quats=self._joined([tile.quats for tile in tiles]),
            scales=self._joined([tile.scales for tile in tiles]),
            opacities=self._joined([tile.opacities for tile in tiles]),
            sh=self._joined([tile.sh for tile in tiles]),
        )

    def _joined(self, arrays: list[F32]) -> F32:
        return np.ascontiguousarray(np.concatenate(arrays)[: self._count])

    def _tile(self, i: int, index: int) -> Splats:
        loop = len(self._source)
        frame = self._source[(index + i * loop // self._tiles) % loop]
        half = 0.5 * GOLDEN * i
        turn = np.zeros(4)
        turn[0], turn[1 + self._axis] = np.cos(half), np.sin(half)
        side = int(np.ceil(np.sqrt(self._tiles)))
        place = np.zeros(3)
        flat = [a for a in range(3) if a != self._axis]
        place[flat[0]], place[flat[1]] = self._pitch * (i % side), self._pitch * (i // side)
        means = (frame.means - self._centre) @ to_matrix(turn).T + place
        return replace(
            frame,
            means=means.astype(np.float32),
            quats=multiply(turn, frame.quats.astype(np.float64)).astype(np.float32),
            sh=(frame.sh * self._gains[i]).astype(np.float32),
        )
