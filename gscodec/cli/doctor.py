"""gscodec doctor: what this machine has, and what to do about what it lacks."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import shutil
from pathlib import Path
from typing import Any

from gscodec import __version__
from gscodec.cli.common import add_json, print_json

PACKAGES = ("numpy", "numba", "scipy", "av", "zstandard", "msgspec", "starlette", "uvicorn", "websockets")


def add(commands: Any) -> None:
    p = commands.add_parser("doctor", help="say what this machine has and lacks")
    add_json(p)
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    checks = [
        ("python", platform.python_version(), ""),
        *map(_package, PACKAGES),
        _h264(),
        _player(),
        _chromium(),
    ]
    missing = [name for name, found, _ in checks if not found and name != "chromium"]
    if args.json:
        print_json(
            {"gscodec": __version__, "checks": [dict(zip(("name", "found", "remedy"), c)) for c in checks]}
        )
        return 4 if missing else 0
    print(f"gscodec {__version__} on {platform.platform()}")
    for name, found, remedy in checks:
        print(f"  {name:12} {found or 'missing: ' + remedy}")
    return 4 if missing else 0


def _package(name: str) -> tuple[str, str, str]:
    try:
        return name, importlib.metadata.version(name), ""
    except importlib.metadata.PackageNotFoundError:
        return name, "", f"pip install {name}"


def _h264() -> tuple[str, str, str]:
    try:
        import av

        found = "libx264" in av.codecs_available and "h264" in av.codecs_available
    except ImportError:
        found = False
    return "h264", "encoder and decoder" if found else "", "pip install --force-reinstall av"


def _player() -> tuple[str, str, str]:
    built = Path(__file__).parents[1] / "web" / "gs-player.js"
    return "player", "built" if built.is_file() else "", "make player (needs Node 20)"


def _chromium() -> tuple[str, str, str]:
    found = shutil.which("chromium") or shutil.which("google-chrome") or ""
    return "chromium", found, "only for the browser tests: apt install chromium"
