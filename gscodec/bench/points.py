"""Measured points: our encoder and the peer, decoded from their real bytes; kept so that none runs twice."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gscodec.bench.curve import Point
from gscodec.bench.data import code_digest, folder_digest
from gscodec.codec.settings import EncodeSettings
from gscodec.splats.model import SplatSequence
from gscodec.splats.sequence import FileSequence, open_sequence

__all__ = ["Bench", "PointCache"]

OUR_CODE = ("base", "splats", "grid", "codec", "container", "render")
PEER_CODE = ("splats", "render", "bench/peer_v3.py")


@dataclass(frozen=True, slots=True)
class PointCache:
    """One small JSON file for each point, named by a hash of all that it depends on."""

    folder: Path

    def get(self, key: dict[str, Any], make: Callable[[], Point]) -> Point:
        text = json.dumps(key, sort_keys=True)
        path = self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"
        if path.exists():
            return Point(**json.loads(path.read_text())["point"])
        point = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"key": key, "point": asdict(point)}, indent=1))
        part.replace(path)
        return point


class Bench:
    """One sequence: `ours` and `peer` measure a point, or find it in the cache."""

    def __init__(self, name: str, folder: Path, cache: PointCache, say: Callable[[str], None]) -> None:
        self.name = name
        self._sequence: FileSequence = open_sequence([folder])
        self._input = folder_digest(folder)
        self._cache = cache
        self._say = say

    def ours(self, settings: EncodeSettings) -> Point:
        """Encode to a file, decode that file, measure; bytes are the whole file."""
        key = {"input": self._input, "code": code_digest(*OUR_CODE), "settings": asdict(settings)}
        return self._cache.get(key, lambda: self._tell(self._encode(settings), settings.payload))

    def peer(self, qp: float, noise_floor: float) -> Point:
        key = {"input": self._input, "code": code_digest(*PEER_CODE), "peer": qp, "floor": noise_floor}
        return self._cache.get(key, lambda: self._tell(self._encode_peer(int(qp), noise_floor), "peer"))

    def _encode(self, settings: EncodeSettings) -> Point:
        from gscodec.codec.pipeline import decode_file, encode_sequence

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "bench.gsv"
            started = time.perf_counter()
            encode_sequence(self._sequence, path, settings, zone=self._sequence.scene.zone)
            seconds = time.perf_counter() - started
            point = self._measure(decode_file(path), settings.quality, path.stat().st_size)
        return replace(point, seconds=seconds)

    def _encode_peer(self, qp: int, noise_floor: float) -> Point:
        from gscodec.bench.peer_v3 import encode_peer

        started = time.perf_counter()
        clip = encode_peer(self._sequence, qp=qp, noise_floor=noise_floor)
        seconds = time.perf_counter() - started
        return replace(self._measure(clip, qp, clip.n_bytes), seconds=seconds)

    def _measure(self, test: SplatSequence, setting: float, n_bytes: int) -> Point:
        from gscodec.render.measure import compare, views_of

        report = compare(self._sequence, test, views_of(self._sequence, "test"))
        kb = n_bytes / len(self._sequence) / 1000
        return Point(setting, kb, report.psnr_mean, report.psnr_worst, report.ssim_mean, 0.0)

    def _tell(self, point: Point, what: str) -> Point:
        self._say(
            f"{self.name} {what} at {point.setting:g}: {point.kb:.2f} KB a frame, {point.psnr:.2f} dB, "
            f"worst {point.worst:.2f}, SSIM {point.ssim:.4f}, {point.seconds:.1f} s"
        )
        return point
