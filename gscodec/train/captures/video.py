"""Frames of a video by number: decoded forward, sought only where that saves decoding."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gscodec.base.errors import BadInput, Truncated
from gscodec.train.captures.colour import UNSPECIFIED, to_rgb

__all__ = ["Decoders", "Video"]

U8 = npt.NDArray[np.uint8]

MAX_OPEN = 48  # decoders: some 30 to 60 MB each at full HD
SKIP = 32  # frames ahead that are decoded without asking whether seeking is shorter


class Video:
    """The first video stream of a file, its frames numbered from 0 in the order shown.

    Opening raises BadInput where the file holds no video.
    """

    def __init__(self, path: Path, decoders: Decoders) -> None:
        import av

        self.path = path
        self._decoders = decoders
        self._index: tuple[list[int], list[int]] | None = None
        try:
            with av.open(str(path)) as container:
                if not container.streams.video:
                    raise BadInput("holds no video", file=str(path))
                stream = container.streams.video[0]
                self.fps = float(stream.average_rate or 0)
                context = stream.codec_context
                self.size = (int(context.width), int(context.height))  # not turned
                yuv = str(context.pix_fmt).startswith("yuv")
                self.untagged = yuv and int(context.colorspace) == UNSPECIFIED  # its matrix must be guessed
                self._n = int(stream.frames)
        except (av.FFmpegError, OSError) as error:
            raise BadInput(f"cannot be opened as video: {error.strerror or error}", file=str(path)) from error
        if self._n <= 0:  # not every container says how many frames it holds
            self._n = len(self._stamps()[0])

    def __len__(self) -> int:
        return self._n

    def has(self, frame: int) -> bool:
        return frame < self._n

    def file(self, frame: int) -> str:
        return str(self.path)

    def read(self, frame: int) -> tuple[U8, U8 | None]:
        """RGB (H, W, 3) and alpha or None, turned upright as the file's display matrix says."""
        decoded = self.decoded(frame)
        rgb, alpha = to_rgb(decoded, str(self.path), still=False)
        turns = round(int(decoded.rotation) / 90) % 4  # counterclockwise, as numpy's
        if turns:
            rgb = np.ascontiguousarray(np.rot90(rgb, turns))
            alpha = None if alpha is None else np.ascontiguousarray(np.rot90(alpha, turns))
        return rgb, alpha

    def decoded(self, frame: int) -> Any:
        """The decoded frame, its planes untouched. Raises BadInput where the video is damaged or ends before it."""
        decoder = self._decoders.of(self)
        if frame < decoder.number:
            decoder.rewind()
        if frame - decoder.number > SKIP:
            self._jump(decoder, frame)
        while decoder.number < frame:
            decoder.advance()
        return decoder.frame

    def _jump(self, decoder: _Decoder, frame: int) -> None:
        """Seek to the last key frame up to `frame`, where it lies ahead of the decoder."""
        stamps, keys = self._stamps()
        at = bisect_right(keys, stamps[frame]) - 1 if frame < len(stamps) else -1
        if at < 0 or bisect_right(stamps, keys[at]) - 1 <= decoder.number:
            return
        decoder.seek(keys[at], stamps)
        if decoder.number > frame:  # the container's own index is off: the long way is always right
            decoder.rewind()

    def _stamps(self) -> tuple[list[int], list[int]]:
        """Presentation times of all frames, and of those that decoding can start at, sorted; nothing is decoded."""
        import av

        if self._index is None:
            with av.open(str(self.path)) as container:
                packets = [
                    (packet.pts, packet.is_keyframe)
                    for packet in container.demux(container.streams.video[0])
                    if packet.pts is not None and not packet.is_discard
                ]
            self._index = sorted(pts for pts, _ in packets), sorted(pts for pts, key in packets if key)
        return self._index


class Decoders:
    """Keeps the decoders of a capture's videos open, closing the least used: memory stays bounded."""

    def __init__(self, max_open: int = MAX_OPEN) -> None:
        self._max_open = max_open
        self._open: OrderedDict[Path, _Decoder] = OrderedDict()

    def of(self, video: Video) -> _Decoder:
        if video.path not in self._open:
            while len(self._open) >= self._max_open:
                self._open.popitem(last=False)[1].close()
            self._open[video.path] = _Decoder(video.path)
        self._open.move_to_end(video.path)
        return self._open[video.path]


class _Decoder:
    """A file decoded frame by frame: `frame` is the last one, `number` its number, -1 before the first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._start()

    def _start(self) -> None:
        import av

        self.number = -1
        self.frame: Any = None
        try:
            self._container: Any = av.open(str(self._path))
        except (av.FFmpegError, OSError) as error:
            raise BadInput(
                f"cannot be opened as video: {error.strerror or error}", file=str(self._path)
            ) from error
        self._stream: Any = self._container.streams.video[0]
        self._frames: Iterator[Any] = self._container.decode(self._stream)

    def close(self) -> None:
        self._container.close()

    def rewind(self) -> None:
        self.close()
        self._start()

    def seek(self, stamp: int, stamps: list[int]) -> None:
        """Go to the frame of presentation time `stamp`, or to one before it."""
        self._container.seek(stamp, stream=self._stream, backward=True)
        self._frames = self._container.decode(self._stream)
        self.advance()
        self.number = bisect_right(stamps, self.frame.pts) - 1

    def advance(self) -> None:
        import av

        try:
            self.frame = next(self._frames, None)
        except av.FFmpegError as error:
            raise BadInput(
                f"damaged video: {error.strerror}", file=str(self._path), frame=self.number + 1
            ) from error
        if self.frame is None:
            raise Truncated("video ends too early", file=str(self._path), frame=self.number + 1)
        self.number += 1
