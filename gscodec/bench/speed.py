"""`gscodec bench speed`: wall time of the encode and decode commands, kernels compiled, with stage shares."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gscodec.base.errors import CheckFailed
from gscodec.bench.data import open_cache, sequence_folder
from gscodec.bench.tables import markdown_table, provenance, write_section

__all__ = ["SpeedOptions", "Timing", "run_speed"]

ONCE_STAGES = ("sort", "sensitivity")  # done for the first GOP, whatever the length of the clip


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedOptions:
    """`output`: the Markdown file whose section is replaced, None for none."""

    data: Path | None = None
    sequences: tuple[str, ...] = ("seq-fox", "seq-trio")
    presets: tuple[str, ...] = ("fast", "balanced")
    json: bool = False
    cache: Path = Path("bench-cache")
    output: Path | None = Path("BENCHMARKS.md")
    command: str = "gscodec bench speed"


@dataclass(frozen=True, slots=True)
class Timing:
    """One command. `seconds`: wall time from start of the process to its end; `stages`: seconds of each."""

    what: str
    frames: int
    seconds: float
    startup: float  # of `gscodec --version`: the interpreter and the imports of the command line
    once: float = 0.0  # of the first GOP's sort and sensitivity
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Frames a second of the whole command."""
        return self.frames / self.seconds

    @property
    def steady_rate(self) -> float:
        """Frames a second without start-up and without what is done once for the first GOP."""
        return self.frames / max(self.seconds - self.startup - self.once, 1e-9)


def run_speed(options: SpeedOptions) -> int:
    """Time the commands one after the other, print the table (or JSON) to stdout, write it into `output`."""
    open_cache(options.cache)
    startup = _run(["--version"])[0]
    timings: list[Timing] = []
    for name in options.sequences:
        folder = sequence_folder(name, options.data, options.cache)
        for preset in options.presets:
            timings += _time_sequence(name, folder, preset, startup)
    text = _table(timings) + "\n\n" + provenance(options.command)
    if options.json:
        print(json.dumps([asdict(timing) for timing in timings], indent=1))
    else:
        print(text)
    if options.output is not None:
        write_section(options.output, "bench speed", text)
    return 0


def _time_sequence(name: str, folder: Path, preset: str, startup: float) -> list[Timing]:
    """Encode and decode, each run twice: the first run compiles kernels, the second counts."""
    frames = len(list(folder.glob("frame_*.ply")))
    with tempfile.TemporaryDirectory() as scratch:
        file, out = Path(scratch) / "speed.gsv", Path(scratch) / "frames"
        encode = [
            "encode",
            str(folder),
            "-o",
            str(file),
            "--preset",
            preset,
            "--force",
            "--json",
            "--no-cache",
        ]
        decode = ["decode", str(file), "-o", str(out), "--force", "--json"]
        _run(encode)
        seconds, report = _run(encode)
        first = report.get("first_gop_stages", {})
        once = sum(float(first.get(stage, 0.0)) for stage in ONCE_STAGES)
        encoded = Timing(
            f"{name}, encode, {preset}", frames, seconds, startup, once, report.get("stages", {})
        )
        _run(decode)
        seconds, report = _run(decode)
        decoded = Timing(f"{name}, decode, {preset}", frames, seconds, startup, 0.0, report.get("stages", {}))
    return [encoded, decoded]


def _run(arguments: Sequence[str]) -> tuple[float, dict[str, Any]]:
    """(wall seconds, its JSON document or nothing) of one command. Raises CheckFailed with its last line."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "gscodec", *arguments], capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise CheckFailed("the command to be timed failed", command=arguments[0], reason=lines[-1])
    document = json.loads(done.stdout) if "--json" in arguments else {}
    return seconds, document


def _table(timings: Sequence[Timing]) -> str:
    head = ["", "frames", "seconds", "frames/s", "frames/s after start-up and first GOP's sort, sensitivity"]
    rows = [
        [t.what, str(t.frames), f"{t.seconds:.2f}", f"{t.rate:.1f}", f"{t.steady_rate:.1f}"] for t in timings
    ]
    text = (
        "### Wall time of the commands\n\nMust reach, encoding seq-trio: `balanced` 1 frame/s in all, `fast` 8 after "
        "sort and sensitivity.\n\n" + markdown_table(head, rows)
    )
    shares = [[t.what, _shares(t)] for t in timings if t.stages]
    if shares:
        text += "\n\n### Share of each stage\n\n" + "\n".join(f"- {what}: {share}" for what, share in shares)
    return text


def _shares(timing: Timing) -> str:
    """Stages by falling share of the wall time; what no stage claims is `other`."""
    stages = dict(timing.stages)
    stages["start-up"] = timing.startup
    stages["other"] = max(0.0, timing.seconds - sum(stages.values()))
    ordered = sorted(stages.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {100 * seconds / timing.seconds:.0f} %" for name, seconds in ordered)
