"""gscodec eval: how near is one sequence to another, by the project's measure."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gscodec.cli.common import add_json, note, print_json, vector3


def add(commands: Any) -> None:
    p = commands.add_parser("eval", help="foreground PSNR and SSIM of a sequence or .gsv against a reference")
    p.add_argument("reference", metavar="REFERENCE", help="a folder, file or wildcard of splats")
    p.add_argument("test", metavar="TEST", help="a .gsv file or a sequence")
    p.add_argument("--views", default="test", metavar="test|close|low|FILE")
    p.add_argument("--up", type=vector3, metavar="X,Y,Z")
    p.add_argument(
        "--no-temporal", action="store_true", help="leave the temporal measure out (all frames are drawn)"
    )
    add_json(p)
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from gscodec.base.progress import Progress
    from gscodec.codec.pipeline import decode_file
    from gscodec.render.measure import compare, views_of
    from gscodec.splats.sequence import open_sequence

    reference = open_sequence([args.reference], up=args.up, notes=note)
    is_gsv = args.test.endswith((".gsv", ".part"))
    test = decode_file(args.test) if is_gsv else open_sequence([args.test], up=args.up)
    cameras = views_of(reference, args.views)
    kernel = test.file.header.kernel if is_gsv else "classic"  # type: ignore[union-attr]
    borders = test.gop_borders() if is_gsv else []  # type: ignore[union-attr]
    with Progress("eval", None, unit="pictures", quiet=args.json) as progress:
        report = compare(
            reference,
            test,
            cameras,
            kernel=kernel,
            temporal=not args.no_temporal,
            borders=borders,
            progress=progress,
        )
    document = report.to_json()
    if is_gsv:
        document["bytes_per_frame"] = Path(args.test).stat().st_size / len(test)
    if args.json:
        print_json(document)
        return 0
    line = f"PSNR {document['psnr']['mean']:.2f} dB (worst {document['psnr']['worst']:.2f}), SSIM {document['ssim']['mean']:.4f}"
    if "bytes_per_frame" in document:
        line += f", {document['bytes_per_frame'] / 1000:.2f} KB a frame"
    print(line)
    return 0
