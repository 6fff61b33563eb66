"""gscodec render: pictures or a film of a sequence or .gsv file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gscodec.base.errors import Misuse
from gscodec.cli.common import note, refuse_existing, vector3


def add(commands: Any) -> None:
    p = commands.add_parser("render", help="draw frames as PNG, or the sequence as MP4")
    p.add_argument("input", metavar="IN", help="a .gsv file or a sequence of splats")
    p.add_argument("-o", "--output", required=True, metavar="OUT.png|OUT.mp4")
    p.add_argument("--frame", type=int, default=0, help="for PNG")
    p.add_argument("--view", type=int, default=0, metavar="N", help="number of the view")
    p.add_argument("--views", default="test", metavar="test|close|low|FILE")
    p.add_argument("--up", type=vector3, metavar="X,Y,Z")
    p.add_argument("--background", type=float, default=0.0, help="0 black .. 1 white")
    p.add_argument("--force", action="store_true")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import numpy as np

    from gscodec.base.progress import Progress
    from gscodec.codec.pipeline import decode_file
    from gscodec.render.measure import views_of
    from gscodec.render.output import write_mp4, write_png
    from gscodec.render.rasterize import rasterize
    from gscodec.splats.sequence import open_sequence

    out = Path(args.output)
    refuse_existing(out, args.force)
    is_gsv = args.input.endswith((".gsv", ".part"))
    sequence: Any = decode_file(args.input) if is_gsv else open_sequence([args.input], up=args.up, notes=note)
    kernel = sequence.file.header.kernel if is_gsv else "classic"
    cameras = views_of(sequence, args.views)
    if not 0 <= args.view < len(cameras) or not 0 <= args.frame < len(sequence):
        raise Misuse("no such view or frame", views=len(cameras), frames=len(sequence))

    def picture(i: int) -> Any:
        rgb, _ = rasterize(sequence[i], cameras[args.view], kernel=kernel, background=args.background)
        return np.clip(rgb * 255 + 0.5, 0, 255).astype(np.uint8)

    if out.suffix == ".png":
        write_png(out, picture(args.frame))
    elif out.suffix == ".mp4":
        with Progress("render", len(sequence)) as progress:

            def pictures() -> Any:
                for i in range(len(sequence)):
                    yield picture(i)
                    progress.advance()

            write_mp4(out, pictures(), sequence.fps)
    else:
        raise Misuse("the output ends in .png or .mp4", file=str(out))
    print(out)
    return 0
