"""`gscodec bench train`: what training reaches on held-out cameras, in which time, and what its streams cost.

Every run has a folder of checkpoints in the cache and every measured figure a file there, so that a command that was
killed goes on where it was. The tables are written anew whenever a row is finished.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gscodec.bench.data import code_digest, data_root, open_cache
from gscodec.bench.parts import TRAIN_PARTS
from gscodec.bench.points import PointCache
from gscodec.bench.tables import provenance, write_section
from gscodec.bench.train_plan import V3, Row, rows_of
from gscodec.bench.train_run import (
    FIXED_QUALITY,
    Run,
    Stream,
    encoded,
    encoded_at,
    open_row,
    sequence_of,
    train_row,
    v3_at,
)
from gscodec.bench.train_tables import Outcome, tables

if TYPE_CHECKING:
    from gscodec.train.pipeline import TrainedSequence

__all__ = ["TrainBenchOptions", "run_train"]

TRAIN_CODE = ("train/pipeline.py", "bench/recipe_v3.py")
STREAM_CODE = ("codec/pipeline.py", "bench/peer_v3.py")
BELOW_DB = 0.5  # the lower of two runs' own PSNR: where their streams are compared
LOWER_DB = 1.0  # and once more, further from where a codec spends bytes on what training left to chance


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainBenchOptions:
    """`output`: the Markdown file whose section is replaced, None for none."""

    data: Path | None = None
    parts: tuple[str, ...] = TRAIN_PARTS
    captures: tuple[str, ...] | None = None
    device: str = "cpu"
    json: bool = False
    cache: Path = Path("bench-cache")
    output: Path | None = Path("BENCHMARKS.md")
    command: str = "gscodec bench train"


def run_train(options: TrainBenchOptions, rows: Sequence[Row] | None = None) -> int:
    """Train, encode, decode and measure row by row; print the tables (or JSON), write them into `output`.

    Raises Misuse and BadInput where the captures are not there, MissingDependency without torch.
    """
    open_cache(options.cache)
    rows = rows_of(options.parts, options.captures, options.device) if rows is None else rows
    done: list[_Bench] = []
    outcomes: list[Outcome] = []
    text = ""
    for row in rows:
        done.append(_Bench(replace(row, settings=replace(row.settings, device=options.device)), options))
        done[-1].run()
        outcomes = [bench.outcome(done) for bench in done]
        text = tables(outcomes) + "\n\n" + provenance(options.command)
        if options.output is not None:
            write_section(options.output, "bench train", text)
    print(json.dumps([asdict(one) for one in outcomes], indent=1) if options.json else text)
    return 0


class _Bench:
    """One row; what it measures is looked up in the cache first."""

    def __init__(self, row: Row, options: TrainBenchOptions) -> None:
        self.row, self._cache = row, options.cache
        self._place = data_root(options.data) / "captures" / row.capture
        what = {**asdict(row), "part": "", "name": ""}  # the same run may stand in two tables
        self._key = {"run": json.dumps(what, sort_keys=True), "code": code_digest(*TRAIN_CODE)}
        name = hashlib.sha256(json.dumps(self._key, sort_keys=True).encode()).hexdigest()[:16]
        self._folder = options.cache / "train" / f"{row.capture}-{name}"
        self._points = PointCache(options.cache / "points")

    def run(self) -> Run:
        """Trained, in a process of its own: its peak memory is the row's."""

        def train() -> Run:
            keys = self._cache / "train" / f"keys-{self._key['code']}"
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                return pool.submit(train_row, self.row, self._place, self._folder, keys).result()

        return self._points.get({**self._key, "what": "run"}, train, Run)

    def outcome(self, done: Sequence[_Bench]) -> Outcome:
        """`done`: the rows so far; two of a capture's comparison say at which PSNR streams are compared."""
        if self.row.part == "quality":
            return Outcome(self.row, self.run(), self._fixed())
        alike = [b for b in done if b.row.part != "quality" and b.row.capture == self.row.capture]
        pair = [b for b in alike if b.row.recipe != V3][:2]
        if self.row.recipe == V3:
            pair = [self, *pair[:1]]
        if len(pair) < 2:
            return Outcome(self.row, self.run(), self._fixed())
        own = min(float(np.mean(b.run().psnr)) for b in pair)
        if self.row.recipe == V3:  # where ours can't be as bad, it is better
            target = own - BELOW_DB
            return Outcome(self.row, self.run(), None, target, self._v3(target), pair[1].at(target))
        least = max(b._lowest().psnr for b in pair)
        target, lower = (max(own - below, least) for below in (BELOW_DB, LOWER_DB))
        further = self.at(lower) if self.row.part == "worth" else None
        return Outcome(self.row, self.run(), self._fixed(), target, self.at(target), lower=further)

    def at(self, target: float) -> Stream:
        """The row's stream at a held-out PSNR."""
        known = [self._fixed(), self._lowest()]
        return self._stream(
            f"at {target:.3f}", lambda scratch: encoded_at(self._sequence(), target, known, scratch)
        )

    def _lowest(self) -> Stream:
        """Of the lowest quality: nothing is compared below what both can be."""
        return self._stream("lowest", lambda scratch: encoded(self._sequence(), 0.0, scratch))

    def _fixed(self) -> Stream:
        return self._stream("fixed", lambda scratch: encoded(self._sequence(), FIXED_QUALITY, scratch))

    def _v3(self, target: float) -> Stream:
        return self._stream(f"V3 at {target:.3f}", lambda _: v3_at(self._sequence(), target))

    def _stream(self, what: str, make: Callable[[Path], Stream]) -> Stream:
        def measure() -> Stream:
            with tempfile.TemporaryDirectory() as scratch:
                return make(Path(scratch))

        key: dict[str, Any] = {**self._key, "what": what, "stream": code_digest(*STREAM_CODE)}
        return self._points.get(key, measure, Stream)

    def _sequence(self) -> TrainedSequence:
        return sequence_of(self.row, open_row(self.row, self._place), self._folder)
