"""gscodec train: a multi-camera capture to a .gsv file or a folder of PLY."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import Any

from gscodec.base.errors import MissingDependency
from gscodec.cli.common import note, refuse_existing
from gscodec.codec.settings import DEFAULT_QUALITY, KERNELS
from gscodec.train.settings import PRESETS, preset


def add(commands: Any) -> None:
    p = commands.add_parser("train", help="train a multi-camera capture into one .gsv file or a PLY sequence")
    p.add_argument("capture", metavar="CAPTURE", help="the capture's folder")
    p.add_argument("-o", "--output", required=True, metavar="OUT", help="OUT.gsv, or a folder for PLY files")
    p.add_argument("--preset", choices=tuple(PRESETS), default="balanced")
    p.add_argument("--frames", type=int, metavar="N", help="only the first N")
    p.add_argument("--gaussians", type=int, metavar="N")
    p.add_argument("--sh-degree", type=int, choices=(0, 1))
    p.add_argument("--kernel", choices=KERNELS)
    p.add_argument("--quality", type=float, default=DEFAULT_QUALITY, help="of the encode, 0..100")
    p.add_argument("--downscale", type=float, default=1.0, metavar="F", help="2 halves the pictures")
    p.add_argument("--hold-out", type=int, metavar="N", help="every N-th view is kept for measuring")
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument(
        "--work", type=Path, metavar="DIR", help="checkpoints (default: OUT.work); a killed run goes on"
    )
    p.add_argument("--force", action="store_true", help="replace the output")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if importlib.util.find_spec("torch") is None:
        raise MissingDependency("torch is not installed; pip install gscodec[train]")
    from gscodec.base.progress import Progress
    from gscodec.codec.pipeline import encode_sequence
    from gscodec.codec.settings import EncodeSettings
    from gscodec.splats.formats.ply import write_ply
    from gscodec.train.captures import open_capture
    from gscodec.train.trainer import train

    out = Path(args.output)
    refuse_existing(out, args.force)
    settings = preset(
        args.preset, frames=args.frames, gaussians=args.gaussians, sh_degree=args.sh_degree,
        kernel=args.kernel, device=args.device, seed=args.seed,
    )  # fmt: skip
    capture = open_capture(args.capture, downscale=args.downscale, hold_out=args.hold_out)
    for line in capture.warnings:
        note(line)
    work = args.work or out.with_name(out.name + ".work")
    with Progress("train", min(capture.n_frames, settings.frames or capture.n_frames)) as progress:
        sequence = train(capture, work, settings, progress.advance)
    if out.suffix != ".gsv":
        out.mkdir(exist_ok=True)
        for i, splats in enumerate(sequence):
            write_ply(out / f"frame_{i:05d}.ply", splats)
        print(f"{out}: {len(sequence)} frames")
        return 0
    encode = EncodeSettings(
        quality=args.quality, preset=args.preset, kernel=settings.kernel, fps=capture.fps,
        up=sequence[0].up, seed=args.seed,
    )  # fmt: skip
    report = encode_sequence(sequence, out, encode)
    print(f"{out}: {report.frames} frames, {report.bytes / 1000 / report.frames:.2f} KB a frame")
    return 0
