"""gscodec sample: write the demo sequence."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    p = commands.add_parser("sample", help="write an animated sample sequence (PLY frames)")
    p.add_argument("-o", "--output", required=True, metavar="DIR")
    p.add_argument("--frames", type=int, default=120, metavar="T")
    p.add_argument("--gaussians", type=int, default=40000, metavar="N")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--force", action="store_true", help="replace a sample that is there")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from gscodec.base.progress import Progress
    from gscodec.splats.sample import write_sample

    with Progress("sample", args.frames) as progress:
        for _ in write_sample(args.output, args.frames, args.gaussians, args.seed, force=args.force):
            progress.advance()
    print(args.output)
    return 0
