"""Peers for static scenes: SOG and SPZ, written and read back by PlayCanvas's splat-transform under Node.

The tool is installed by npm, by exact version, into the benchmark's cache; the project does not depend on it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gscodec.base.errors import CheckFailed, MissingDependency

__all__ = ["FORMATS", "PACKAGE", "VERSION", "Converted", "convert", "have_node", "shipped_bytes"]

PACKAGE = "@playcanvas/splat-transform"
VERSION = "3.7.0"
FORMATS = ("SOG", "SPZ")
# Without `-g cpu` SOG asks for a GPU and fails where there is none.
WRITE_OPTIONS = {"SOG": ("-g", "cpu"), "SPZ": ()}


@dataclass(frozen=True, slots=True)
class Converted:
    """Bytes of the peer's file, and the PLY that its own reader makes of it."""

    n_bytes: int
    ply: Path


def have_node() -> bool:
    return shutil.which("node") is not None and shutil.which("npm") is not None


def convert(source: Path, kind: str, tools: Path, out: Path) -> Converted:
    """The PLY `source` as `kind` (of FORMATS) and back, in the folder `out`.

    tools: where the package is, or is installed. Raises MissingDependency without Node or where the
    installation fails, CheckFailed where the tool does.
    """
    tool = _tool(tools)
    out.mkdir(parents=True, exist_ok=True)
    coded, ply = out / f"scene.{kind.lower()}", out / f"{kind.lower()}.ply"
    _run([*tool, "-q", "-w", *WRITE_OPTIONS[kind], str(source), str(coded)])
    _run([*tool, "-q", "-w", str(coded), str(ply)])
    return Converted(coded.stat().st_size, ply)


def shipped_bytes(packed: Path, scene: str) -> int | None:
    """Bytes of the SOG that a test scene was decoded from, where the packed data has it."""
    folder = packed / "static" / f"{scene}_sog" / "2_0"  # level of detail that unpack.py reads
    return sum(path.stat().st_size for path in folder.iterdir()) if folder.is_dir() else None


def _tool(tools: Path) -> list[str]:
    """The command, installed first where it is not there."""
    if not have_node():
        raise MissingDependency("SOG and SPZ need Node: install nodejs and npm, or leave them out")
    folder = tools / f"splat-transform-{VERSION}"
    script = folder / "node_modules" / ".bin" / "splat-transform"
    if not script.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text("{}\n")
        npm = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save"]
        done = subprocess.run([*npm, f"{PACKAGE}@{VERSION}"], cwd=folder, capture_output=True, text=True)
        if done.returncode or not script.exists():
            raise MissingDependency("npm could not install the peer", package=f"{PACKAGE}@{VERSION}")
    return ["node", str(script)]


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise CheckFailed("splat-transform failed", reason=lines[-1])
