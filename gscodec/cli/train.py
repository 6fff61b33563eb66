"""gscodec train: a multi-camera capture to a .gsv file or a folder of PLY."""

from __future__ import annotations

import argparse
import importlib.util
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gscodec.base.errors import MissingDependency, Misuse
from gscodec.cli.common import add_json, note, print_json, refuse_existing
from gscodec.cli.decode import frame_range, refuse_other_files, write_folder
from gscodec.codec.settings import DEFAULT_QUALITY, EncodeSettings
from gscodec.train.settings import CODEC_LOSSES, KERNELS, PRESETS, preset

if TYPE_CHECKING:
    from gscodec.train.pipeline import TrainedSequence
    from gscodec.train.plan import Plan


def add(commands: Any) -> None:
    p = commands.add_parser("train", help="train a multi-camera capture into one .gsv file or a PLY sequence")
    p.add_argument("capture", metavar="CAPTURE", help="the capture's folder")
    p.add_argument("-o", "--output", required=True, metavar="OUT", help="OUT.gsv, or a folder for PLY files")
    p.add_argument("--preset", choices=tuple(PRESETS), default="balanced")
    p.add_argument("--frames", metavar="A:B", help="frames A to B - 1")
    p.add_argument(
        "--gaussians",
        type=int,
        metavar="N",
        help="slots at most in a frame: those not worth their bits go (default: preset's)",
    )
    p.add_argument("--sh-degree", type=int, choices=(0, 1), help="default 1")
    p.add_argument("--kernel", choices=KERNELS, help="default classic; analytic: PLY only")
    p.add_argument(
        "--views-per-step", type=int, metavar="B", help="views drawn for a step of the key frame (default 1)"
    )
    p.add_argument(
        "--prune", type=float, metavar="SHARE", help="train so many more slots, then drop what shows least"
    )
    p.add_argument(
        "--mask-weight", type=float, metavar="W", help="learn which slots are not needed (default 0: off)"
    )
    p.add_argument(
        "--camera-colours", action=argparse.BooleanOptionalAction, help="learn a colour map for each camera"
    )
    p.add_argument(
        "--births",
        action=argparse.BooleanOptionalAction,
        help="free slots show what appears inside a GOP (default: on)",
    )
    p.add_argument(
        "--distil-from", type=int, choices=(2, 3), help="train SH of that degree, then distil them"
    )
    p.add_argument(
        "--preview-every",
        type=int,
        metavar="N",
        help="steps of the key frame between pictures in the work folder; then one a frame",
    )
    p.add_argument(
        "--codec-losses",
        type=_losses,
        metavar="A,B",
        help=f"of {', '.join(CODEC_LOSSES)}, or none (default: all)",
    )
    p.add_argument(
        "--quality", type=float, default=DEFAULT_QUALITY, help="of the encode that is trained for, 0..100"
    )
    p.add_argument("--downscale", type=float, default=1.0, metavar="F", help="2 halves the pictures")
    p.add_argument("--layout", metavar="NAME", help="of the capture, where it is not recognised")
    p.add_argument(
        "--hold-out",
        type=_held_out,
        metavar="N|A,B",
        help="every N-th view, or those of these names, are kept for measuring",
    )
    p.add_argument(
        "--gop",
        type=int,
        metavar="N",
        help="frames that are trained one after the other (default: as many as a base of the stream lasts)",
    )
    p.add_argument("--workers", type=int, default=1, metavar="N", help="GOPs trained and encoded in parallel")
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument(
        "--work", type=Path, metavar="DIR", help="checkpoints (default: OUT.work); a killed run goes on"
    )
    p.add_argument("--force", action="store_true", help="replace the output")
    add_json(p)
    p.set_defaults(run=run)


def _losses(text: str) -> tuple[str, ...]:
    """In the order of CODEC_LOSSES; TrainSettings refuses what is not one of them."""
    names = set() if text == "none" else {name.strip() for name in text.split(",")}
    return tuple(n for n in CODEC_LOSSES if n in names) + tuple(sorted(names - set(CODEC_LOSSES)))


def _held_out(text: str) -> int | tuple[str, ...]:
    return int(text) if text.isdecimal() else tuple(name.strip() for name in text.split(","))


def _need(device: str) -> None:
    for name in ("torch", "gsplat") if device == "cuda" else ("torch",):
        if importlib.util.find_spec(name) is None:
            raise MissingDependency(f"{name} is not installed; pip install 'gscodec[train]'")


