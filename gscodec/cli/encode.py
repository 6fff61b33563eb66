"""gscodec encode: a sequence of splats to a .gsv file."""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gscodec.cli.common import add_json, note, print_json, refuse_existing, vector3
from gscodec.codec.settings import (
    DEFAULT_PAYLOAD,
    DEFAULT_QUALITY,
    DEVICES,
    KERNELS,
    PAYLOADS,
    PRESETS,
    EncodeSettings,
    target_psnr,
)

if TYPE_CHECKING:
    from gscodec.codec.pipeline import EncodeReport

MISSED_DB = 1.0  # of what was asked for, that is told


def add(commands: Any) -> None:
    p = commands.add_parser(
        "encode", help="encode a folder, files or a wildcard of splats into one .gsv file"
    )
    p.add_argument("inputs", nargs="+", metavar="INPUT", help="a folder, one or more files, or a wildcard")
    p.add_argument("-o", "--output", required=True, metavar="OUT.gsv")
    p.add_argument(
        "--quality",
        type=float,
        default=DEFAULT_QUALITY,
        help=f"0..100; ten steps are 2.5 dB (default {DEFAULT_QUALITY:g})",
    )
    p.add_argument("--preset", choices=PRESETS, default="balanced")
    p.add_argument(
        "--payload",
        choices=PAYLOADS,
        default=DEFAULT_PAYLOAD,
        help=f"auto: the smaller that a player decodes in time, and says why (default {DEFAULT_PAYLOAD})",
    )
    p.add_argument("--gop", type=int, metavar="N", help="frames of a GOP (default: a second, at most 30)")
    p.add_argument("--fps", type=float, metavar="F")
    p.add_argument("--up", type=vector3, metavar="X,Y,Z")
    p.add_argument(
        "--kernel", choices=KERNELS, default="classic", help="the kernel that the splats were trained for"
    )
    p.add_argument("--zone", metavar="FILE", help="cameras where viewers stand (JSON as views.json)")
    p.add_argument(
        "--device", choices=DEVICES, default="cpu", help="cuda: sensitivity and packing on the GPU"
    )
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--workers", type=int, default=1, metavar="N", help="GOPs encoded in parallel")
    p.add_argument(
        "--no-cache",
        action="store_true",
        help="measure sensitivities anew; else those of the same frames are kept in the user's cache folder",
    )
    p.add_argument(
        "--drop-hidden",
        action="store_true",
        help="leave out what can't be seen of a static scene from outside: for objects, not for rooms",
    )
    p.add_argument("--force", action="store_true", help="replace the output")
    add_json(p)
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from gscodec.base.progress import Progress
    from gscodec.codec.pipeline import encode_sequence
    from gscodec.render.kept import SensitivityCache
    from gscodec.splats.scene import load_views
    from gscodec.splats.sequence import open_sequence

    out = Path(args.output)
    refuse_existing(out, args.force)
    # numba's threads do not survive a fork: workers start afresh
    multiprocessing.set_start_method("spawn", force=True)
    sequence = open_sequence(args.inputs, fps=args.fps, up=args.up, notes=note)
    zone = load_views(args.zone) if args.zone else sequence.scene.zone
    settings = EncodeSettings(
        quality=args.quality, preset=args.preset, payload=args.payload, gop=args.gop, fps=args.fps, up=args.up,
        kernel=args.kernel, device=args.device, seed=args.seed, workers=args.workers,
        drop_hidden=args.drop_hidden,
    )  # fmt: skip
    cache = None if args.no_cache else SensitivityCache()
    with Progress("encode", len(sequence), quiet=args.json) as progress:
        report = encode_sequence(sequence, out, settings, zone=zone, progress=progress.advance, cache=cache)
    for line in _notes(report, settings, sequence.counts[0]):
        note(line)
    if args.json:
        print_json(
            {
                "file": str(out),
                "frames": report.frames,
                "gops": report.gops,
                "bytes": report.bytes,
                "bytes_per_frame": report.bytes / report.frames,
                "payload": {"kind": report.payload, "why": report.why},
                "psnr": {"mean": report.psnr, "worst": report.worst},
                "hidden": report.hidden,
                "bytes_by": report.bytes_by,
                "seconds": report.seconds,
                "stages": report.stages,
                "first_gop_stages": report.first_gop_stages,
            }
        )
        return 0
    per_frame = report.bytes / 1000 / report.frames
    print(
        f"{out}: {report.frames} frames, {report.bytes / 1000:.1f} KB, {per_frame:.2f} KB a frame, "
        f"{report.psnr:.1f} dB (worst {report.worst:.1f}) on the encoder's own views, {report.seconds:.1f} s"
    )
    return 0


def _notes(report: EncodeReport, settings: EncodeSettings, gaussians: int) -> Iterator[str]:
    """What the settings alone don't tell."""
    if report.why:
        yield report.why
    if report.hidden:
        yield f"left out {report.hidden} of {gaussians} Gaussians, hidden from all around"
    elif settings.drop_hidden and (report.frames > 1 or settings.preset == "fast"):
        yield "--drop-hidden leaves out nothing of more than one frame, and nothing with --preset fast"
    wanted = target_psnr(settings.quality)
    if report.psnr < wanted - MISSED_DB:
        reason = (
            "; positions are told to a millionth of the extent: are some Gaussians far away?" * report.coarse
        )
        yield f"{report.psnr:.1f} dB instead of the {wanted:.1f} that were asked for{reason}"
