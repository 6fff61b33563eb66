"""A peer of the rate-distortion benchmark: tracked splats as GSCodec Studio (SeqHevc) stores them, written anew.

Channels have one range over the whole clip and 8 bits, positions 16 bits as two 8-bit halves; a self-organised
order, found on the first frame, holds for the clip; each attribute is one x265 video of the whole clip: positions
lossless, the others at the QPs of the published rate points. Three channels travel as the planes of one GBR
picture, a fourth or a single one as grey. Kinder than the release: padding holds the channel's mean, and sound
codes stand for channels that are constant. The order is our own self-organising sort, not PLAS. Bytes are those of
the streams and ranges, without any container; the whole clip is one group, so there is no seeking.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gscodec.base.errors import BadInput
from gscodec.bench.peer_v3 import RANGE_BYTES, from_channels, samples, to_channels
from gscodec.grid.layout import from_plane, to_plane
from gscodec.grid.selforganise import grid_features, self_organise
from gscodec.splats.model import Splats, SplatSequence

__all__ = ["LAST_RATE_POINT", "HevcClip", "encode_hevc", "rate_point"]

LAST_RATE_POINT = 7  # published are 0..3; the further ones go on in their steps of 6
MAX_QP = 51
PRESET = "medium"
LOSSLESS = -1
SH_FROM = 3  # channel of the first SH value after three of position (see to_channels)

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Stream:
    """One video: `channels` says which, of 3 in a GBR picture or 1 in a grey one; `half`: of a position."""

    channels: tuple[int, ...]
    qp: int  # LOSSLESS for a position
    half: str = ""  # "high" or "low" byte, else the whole 8-bit code
    packets: tuple[bytes, ...] = ()

    @property
    def n_bytes(self) -> int:
        return sum(map(len, self.packets))


@dataclass(frozen=True)
class HevcClip:
    """A coded clip; as a SplatSequence it is decoded whole at the first frame asked for.

    ranges: (C, 2) float32, minimum and maximum of each channel.
    """

    frames: int
    slots: int
    sh_count: int
    streams: tuple[Stream, ...]
    ranges: F32
    fps: float
    model: Splats = field(repr=False)  # an empty one that carries up, kernel and unit

    @property
    def n_bytes(self) -> int:
        return sum(stream.n_bytes for stream in self.streams) + RANGE_BYTES * len(self.ranges)

    @property
    def names(self) -> list[str]:
        return [f"peer frame {i}" for i in range(self.frames)]

    @cached_property
    def _values(self) -> F32:
        """(T, N, C) float32, decoded."""
        codes = np.zeros((self.frames, self.slots, len(self.ranges)), np.float64)
        for stream in self.streams:
            planes = _decode_video(stream, self.frames, self.slots).astype(np.float64)
            weight = {"high": 256 / 65535, "low": 1 / 65535, "": 1 / 255}[stream.half]
            codes[:, :, list(stream.channels)] += weight * planes
        low, high = self.ranges.astype(np.float64).T
        return (low + codes * (high - low)).astype(np.float32)

    def __len__(self) -> int:
        return self.frames

    def __getitem__(self, index: int) -> Splats:
        return from_channels(self._values[index], self.sh_count, self.model)

    def __iter__(self) -> Iterator[Splats]:
        return (self[i] for i in range(self.frames))


def rate_point(number: int) -> dict[str, int]:
    """QPs of a rate point: opacity, rotation and scale, colour, SH of degree 1, 2, 3. Point 0 is 4 throughout."""
    if number == 0:
        qps = dict.fromkeys(("opacity", "shape", "sh0", "sh1", "sh2", "sh3"), 4)
    else:
        fine = max(4, 6 * number - 2)
        shape, sh1 = 6 * number + 4, 6 * number + 10
        qps = {"opacity": fine, "shape": shape, "sh0": fine, "sh1": sh1, "sh2": sh1 + 6, "sh3": sh1 + 12}
    return {name: min(MAX_QP, qp) for name, qp in qps.items()}


def encode_hevc(sequence: SplatSequence, *, point: int) -> HevcClip:
    """The sequence at a rate point 0..LAST_RATE_POINT. Raises BadInput where rows can't be the same Gaussians."""
    first = sequence[0]
    order = np.argsort(_places(first))
    rows = []
    for name, frame in zip(sequence.names, sequence, strict=True):
        if frame.sh.shape != first.sh.shape:
            raise BadInput("the peer codes tracked rows only", file=name, rows=len(frame))
        rows.append(to_channels(frame.take(order)))
    values = np.stack(rows)
    low, high = values.min(axis=(0, 1)), values.max(axis=(0, 1))
    spread = np.where(high > low, high - low, np.float32(np.inf))
    unit = ((values - low) / spread).astype(np.float64)
    sh_count = first.sh.shape[1]
    streams = tuple(_encode(stream, unit) for stream in _streams(sh_count, rate_point(point)))
    ranges = np.stack([low, high], axis=1)
    empty = first.take(np.zeros(0, np.int64))
    return HevcClip(len(values), len(first), sh_count, streams, ranges, sequence.fps, empty)


