"""What several commands share: output paths, vectors, JSON."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

from gscodec.base.errors import Misuse

__all__ = ["add_json", "note", "print_json", "refuse_existing", "vector3"]


def vector3(text: str) -> tuple[float, float, float]:
    """X,Y,Z as of --up."""
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not X,Y,Z") from None
    if not all(map(math.isfinite, (x, y, z))) or (x, y, z) == (0, 0, 0):
        raise argparse.ArgumentTypeError(f"'{text}' is not a direction")
    return x, y, z


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def print_json(document: Any) -> None:
    json.dump(document, sys.stdout, indent=2)
    print()


def note(line: str) -> None:
    """A remark for people, on stderr."""
    print(line, file=sys.stderr)


def refuse_existing(path: Path, force: bool) -> None:
    """Keep what is there unless --force."""
    if path.exists() and not force:
        raise Misuse("output exists; --force replaces it", file=str(path))
    if not path.parent.is_dir():
        raise Misuse("the folder of the output does not exist", file=str(path))
