"""gscodec bench: the figures of BENCHMARKS.md, one command each."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    p = commands.add_parser("bench", help="measure rate-distortion or speed and write the tables")
    kinds = p.add_subparsers(dest="kind", metavar="KIND", required=True)
    for kind, text in (
        ("rd", "bytes at equal pictures, beside the V3-like peer"),
        ("speed", "encode and decode"),
        ("decode", "the player's decoder of compact files, under Node"),
    ):
        k = kinds.add_parser(kind, help=text)
        k.add_argument("--data", type=Path, metavar="DIR", help="the test data (default: $GSCODEC_TEST_DATA)")
        k.add_argument("--sequences", nargs="+", metavar="NAME")
        k.add_argument("--json", action="store_true")
        k.add_argument(
            "--output", type=Path, metavar="FILE", help="where the tables go (default: BENCHMARKS.md)"
        )
        k.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.kind == "rd":
        from gscodec.bench.rd import RdOptions, run_rd

        return run_rd(_options(RdOptions, args))
    if args.kind == "decode":
        from gscodec.bench.decode import DecodeOptions, run_decode

        return run_decode(_options(DecodeOptions, args))
    from gscodec.bench.speed import SpeedOptions, run_speed

    return run_speed(_options(SpeedOptions, args))


def _options(kind: Any, args: argparse.Namespace) -> Any:
    """The dataclass of options, of those arguments that were given."""
    sequences = tuple(args.sequences) if args.sequences else None
    given = {"data": args.data, "sequences": sequences, "json": args.json or None, "output": args.output}
    return kind(**{name: value for name, value in given.items() if value is not None})
