"""gscodec demo: make the sample, encode it, serve it while it grows."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path
from typing import Any

from gscodec.cli.common import note


def add(commands: Any) -> None:
    p = commands.add_parser("demo", help="make a sample sequence, encode it and serve it")
    p.add_argument(
        "-o", "--output", default="demo", metavar="DIR", help="where the sample goes (default: demo)"
    )
    p.add_argument("--frames", type=int, default=120, metavar="T")
    p.add_argument("--gaussians", type=int, default=40000, metavar="N")
    p.add_argument("--port", type=int, default=8000)
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from gscodec.splats.sample import make_sample
    from gscodec.stream.options import ServeOptions
    from gscodec.stream.server import run as serve

    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / "sample.gsv"
    if not out.exists():
        note("encoding the sample; it can be watched while it grows")
        ready = threading.Event()
        failed: list[BaseException] = []
        worker = threading.Thread(
            target=_encode, args=(make_sample(args.frames, args.gaussians), out, ready, failed), daemon=True
        )
        worker.start()
        while worker.is_alive() and not ready.wait(0.2):
            pass
        if failed:
            raise failed[0]  # nothing to serve; a later failure leaves what there is to watch
    part = out.with_name(out.name + ".part")
    try:
        return serve([str(out if out.exists() else part)], ServeOptions(port=args.port))
    finally:
        part.unlink(missing_ok=True)  # stopped before the encode was done: the next demo starts anew


def _encode(sequence: Any, out: Path, ready: threading.Event, failed: list[BaseException]) -> None:
    from gscodec.codec.pipeline import encode_sequence
    from gscodec.codec.settings import EncodeSettings

    def advance(frames: int, remark: str) -> None:
        note(f"encode: {frames} frames more, {remark}")
        ready.set()

    try:
        report = encode_sequence(sequence, out, EncodeSettings(preset="fast"), progress=advance)
        note(f"{out}: {report.frames} frames, {report.bytes / 1000 / report.frames:.1f} KB a frame")
    except BaseException as error:
        failed.append(error)
    finally:
        ready.set()
