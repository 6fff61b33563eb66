"""The peer of the rate-distortion benchmark: dynamic splats as V3 (VideoGS) stores them, written anew.

Per channel one 8-bit x264 video over a GOP of 20 frames at constant QP; a position as two 8-bit videos, the
high byte lossless. It is kinder than the released code: ranges per GOP instead of per frame, rounding instead
of truncation, log scales and logits instead of linear scales and opacities, and SH beyond degree 0, which the
release cannot code. Like the release it keeps the Gaussians in order of opacity (of the first frame) on a
square picture. Bytes are those of the streams and ranges, without any container.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from gscodec.base.errors import BadInput
from gscodec.splats.model import Splats, SplatSequence

__all__ = ["GOP_FRAMES", "PeerClip", "PeerGop", "encode_peer", "from_channels", "samples", "to_channels"]

GOP_FRAMES = 20
PRESET = "medium"
SIDE_STEP = 8  # pictures are square with a side divisible by eight
POSITION_CHANNELS = 3
EDGE = 1e-7  # opacities are kept this far from 0 and 1, where the logit ends
RANGE_BYTES = 8  # minimum and maximum of a channel, float32 each

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
Video = list[bytes]  # packets in decoding order


@dataclass(frozen=True, slots=True)
class PeerGop:
    """`videos`: high and low bytes of x, y, z, then one for each other channel; `ranges`: (C, 2) float32."""

    frames: int
    slots: int
    sh_count: int
    videos: list[Video]
    ranges: F32

    @property
    def n_bytes(self) -> int:
        """Bytes of the streams and the ranges; containers are not counted."""
        return sum(len(p) for video in self.videos for p in video) + RANGE_BYTES * len(self.ranges)


@dataclass(slots=True)
class PeerClip:
    """A coded clip; as a SplatSequence it decodes one GOP at a time."""

    gops: list[PeerGop]
    fps: float
    model: Splats  # an empty one that carries up, kernel and unit
    _decoded: tuple[int, list[Splats]] = field(default=(-1, []))

    @property
    def n_bytes(self) -> int:
        return sum(gop.n_bytes for gop in self.gops)

    @property
    def names(self) -> list[str]:
        return [f"peer frame {i}" for i in range(len(self))]

    def __len__(self) -> int:
        return sum(gop.frames for gop in self.gops)

    def __getitem__(self, index: int) -> Splats:
        number, inside = divmod(range(len(self))[index], self.gops[0].frames)
        if self._decoded[0] != number:
            self._decoded = (number, _decode_gop(self.gops[number], self.model))
        return self._decoded[1][inside]

    def __iter__(self) -> Iterator[Splats]:
        return (self[i] for i in range(len(self)))


def encode_peer(
    sequence: SplatSequence, *, qp: int, gop: int = GOP_FRAMES, noise_floor: float = 0.0
) -> PeerClip:
    """The sequence at one QP. Raises BadInput where the rows of its frames can't be the same Gaussians.

    noise_floor: channels whose range over a GOP is below it are constant. At 0, as published, a channel that
    is constant up to rounding is stretched to full range and its noise coded.
    """
    first = sequence[0]
    order = np.argsort(first.opacities, kind="stable")
    gops = []
    for start in range(0, len(sequence), gop):
        frames = [sequence[i] for i in range(start, min(start + gop, len(sequence)))]
        for i, frame in enumerate(frames, start):
            if frame.sh.shape != first.sh.shape:
                raise BadInput("the peer codes tracked rows only", file=sequence.names[i], rows=len(frame))
        values = np.stack([to_channels(frame.take(order)) for frame in frames])
        gops.append(_encode_gop(values, first, qp, noise_floor))
    return PeerClip(gops, sequence.fps, first.take(np.zeros(0, np.int64)))


def to_channels(splats: Splats) -> F32:
    """(N, C) float32: position, colour and SH by coefficient, logit, log scales, quaternion."""
    opacity = np.clip(splats.opacities.astype(np.float64), EDGE, 1 - EDGE)
    logit = np.log(opacity / (1 - opacity)).astype(np.float32)
    quats = splats.quats / np.linalg.norm(splats.quats, axis=1, keepdims=True)
    sh = splats.sh.reshape(len(splats), -1)
    return np.concatenate([splats.means, sh, logit[:, None], np.log(splats.scales), quats], axis=1)


def from_channels(channels: F32, sh_count: int, model: Splats) -> Splats:
    """The inverse of `to_channels`."""
    colours = 3 + 3 * sh_count
    quats = channels[:, colours + 4 :]
    return replace(
        model,
        means=np.ascontiguousarray(channels[:, :3]),
        sh=channels[:, 3:colours].reshape(-1, sh_count, 3).copy(),
        opacities=(1 / (1 + np.exp(-channels[:, colours]))).astype(np.float32),
        scales=np.exp(channels[:, colours + 1 : colours + 4]),
        quats=quats / np.maximum(np.linalg.norm(quats, axis=1, keepdims=True), 1e-12),
    )


def _encode_gop(values: F32, model: Splats, qp: int, noise_floor: float) -> PeerGop:
    """values: (T, N, C) float32."""
    frames, slots, channels = values.shape
    low, high = values.min(axis=(0, 1)), values.max(axis=(0, 1))
    high = np.where(high - low < noise_floor, low, high)
    spread = np.where(high > low, high - low, np.float32(np.inf))
    unit = (values - low) / spread
    videos = []
    for c in range(channels):
        if c < POSITION_CHANNELS:
            code = np.rint(unit[:, :, c].astype(np.float64) * 65535).astype(np.int64)
            videos += [_encode_video(code >> 8, 0), _encode_video(code & 255, qp)]
        else:
            videos.append(_encode_video(np.rint(unit[:, :, c] * 255), qp))
    ranges = np.stack([low, high], axis=1)
    return PeerGop(frames, slots, model.sh.shape[1], videos, ranges)


def _decode_gop(gop: PeerGop, model: Splats) -> list[Splats]:
    planes = [_decode_video(video, gop.frames, gop.slots).astype(np.float64) for video in gop.videos]
    pairs = 2 * POSITION_CHANNELS
    units = [(256 * planes[c] + planes[c + 1]) / 65535 for c in range(0, pairs, 2)]
    units += [plane / 255 for plane in planes[pairs:]]
    low, high = gop.ranges[:, 0].astype(np.float64), gop.ranges[:, 1].astype(np.float64)
    values = (low + np.stack(units, axis=2) * (high - low)).astype(np.float32)
    return [from_channels(frame, gop.sh_count, model) for frame in values]


def _side(slots: int) -> int:
    return SIDE_STEP * max(2, math.ceil(math.ceil(math.sqrt(slots)) / SIDE_STEP))


def _encode_video(codes: npt.NDArray[Any], qp: int) -> Video:
    """codes: (T, N) in 0..255, as the luma of square pictures; chroma is grey. QP 0 is lossless."""
    import av

    side = _side(codes.shape[1])
    context = av.VideoCodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = side, side, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 30), Fraction(30, 1)
    context.thread_count = 1  # the bytes depend on it
    context.color_range = 2
    context.options = {"preset": PRESET, "qp": str(qp), "x264-params": "log-level=none"}
    packets = []
    for t, row in enumerate(codes):
        luma = np.zeros(side * side, np.uint8)
        luma[: row.size] = row
        frame = av.VideoFrame(side, side, "yuv420p")
        for plane in frame.planes:
            samples(plane)[:] = 128
        samples(frame.planes[0])[:side, :side] = luma.reshape(side, side)
        frame.pts = t
        packets += [bytes(packet) for packet in context.encode(frame)]
    return packets + [bytes(packet) for packet in context.encode(None)]


def _decode_video(video: Video, frames: int, slots: int) -> U8:
    """(T, N) uint8. Planes are read as they lie: conversions to a numpy format may change the range."""
    import av

    side = _side(slots)
    context = av.VideoCodecContext.create("h264", "r")
    pictures = []
    for packet in [*map(av.Packet, video), None]:
        for frame in context.decode(packet):
            pictures.append(samples(frame.planes[0])[:side, :side].reshape(-1)[:slots])
    if len(pictures) != frames:
        raise BadInput("the peer's video lost frames", want=frames, got=len(pictures))
    return np.stack(pictures)


def samples(plane: Any) -> U8:
    """The bytes of a picture plane as (rows, line size), shared with it."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
