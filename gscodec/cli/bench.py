"""gscodec bench: the figures of BENCHMARKS.md, one command each."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gscodec.bench.parts import RD_PARTS, TRAIN_PARTS


def add(commands: Any) -> None:
    p = commands.add_parser(
        "bench", help="measure codec, player, training or GPU kernels and write the tables"
    )
    kinds = p.add_subparsers(dest="kind", metavar="KIND", required=True)
    rd = kinds.add_parser("rd", help="bytes at equal pictures, beside the peers; what each tool is worth")
    rd.add_argument("--only", nargs="+", choices=RD_PARTS, help="some of the tables (default: all)")
    rd.add_argument("--scenes", nargs="*", metavar="NAME", help="static scenes (default: all)")
    rd.add_argument("--tools", nargs="+", metavar="NAME", help="tools to switch off (default: all)")
    rd.add_argument("--no-peers", action="store_true", help="measure our payloads alone")
    rd.add_argument("--jobs", type=int, default=2, metavar="N", help="processes (default 2)")
    rd.add_argument("--cache", type=Path, metavar="DIR", help="measured points (default: bench-cache)")
    speed = kinds.add_parser("speed", help="encode and decode")
    decode = kinds.add_parser("decode", help="the player's decoder of compact files, under Node")
    for k in (rd, speed, decode):
        k.add_argument("--data", type=Path, metavar="DIR", help="the test data (default: $GSCODEC_TEST_DATA)")
        k.add_argument("--sequences", nargs="*", metavar="NAME")
    cuda = kinds.add_parser("cuda", help="the GPU's kernels")
    train = kinds.add_parser("train", help="what training reaches, and what its streams cost")
    train.add_argument("--only", nargs="+", choices=TRAIN_PARTS, help="some of the tables (default: all)")
    train.add_argument("--captures", nargs="+", metavar="NAME", help="some of the captures (default: all)")
    train.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    train.add_argument("--data", type=Path, metavar="DIR", help="the test data (default: $GSCODEC_TEST_DATA)")
    train.add_argument(
        "--cache", type=Path, metavar="DIR", help="checkpoints and points (default: bench-cache)"
    )
    for k in (rd, speed, decode, cuda, train):
        k.add_argument("--json", action="store_true")
        k.add_argument(
            "--output",
            type=Path,
            metavar="FILE",
            help="where the tables go (default: BENCHMARKS.md; of a selection: nowhere, they are printed)",
        )
        k.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.kind == "cuda":
        from gscodec.bench.cuda import CudaOptions, run_cuda

        return run_cuda(CudaOptions(**_given({"json": args.json, "output": args.output})))
    if args.kind == "train":
        return _train(args)
    shared = {"data": args.data, "json": args.json, "sequences": _some(args.sequences)}
    if args.kind == "speed":
        from gscodec.bench.speed import SpeedOptions, run_speed

        return run_speed(SpeedOptions(**_page({**shared, "output": args.output}, {"sequences"})))
    if args.kind == "decode":
        from gscodec.bench.decode import DecodeOptions, run_decode

        return run_decode(DecodeOptions(**_page({**shared, "output": args.output}, {"sequences"})))
    from gscodec.bench.rd import RdOptions, run_rd

    options = {
        **shared,
        "parts": _some(args.only),
        "scenes": _some(args.scenes),
        "tools": _some(args.tools),
        "peers": not args.no_peers,
        "jobs": args.jobs,
        "cache": args.cache,
        "output": args.output,
    }
    selecting = {"sequences", "scenes", "tools"} | ({"peers"} if args.no_peers else set())
    return run_rd(RdOptions(**_page(options, selecting)))


def _train(args: argparse.Namespace) -> int:
    from gscodec.bench.train import TrainBenchOptions, run_train

    options = {
        "data": args.data, "parts": _some(args.only), "captures": _some(args.captures), "device": args.device,
        "cache": args.cache, "json": args.json, "output": args.output,
    }  # fmt: skip
    return run_train(TrainBenchOptions(**_page(options, {"parts", "captures"})))


def _some(names: list[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)


def _page(options: dict[str, Any], selecting: set[str]) -> dict[str, Any]:
    """Those that were given; where one of `selecting` was, and no page, none: half a table does not replace a whole one."""
    given = _given(options)
    if "output" not in given and given.keys() & selecting:
        given["output"] = None
    return given


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Those that were given."""
    return {name: value for name, value in options.items() if value is not None}
