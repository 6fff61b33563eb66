"""`gscodec bench rd`: kilobytes a frame at 40 dB, ours beside the V3-like peer; what each tool is worth."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gscodec.base.errors import Misuse
from gscodec.bench.curve import Knob, Point, Rate, bracket, rate_at
from gscodec.bench.data import open_cache, sequence_folder
from gscodec.bench.points import Bench, PointCache
from gscodec.bench.tables import markdown_table, provenance, write_section
from gscodec.codec.settings import EncodeSettings

__all__ = ["PEER_KNOWN", "SEQUENCES", "VARIANTS", "RdOptions", "run_rd"]

# QP: (KB a frame, dB) of the peer's prototype; reproduced means within PEER_TOLERANCE of the bytes.
PEER_KNOWN: dict[str, dict[int, tuple[float, float]]] = {
    "seq-wave": {28: (13.5, 43.8), 34: (10.8, 38.6), 40: (8.1, 34.0)},
    "seq-monkey": {16: (186.8, 46.6), 24: (141.5, 40.9), 30: (114.7, 37.1)},
    "seq-fox": {16: (85.5, 41.5), 22: (67.1, 36.2), 28: (54.4, 31.5)},
    "seq-trio": {18: (73.6, 38.7), 24: (55.8, 34.2), 30: (42.0, 30.0)},
}
PEER_TOLERANCE = 0.10
PEER_QPS = (16, 22, 28)  # where nothing is known
NOISE_FLOOR = 1e-5  # the stronger peer: channels that vary less are constant
SEQUENCES = tuple(PEER_KNOWN)
# Measured at the default quality only: row order of no meaning, and static scenes.
DEFAULT_ONLY = ("seq-wave-shuffled", "seq-monkey-shuffled", "playbot", "angel", "guitar")

VARIANTS: dict[str, dict[str, Any]] = {
    "video": {},
    "compact": {"payload": "compact"},
    "video, no gauge": {"gauge": False},
    "video, no parts": {"parts": False},
    "video, no sensitivity": {"sensitivity": False},
    "video, preset fast": {"preset": "fast"},
}
TIMED = ("video", "video, preset fast")  # rows that have a row of seconds of the encode below
PEER = "V3-like peer"
PEER_STRONGER = "V3-like peer, constant channels held"
QUALITY_KNOB = Knob(db_per_step=0.25, low=0, high=100, start=45)
QP_KNOB = Knob(db_per_step=-0.85, low=1, high=51, start=22, whole=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class RdOptions:
    """`default_only`: further sequences, at the default quality only; `variants`: names of VARIANTS;
    `output`: the Markdown file whose section is replaced, None for none."""

    data: Path | None = None
    sequences: tuple[str, ...] = SEQUENCES
    default_only: tuple[str, ...] = DEFAULT_ONLY
    variants: tuple[str, ...] = tuple(VARIANTS)
    peer: bool = True
    json: bool = False
    cache: Path = Path("bench-cache")
    output: Path | None = Path("BENCHMARKS.md")
    command: str = "gscodec bench rd"


@dataclass(slots=True)
class Result:
    """What was measured of one sequence."""

    rates: dict[str, Rate] = field(default_factory=dict)  # by variant
    default: Point | None = None  # at the default quality
    peer: list[Point] = field(default_factory=list)


def run_rd(options: RdOptions) -> int:
    """Measure, print to stdout, write the tables into `output`; 1 where the peer is not reproduced."""
    unknown = set(options.variants) - set(VARIANTS)
    if unknown:
        raise Misuse(f"unknown variants; known: {', '.join(VARIANTS)}", variants=", ".join(sorted(unknown)))
    open_cache(options.cache)
    results = {name: _measure_sequence(name, options) for name in options.sequences}
    for name in options.default_only:
        results[name] = Result(default=_bench(name, options).ours(EncodeSettings()))
    text = "\n\n".join([*_tables(results), provenance(options.command)])
    if options.json:
        print(json.dumps({name: asdict(result) for name, result in results.items()}, indent=1))
    else:
        print(text)
    if options.output is not None:
        write_section(options.output, "bench rd", text)
    return 0 if all(_reproduced(name, result) for name, result in results.items()) else 1


def _bench(name: str, options: RdOptions) -> Bench:
    folder = sequence_folder(name, options.data, options.cache)
    return Bench(
        name, folder, PointCache(options.cache / "points"), lambda line: print(line, file=sys.stderr)
    )


def _measure_sequence(name: str, options: RdOptions) -> Result:
    bench = _bench(name, options)
    result = Result()
    if options.peer:
        result.peer = [bench.peer(qp, 0.0) for qp in PEER_KNOWN.get(name, PEER_QPS)]
        for label, floor in ((PEER, 0.0), (PEER_STRONGER, NOISE_FLOOR)):
            known = [bench.peer(point.setting, floor) for point in result.peer]
            points = bracket(lambda qp, floor=floor: bench.peer(qp, floor), QP_KNOB, known)  # type: ignore[misc]
            result.rates[label] = rate_at(points)
    for label in options.variants:
        switches = VARIANTS[label]
        points = bracket(lambda q, s=switches: bench.ours(EncodeSettings(quality=q, **s)), QUALITY_KNOB)  # type: ignore[misc]
        result.rates[label] = rate_at(points)
    if options.variants:
        result.default = bench.ours(EncodeSettings())
    return result


def _reproduced(name: str, result: Result) -> bool:
    known = PEER_KNOWN.get(name, {})
    return all(
        abs(p.kb / known[int(p.setting)][0] - 1) <= PEER_TOLERANCE
        for p in result.peer
        if int(p.setting) in known
    )


def _tables(results: dict[str, Result]) -> list[str]:
    """The tables that have rows, each under its heading."""
    out = []
    if rates := _rate_rows({name: r for name, r in results.items() if r.rates}):
        out.append(
            "### Kilobytes a frame at 40 dB\n\nForeground PSNR, mean over the measure's views and frames; "
            "whole file. Interpolated in log rate between two encodes at most 1.5 dB apart, each decoded "
            "from its file; e: extrapolated.\n\n" + markdown_table(rates[0], rates[1:])
        )
    rows = [
        [name, f"{p.kb:.2f}", f"{p.psnr:.2f}", f"{p.worst:.2f}", f"{p.ssim:.4f}", f"{p.seconds:.0f}"]
        for name, p in ((name, r.default) for name, r in results.items())
        if p is not None
    ]
    if rows:
        head = ["", "KB a frame", "mean dB", "worst view and frame, dB", "SSIM", "seconds"]
        out.append("### At the default quality\n\n" + markdown_table(head, rows))
    if peers := [_peer_row(name, p) for name, r in results.items() for p in r.peer]:
        head = ["", "QP", "KB a frame", "known", "difference", "dB", "known"]
        out.append("### The V3-like peer against its known points\n\n" + markdown_table(head, peers))
    return out


def _rate_rows(results: dict[str, Result]) -> list[list[str]]:
    """Head and rows, one for each variant that any sequence has; nothing where none has."""
    rows = []
    for label in (PEER, PEER_STRONGER, *VARIANTS):
        cells = [r.rates.get(label) for r in results.values()]
        if any(cells):
            rows.append([label, *(str(rate) if rate else "" for rate in cells)])
            if label in TIMED:
                rows.append([f"{label}: seconds", *(f"{rate.seconds:.0f}" if rate else "" for rate in cells)])
    return [["", *results], *rows] if rows else []


def _peer_row(name: str, point: Point) -> list[str]:
    kb, db = PEER_KNOWN.get(name, {}).get(int(point.setting), (None, None))
    row = [name, f"{point.setting:g}", f"{point.kb:.1f}", f"{kb}" if kb else ""]
    row += [f"{100 * (point.kb / kb - 1):+.1f} %" if kb else "", f"{point.psnr:.2f}", f"{db}" if db else ""]
    return row
