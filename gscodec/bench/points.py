"""Measured points: our encoder and the peers, decoded from their real bytes; kept so that none runs twice."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gscodec.bench.curve import Point
from gscodec.bench.data import code_digest, folder_digest
from gscodec.codec.settings import EncodeSettings
from gscodec.render.metrics import Picture
from gscodec.splats.model import SplatSequence
from gscodec.splats.sequence import FileSequence, open_sequence

__all__ = ["Bench", "Looks", "PointCache"]

MEASURE_CODE = "render/measure.py"
OUR_CODE = "codec/pipeline.py"
OTHER_VIEWS = ("close", "low")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Looks:
    """How one encode looks from elsewhere and in motion, dB. Border and inside: pairs across GOPs and within."""

    close: float
    low: float
    temporal: float
    border: float | None = None
    inside: float | None = None


@dataclass(frozen=True, slots=True)
class PointCache:
    """One small JSON file for each result, named by a hash of all that it depends on."""

    folder: Path

    def get(self, key: dict[str, Any], make: Callable[[], T], kind: Callable[..., T]) -> T:
        text = json.dumps(key, sort_keys=True)
        path = self.folder / f"{_name(text)}.json"
        if path.exists():
            return kind(**json.loads(path.read_text())["point"])
        point = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps({"key": key, "point": asdict(point)}, indent=1))  # type: ignore[call-overload]
        part.replace(path)
        return point


def _name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class Bench:
    """One sequence: each method measures, or finds in the cache. Encoded files are kept beside the points."""

    def __init__(self, name: str, folder: Path, cache: Path, say: Callable[[str], None]) -> None:
        self.name = name
        self._sequence: FileSequence = open_sequence([folder])
        self._input = folder_digest(folder)
        self._cache = PointCache(cache / "points")
        self._folder = cache
        self._say = say
        self._drawn: dict[
            tuple[int, int], Picture
        ] = {}  # the measure's pictures of the reference: some 250 MB

    @property
    def slots(self) -> int:
        """Gaussians of the first frame."""
        return self._sequence.counts[0]

    def ours(self, settings: EncodeSettings) -> Point:
        """Encode to a file, decode that file, measure; bytes are the whole file."""
        key = {**self._key(settings), "measure": code_digest(MEASURE_CODE)}
        return self._cache.get(key, lambda: self._tell(self._encode(settings), settings.payload), Point)

    def looks(self, settings: EncodeSettings) -> Looks:
        """Other views and the temporal measure of an encode."""
        key = {**self._key(settings), "looks": code_digest(MEASURE_CODE)}
        return self._cache.get(key, lambda: self._look(settings), Looks)

    def v3(self, qp: float, noise_floor: float) -> Point:
        """The V3-like peer at a QP."""
        from gscodec.bench.peer_v3 import encode_peer

        key = self._peer_key("bench/peer_v3.py", setting=qp, floor=noise_floor)
        return self._peer(
            key, "V3-like", qp, lambda: encode_peer(self._sequence, qp=int(qp), noise_floor=noise_floor)
        )

    def hevc(self, point: float) -> Point:
        """The SeqHevc-like peer at a rate point."""
        from gscodec.bench.peer_hevc import encode_hevc

        key = self._peer_key("bench/peer_hevc.py", setting=point)
        return self._peer(key, "SeqHevc-like", point, lambda: encode_hevc(self._sequence, point=int(point)))

    def static(self, kind: str) -> Point:
        """SOG or SPZ of a scene of one frame, read back by their own reader."""
        from gscodec.bench.peer_static import VERSION

        key = self._peer_key("bench/peer_static.py", kind=kind, version=VERSION)
        return self._cache.get(key, lambda: self._tell(self._convert(kind), kind), Point)

    def _key(self, settings: EncodeSettings) -> dict[str, Any]:
        return {"input": self._input, "code": code_digest(OUR_CODE), "settings": asdict(settings)}

    def _peer_key(self, module: str, **what: Any) -> dict[str, Any]:
        import av

        return {"input": self._input, "code": code_digest(module, MEASURE_CODE), "av": av.__version__, **what}

    def _file(self, settings: EncodeSettings) -> Path:
        key = json.dumps(self._key(settings), sort_keys=True)
        return self._folder / "files" / f"{_name(key)}.gsv"

    def _encode(self, settings: EncodeSettings) -> Point:
        from gscodec.codec.pipeline import decode_file, encode_sequence

        path = self._file(settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        started = time.perf_counter()
        report = encode_sequence(self._sequence, path, settings, zone=self._sequence.scene.zone)
        seconds = time.perf_counter() - started
        point = self._measure(decode_file(path), settings.quality, path.stat().st_size)
        return replace(point, seconds=seconds, bytes_by=report.bytes_by)

    def _look(self, settings: EncodeSettings) -> Looks:
        from gscodec.codec.pipeline import decode_file
        from gscodec.render.measure import compare, views_of

        if not self._file(settings).exists():
            self._encode(settings)
        test = decode_file(self._file(settings))
        close, low = (
            compare(self._sequence, test, views_of(self._sequence, name)).psnr_mean for name in OTHER_VIEWS
        )
        if len(test) == 1:
            return Looks(close, low, float("nan"))
        views = views_of(self._sequence, "test")
        report = compare(self._sequence, test, views, temporal=True, borders=test.gop_borders()[1:])
        return Looks(
            close, low, float(np.mean(report.temporal)),
            float(np.mean(report.temporal_border)) if report.temporal_border else None,
            float(np.mean(report.temporal_inside)) if report.temporal_inside else None,
        )  # fmt: skip

    def _peer(self, key: dict[str, Any], what: str, setting: float, encode: Callable[[], Any]) -> Point:
        def make() -> Point:
            started = time.perf_counter()
            clip = encode()
            seconds = time.perf_counter() - started
            return self._tell(
                replace(self._measure(clip, setting, clip.n_bytes), seconds=seconds), f"{what} peer"
            )

        return self._cache.get(key, make, Point)

    def _convert(self, kind: str) -> Point:
        from gscodec.bench.peer_static import convert

        with tempfile.TemporaryDirectory() as scratch:
            started = time.perf_counter()
            done = convert(self._sequence.paths[0], kind, self._folder / "tools", Path(scratch))
            seconds = time.perf_counter() - started
            point = self._measure(open_sequence([done.ply]), 0.0, done.n_bytes)
        return replace(point, seconds=seconds)

    def _measure(self, test: SplatSequence, setting: float, n_bytes: int) -> Point:
        from gscodec.render.measure import compare, views_of

        report = compare(self._sequence, test, views_of(self._sequence, "test"), drawn=self._drawn)
        kb = n_bytes / len(self._sequence) / 1000
        return Point(setting, kb, report.psnr_mean, report.psnr_worst, report.ssim_mean, 0.0)

    def _tell(self, point: Point, what: str) -> Point:
        self._say(
            f"{self.name} {what} at {point.setting:g}: {point.kb:.2f} KB a frame, {point.psnr:.2f} dB, "
            f"worst {point.worst:.2f}, SSIM {point.ssim:.4f}, {point.seconds:.1f} s"
        )
        return point
