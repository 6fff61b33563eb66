"""gscodec info: what a .gsv file holds."""

from __future__ import annotations

import argparse
from typing import Any

from gscodec.cli.common import add_json, print_json


def add(commands: Any) -> None:
    p = commands.add_parser("info", help="say what a .gsv file holds")
    p.add_argument("input", metavar="IN.gsv")
    add_json(p)
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import msgspec

    from gscodec.codec.inspect import describe_segment
    from gscodec.container import GsvFile

    file = GsvFile.open(args.input)
    first_rung = [e for e in file.index if e.rung == file.header.rungs[0].id]
    frames = sum(e.n_frames for e in first_rung)
    segment = describe_segment(file.read_segment(file.index[0])) if file.index else {}
    document = {
        **msgspec.to_builtins(file.header),
        "bytes": file.size,
        "bytes_per_frame": file.size / max(frames, 1),
        "seconds": frames * file.header.fps[1] / file.header.fps[0],
        "gops": len(first_rung),
        "complete": file.complete,
        "first_segment": segment,
    }
    if args.json:
        print_json(document)
        return 0
    head = file.header
    print(
        f"{args.input}: {frames} frames at {head.fps[0] / head.fps[1]:g} a second, {document['seconds']:.2f} s"
    )
    print(
        f"  {file.size / 1000:.1f} KB, {document['bytes_per_frame'] / 1000:.2f} KB a frame, {len(first_rung)} GOPs"
    )
    print(f"  SH degree {head.sh_degree}, kernel {head.kernel}, up {','.join(f'{x:g}' for x in head.up)}")
    for rung in head.rungs:
        print(f"  rung {rung.id}: {rung.payload}, {rung.slots} slots, quality {rung.quality:g}")
    for name, value in segment.items():
        print(f"  {name.replace('_', ' ')}: {value}")
    return 0