def run(args: argparse.Namespace) -> int:
    settings = preset(
        args.preset, gaussians=args.gaussians, sh_degree=args.sh_degree, kernel=args.kernel, device=args.device,
        seed=args.seed, views_per_step=args.views_per_step, prune=args.prune, mask_weight=args.mask_weight,
        camera_colours=args.camera_colours, preview_every=args.preview_every,
        distil_from=args.distil_from, codec=args.codec_losses, quality=args.quality, gop=args.gop,
        births=args.births,
    )  # fmt: skip
    out = Path(args.output).absolute()
    refuse_existing(out, args.force)
    to_folder = out.suffix != ".gsv"
    if settings.kernel == "analytic" and not to_folder:
        raise Misuse("no player draws the analytic kernel yet: write a folder of PLY", field="--kernel")
    if to_folder:
        refuse_other_files(out)
    encode = EncodeSettings(
        quality=args.quality, preset=args.preset, seed=args.seed, workers=args.workers, device=args.device
    )
    _need(args.device)
    from gscodec.base.progress import Progress
    from gscodec.train.captures import open_capture
    from gscodec.train.pipeline import train_sequence
    from gscodec.train.plan import make_plan

    started = time.monotonic()
    reopen = partial(
        open_capture, args.capture, layout=args.layout, downscale=args.downscale, hold_out=args.hold_out
    )
    capture = reopen()
    for line in capture.warnings:
        note(line)
    frames = frame_range(args.frames, capture.n_frames)
    work = args.work or out.with_name(out.name + ".work")
    plan = make_plan(capture.fps, settings.gop, frames)
    with Progress("train", plan.steps(settings), unit="steps", quiet=args.json) as progress:
        sequence = train_sequence(
            capture, work, settings, frames, progress.advance, workers=args.workers, reopen=reopen
        )
    seconds = time.monotonic() - started
    document = _report(sequence, plan) | {"file": str(out), "seconds_training": seconds}
    if to_folder:
        write_folder(out, zip(frames, sequence, strict=True), sequence[0].up, sequence.fps, lambda: None)
    else:
        document |= _encode(sequence, out, plan, encode, args.json)
    if args.json:
        print_json(document)
        return 0
    line = f"{out}: {len(sequence)} frames of {document['gaussians']} Gaussians at most"
    if "psnr" in document:
        line += f", held out {document['psnr']['mean']:.2f} dB (worst frame {document['psnr']['worst']:.2f})"
    if "difference" in document.get("temporal", {}):
        line += f", temporal {document['temporal']['difference']:+.2f} dB across GOP borders"
    if "bytes_per_frame" in document:
        line += f", {document['bytes_per_frame'] / 1000:.2f} KB a frame"
        if "psnr_decoded" in document:
            line += f", decoded {document['psnr_decoded']['mean']:.2f} dB"
    print(line)
    return 0


def _report(sequence: TrainedSequence, plan: Plan) -> dict[str, Any]:
    return {
        "frames": len(sequence),
        "gaussians": sequence.most_gaussians(),
        "gops": len(plan.starts),
        "still": sequence.still_share(),
        **_scores(sequence, sequence, "psnr"),
        **_temporal(sequence, sequence, plan, "temporal"),
    }


def _temporal(sequence: TrainedSequence, shown: Any, plan: Plan, name: str) -> dict[str, Any]:
    """The temporal measure inside and across GOPs; nothing where there is one GOP or no view is held out."""
    from gscodec.train.seams import measure_seams

    if len(plan.starts) == 1 or not sequence.capture.test_views:
        return {}
    kernel = sequence.settings.kernel
    return {name: measure_seams(sequence.capture, plan.frames, shown, plan.starts, kernel).to_json()}


def _scores(sequence: TrainedSequence, shown: Any, name: str) -> dict[str, Any]:
    """Held-out PSNR of `shown`, frame by frame; nothing where no view is held out."""
    from gscodec.train.pipeline import held_out_psnr

    by_frame = []
    for frame, splats in zip(sequence.frames, shown, strict=True):
        scores = held_out_psnr(sequence.capture, splats, frame, sequence.settings.kernel)
        if not scores:
            return {}
        by_frame.append(sum(scores) / len(scores))
    mean = sum(by_frame) / len(by_frame)
    return {name: {"mean": mean, "worst": min(by_frame), "by_frame": by_frame}}


def _encode(
    sequence: TrainedSequence, out: Path, plan: Plan, encode: EncodeSettings, quiet: bool
) -> dict[str, Any]:
    from gscodec.base.progress import Progress
    from gscodec.codec.pipeline import decode_file, encode_sequence

    encode = replace(
        encode, kernel=sequence.settings.kernel, gop=plan.spread, fps=sequence.fps, up=sequence[0].up
    )
    with Progress("encode", len(sequence), quiet=quiet) as progress:
        report = encode_sequence(
            sequence, out, encode, zone=sequence.capture.zone(), progress=progress.advance
        )
    return {
        "bytes": report.bytes,
        "bytes_per_frame": report.bytes / report.frames,
        **_scores(sequence, decode_file(out), "psnr_decoded"),
        **_temporal(sequence, decode_file(out), plan, "temporal_decoded"),
    }
