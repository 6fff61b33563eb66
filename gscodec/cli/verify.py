"""gscodec verify: is a .gsv file whole, and does every segment decode?"""

from __future__ import annotations

import argparse
from typing import Any

from gscodec.cli.common import add_json, print_json


def add(commands: Any) -> None:
    p = commands.add_parser("verify", help="check a .gsv file: checksums, index, every segment")
    p.add_argument("input", metavar="IN.gsv")
    add_json(p)
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from gscodec.codec.decoder import decode_segment
    from gscodec.container.check import verify

    report = verify(args.input, lambda payload: decode_segment(payload).n_frames)
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
