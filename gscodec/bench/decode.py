"""`gscodec bench decode`: how fast the player's decoder is, under Node, on a sequence tiled to 100,000 Gaussians."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gscodec
from gscodec.base.errors import CheckFailed, MissingDependency
from gscodec.bench.data import code_digest, folder_digest, open_cache, sequence_folder
from gscodec.bench.tables import markdown_table, provenance, write_section
from gscodec.bench.tiles import TiledSequence
from gscodec.codec.settings import EncodeSettings
from gscodec.splats.sequence import open_sequence

__all__ = ["DecodeOptions", "run_decode"]

COUNT = 100_000
FRAMES = 192  # eight GOPs of 24: one base, and the seven that share it, as in every longer file
OUR_CODE = ("codec/pipeline.py", "bench/tiles.py")
SCRIPT = Path("player_web/bench/decode.mjs")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeOptions:
    """`quality`: of the encode; `output`: the Markdown file whose section is replaced, None for none."""

    data: Path | None = None
    sequences: tuple[str, ...] = ("seq-fox",)
    quality: float = 40.0  # about 40 dB, where rates are compared
    json: bool = False
    cache: Path = Path("bench-cache")
    output: Path | None = Path("BENCHMARKS.md")
    command: str = "gscodec bench decode"


def run_decode(options: DecodeOptions) -> int:
    """Tile, encode `compact` (kept in the cache), decode under Node with one and two workers, report.

    Raises MissingDependency where Node or the player's sources are not at hand.
    """
    open_cache(options.cache)
    reports = []
    for name in options.sequences:
        file = _tiled_file(name, sequence_folder(name, options.data, options.cache), options)
        reports.append({"sequence": name, **decode_in_node(file)})
    text = decode_table(reports) + "\n\n" + provenance(options.command)
    print(json.dumps(reports, indent=1) if options.json else text)
    if options.output is not None:
        write_section(options.output, "bench decode", text)
    return 0


def _tiled_file(name: str, folder: Path, options: DecodeOptions) -> Path:
    """The encoded tiles, by what they depend on."""
    from gscodec.codec.pipeline import encode_sequence

    settings = EncodeSettings(quality=options.quality, preset="fast", payload="compact")
    key = f"{folder_digest(folder)}-{code_digest(*OUR_CODE)}-{options.quality:g}"
    path = options.cache / "tiled" / f"{name}-{key}.gsv"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        encode_sequence(TiledSequence(open_sequence([folder]), COUNT, FRAMES), path, settings)
    return path


def decode_in_node(file: Path, arguments: Sequence[str] = ()) -> dict[str, Any]:
    """What bench/decode.mjs tells of a file."""
    script = Path(gscodec.__file__).parent.parent / SCRIPT
    node = shutil.which("node")
    if node is None or not (script.parents[1] / "node_modules").is_dir():
        raise MissingDependency(
            "the player's decoder runs under Node: install nodejs and npm, then `make player`",
            script=str(SCRIPT),
        )
    command = [node, str(script), str(file), "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise CheckFailed("the player's decoder failed", file=str(file), reason=lines[-1])
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def decode_table(reports: Sequence[dict[str, Any]]) -> str:
    """A row for each sequence and number of workers."""
    head = [
        "",
        "frames/s",
        "processor, ms a frame",
        "base, decode, rebuild: ms a frame",
        "MB a decoded segment",
    ]
    head += ["MB at most in all"]
    rows = []
    for report in reports:
        rate = report["bytes"] / report["frames"] / 1000
        for result in report["results"]:
            parts = result["milliseconds_a_frame"]
            rows.append(
                [
                    f"{report['sequence']}, {result['slots']} Gaussians, {rate:.0f} KB a frame, "
                    f"{result['workers']} worker{'s' * (result['workers'] > 1)}",
                    f"{result['frames_per_second']:.1f}",
                    f"{result['cpu_milliseconds_a_frame']:.1f}",
                    f"{parts['base']:.1f}, {parts['decode']:.1f}, {parts['rebuild']:.1f}",
                    f"{result['megabytes_a_segment']:.0f}",
                    f"{result['peak_rss_megabytes']}",
                ]
            )
    return "### The player's decoder of `compact` under Node\n\n" + markdown_table(head, rows)
