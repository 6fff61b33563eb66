"""Parses, dispatches, and turns errors into one clear line and an exit code (see base/errors.py)."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from gscodec import __version__
from gscodec.base.errors import GscodecError, MissingDependency

__all__ = ["COMMANDS", "main"]

COMMANDS = (
    "sample", "encode", "decode", "info", "verify", "repair", "eval", "render", "serve", "train", "demo", "bench", "doctor",
)  # fmt: skip
INTERRUPTED = 130


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gscodec", description="A streaming codec for volumetric video made of 3D Gaussians."
    )
    parser.add_argument("--version", action="version", version=f"gscodec {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"gscodec.cli.{name}").add(commands)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    args = build_parser().parse_args(argv)
    # Before numpy is imported: our own threads keep the processors busy, and two layers of threads wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        code = int(args.run(args))
        sys.stdout.flush()
        return code
    except GscodecError as error:
        print(f"gscodec {args.command}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"gscodec {args.command}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read us is gone (`| head`): the flush at exit must not fail a second time
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("gscodec"):
            raise
        print(f"gscodec {args.command}: {error.name} is not installed; pip install gscodec", file=sys.stderr)
        return MissingDependency.exit_code
    except OSError as error:
        print(f"gscodec {args.command}: {error.strerror or error} (file={error.filename})", file=sys.stderr)
        return 3
