"""gscodec repair: save what is whole of a cut or damaged file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gscodec.cli.common import add_json, print_json, refuse_existing


def add(commands: Any) -> None:
    p = commands.add_parser(
        "repair", help="save every whole segment of a cut or damaged file (also a .gsv.part)"
    )
    p.add_argument("input", metavar="IN")
    p.add_argument("-o", "--output", required=True, metavar="OUT.gsv")
    p.add_argument("--force", action="store_true", help="replace the output")
    add_json(p)
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from gscodec.container.check import repair

    refuse_existing(Path(args.output), args.force)
    report = repair(args.input, args.output)
    if args.json:
        print_json(
            {
                "file": args.output,
                "segments": report.segments,
                "frames": report.frames,
                "lost_frames": report.lost_frames,
                "skipped_bytes": report.skipped_bytes,
            }
        )
    else:
        print(
            f"{args.output}: {report.frames} frames in {report.segments} segments saved, "
            f"{report.lost_frames} frames lost, {report.skipped_bytes} bytes skipped"
        )
    return 1 if report.lost_frames or report.skipped_bytes else 0
