"""gscodec verify: is a .gsv file whole, and does every segment decode?"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from gscodec.cli.common import add_json, print_json


def add(commands: Any) -> None:
    p = commands.add_parser("verify", help="check a .gsv file: checksums, index, every segment")
    p.add_argument("input", metavar="IN.gsv")
    add_json(p)
    p.set_defaults(run=run)


def _decoder() -> Callable[[bytes, bytes | None], int]:
    from gscodec.codec.decoder import decode_base, decode_segment

    planes = lru_cache(maxsize=1)(decode_base)  # neighbours share one base
    return lambda payload, base: decode_segment(payload, base=planes(base) if base else None).n_frames


def run(args: argparse.Namespace) -> int:
    from gscodec.container.check import verify

    report = verify(args.input, _decoder())
    if args.json:
        print_json(
            {
                "ok": not report.problems,
                "frames": report.frames,
                "segments": report.segments,
                "bytes": report.bytes,
                "problems": report.problems,
            }
        )
    else:
        for problem in report.problems:
            print(f"{args.input}: {problem}")
        if not report.problems:
            print(f"{args.input}: whole; {report.frames} frames in {report.segments} segments decode")
    return 1 if report.problems else 0
