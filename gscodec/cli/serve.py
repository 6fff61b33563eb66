"""gscodec serve: files to browsers."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    p = commands.add_parser("serve", help="serve .gsv files with their player page")
    p.add_argument("paths", nargs="+", metavar="PATH", help=".gsv files or folders of them")
    p.add_argument("--host", default="127.0.0.1", help="address to listen at (default: this machine only)")
    p.add_argument("--port", type=int, default=8000, help="the next free one is taken where it is in use")
    p.add_argument("--lan", action="store_true", help="HTTPS for phones in this network, with a QR code")
    p.add_argument(
        "--allow-origin", action="append", default=[], metavar="ORIGIN", help="a site that may embed"
    )
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from gscodec.stream.options import ServeOptions
    from gscodec.stream.server import run as serve

    options = ServeOptions(
        host=args.host, port=args.port, lan=args.lan, allow_origin=tuple(args.allow_origin)
    )  # fmt: skip
    return serve(args.paths, options)
