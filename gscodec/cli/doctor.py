"""gscodec doctor: what this machine has, and what to do about what it lacks."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
from pathlib import Path
from typing import Any

from gscodec import __version__
from gscodec.cli.common import add_json, print_json

PACKAGES = ("numpy", "numba", "scipy", "av", "zstandard", "msgspec", "starlette", "uvicorn", "websockets")
OPTIONAL = ("kernel cache", "node", "chromium", "gpu")


def add(commands: Any) -> None:
    p = commands.add_parser("doctor", help="say what this machine has and lacks")
    add_json(p)
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    checks = [
        ("python", platform.python_version(), ""),
        *map(_package, PACKAGES),
        _h264(),
        _kernel_cache(),
        _player(),
        _program("node", "node", remedy="only to build the player: Node 20 from nodejs.org"),
        _program(
            "chromium", "chromium", "google-chrome", remedy="only for the browser tests: apt install chromium"
        ),
        _program("gpu", "nvidia-smi", remedy="only for --device cuda: NVIDIA's driver"),
    ]
    missing = [name for name, found, _ in checks if not found and name not in OPTIONAL]
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


def _program(name: str, *commands: str, remedy: str) -> tuple[str, str, str]:
    return name, next((found for command in commands if (found := shutil.which(command))), ""), remedy


def _kernel_cache() -> tuple[str, str, str]:
    """Where numba keeps compiled kernels; without such a place every start compiles anew."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    places = [Path(chosen)] if chosen else [Path(__file__).parents[1], Path.home()]
    found = next((place for place in places if os.access(place, os.W_OK)), None)
    return "kernel cache", str(found or ""), "set NUMBA_CACHE_DIR to a folder that you may write"