def _places(first: Splats) -> npt.NDArray[np.int64]:
    features = grid_features(first.means, np.ascontiguousarray(first.sh[:, 0]), np.log(first.scales))
    return self_organise(features)


def _streams(sh_count: int, qps: dict[str, int]) -> list[Stream]:
    """Positions, colour, SH by coefficient, opacity, scales, and the quaternion as w and xyz."""
    out = [Stream((0, 1, 2), LOSSLESS, half) for half in ("high", "low")]
    for k in range(sh_count):
        at, degree = SH_FROM + 3 * k, int(np.sqrt(k))
        out.append(Stream((at, at + 1, at + 2), qps[f"sh{degree}"]))
    end = SH_FROM + 3 * sh_count
    out.append(Stream((end,), qps["opacity"]))
    out.append(Stream((end + 1, end + 2, end + 3), qps["shape"]))
    return [*out, Stream((end + 4,), qps["shape"]), Stream((end + 5, end + 6, end + 7), qps["shape"])]


def _encode(stream: Stream, unit: npt.NDArray[np.float64]) -> Stream:
    """The stream with its packets; unit: (T, N, C) in 0..1."""
    values = unit[:, :, list(stream.channels)]
    if stream.half:
        codes = np.rint(values * 65535).astype(np.int64)
        codes = codes >> 8 if stream.half == "high" else codes & 255
    else:
        codes = np.rint(values * 255).astype(np.int64)
    return Stream(stream.channels, stream.qp, stream.half, _encode_video(codes, stream.qp))


def _encode_video(codes: npt.NDArray[np.int64], qp: int) -> tuple[bytes, ...]:
    """codes: (T, N, 1 or 3) in 0..255."""
    import av

    pictures = [to_plane(row, fill=int(codes.mean())).astype(np.uint8) for row in codes]
    height, width, planes = pictures[0].shape
    kind = "gbrp" if planes == 3 else "gray"
    context = av.VideoCodecContext.create("libx265", "w")
    context.width, context.height, context.pix_fmt = width, height, kind
    context.time_base, context.framerate = Fraction(1, 30), Fraction(30, 1)
    rate = "lossless=1" if qp == LOSSLESS else f"qp={qp}"
    # The bytes depend on the threads, and with weighted prediction (some 0.1 % of them) on the run: off.
    context.options = {
        "preset": PRESET,
        "x265-params": f"{rate}:pools=none:frame-threads=1:weightp=0:log-level=none",
    }
    packets = []
    for t, picture in enumerate(pictures):
        frame = av.VideoFrame(width, height, kind)
        for c in range(planes):
            samples(frame.planes[c])[:height, :width] = picture[:, :, c]
        frame.pts = t
        packets += [bytes(packet) for packet in context.encode(frame)]
    return (*packets, *(bytes(packet) for packet in context.encode(None)))


def _decode_video(stream: Stream, frames: int, slots: int) -> U8:
    """(T, N, 1 or 3) uint8."""
    import av

    context = av.VideoCodecContext.create("hevc", "r")
    out = []
    for packet in [*map(av.Packet, stream.packets), None]:
        for frame in context.decode(packet):
            out.append(from_plane(_picture(frame, len(stream.channels)), slots))
    if len(out) != frames:
        raise BadInput("the peer's video lost frames", want=frames, got=len(out))
    return np.stack(out)


def _picture(frame: Any, planes: int) -> U8:
    """(H, W, planes), as the planes lie."""
    return np.stack([samples(frame.planes[c])[: frame.height, : frame.width] for c in range(planes)], axis=2)
