"""gscodec decode: a .gsv file back to PLY frames."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gscodec.base.errors import Misuse
from gscodec.cli.common import add_json, print_json, refuse_existing

if TYPE_CHECKING:
    from gscodec.splats.model import Splats


def add(commands: Any) -> None:
    p = commands.add_parser("decode", help="decode a .gsv file into PLY frames")
    p.add_argument("input", metavar="IN.gsv")
    p.add_argument("-o", "--output", required=True, metavar="DIR")
    p.add_argument("--frames", metavar="A:B", help="frames A to B - 1")
    p.add_argument("--rung", type=int, default=0, metavar="R")
    p.add_argument("--format", choices=("ply",), default="ply")
    p.add_argument("--force", action="store_true", help="replace the output folder")
    add_json(p)
    p.set_defaults(run=run)


def frame_range(text: str | None, total: int) -> range:
    """A:B within 0..total; either may be left out."""
    if text is None:
        return range(total)
    try:
        first, last = text.split(":")
        chosen = range(int(first or 0), int(last) if last else total)
    except ValueError:
        raise Misuse("frames are given as A:B", frames=text) from None
    if not 0 <= chosen.start < chosen.stop <= total:
        raise Misuse(f"frames reach beyond 0:{total}", frames=text)
    return chosen


def refuse_other_files(out: Path) -> None:
    """--force replaces a folder of frames, never anything else."""
    if not out.exists():
        return
    names = [path.name for path in out.iterdir()] if out.is_dir() else [out.name]
    if not out.is_dir() or any(name != "scene.json" and not fnmatch(name, "frame_*.ply") for name in names):
        raise Misuse("output holds other files than decoded frames; it is kept", file=str(out))


def write_folder(
    out: Path,
    frames: Iterable[tuple[int, Splats]],
    up: tuple[float, float, float],
    fps: float,
    advance: Callable[[], None],
) -> None:
    """Numbered frames as PLY, and scene.json; by rename in place of what was at `out`."""
    from gscodec.splats.formats.ply import write_ply

    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        for i, splats in frames:
            write_ply(part / f"frame_{i:04d}.ply", splats)
            advance()
        (part / "scene.json").write_text(json.dumps({"up": up, "fps": fps}))
        if out.exists():
            shutil.rmtree(out)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def run(args: argparse.Namespace) -> int:
    from gscodec.base.progress import Progress
    from gscodec.codec.pipeline import decode_file

    out = Path(args.output).absolute()  # `.` has no name to put a part beside
    sequence = decode_file(args.input, args.rung)
    chosen = frame_range(args.frames, len(sequence))
    refuse_existing(out, args.force)
    refuse_other_files(out)
    start = time.perf_counter()
    with Progress("decode", len(chosen), quiet=args.json) as progress:
        write_folder(out, ((i, sequence[i]) for i in chosen), sequence.up, sequence.fps, progress.advance)
    seconds = time.perf_counter() - start
    if args.json:
        print_json(
            {"folder": args.output, "frames": len(chosen), "seconds": seconds, "fps": len(chosen) / seconds}
        )
    else:
        print(f"{args.output}: {len(chosen)} frames, {len(chosen) / seconds:.1f} a second")
    return 0
