"""Where the test sequences are, and what identifies their content and our code in a cache."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import gscodec
from gscodec.base.errors import BadInput, MissingDependency, Misuse

__all__ = ["DATA_ENV", "code_digest", "data_root", "folder_digest", "open_cache", "sequence_folder"]

DATA_ENV = "GSCODEC_TEST_DATA"


def open_cache(folder: Path) -> None:
    """Make the folder of the cache, which git is to ignore wherever it is."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n")


def data_root(data: Path | None) -> Path:
    """`data`, or the environment's GSCODEC_TEST_DATA; raises Misuse where neither is named."""
    root = data if data is not None else Path(os.environ.get(DATA_ENV, ""))
    if root == Path():
        raise Misuse(f"no test data: give --data or set {DATA_ENV}")
    return root


def sequence_folder(name: str, data: Path | None, cache: Path) -> Path:
    """The folder of frames of a test sequence.

    `data` (or the environment's GSCODEC_TEST_DATA) holds it unpacked, or holds the unpack.py that makes it
    under `cache`. Raises Misuse where neither is named, BadInput where the sequence is not there.
    """
    root = data_root(data)
    if any((root / name).glob("frame_*.ply")):
        return root / name
    script = root / "unpack.py"
    if not script.is_file():
        raise BadInput("no such test sequence", folder=str(root), name=name)
    unpacked = cache / "sequences"
    unpacked.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(script), str(unpacked), name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise MissingDependency("unpacking the test data failed", script=str(script), reason=lines[-1])
    return unpacked / name


def folder_digest(folder: Path) -> str:
    """A hash of the names and contents of the files in a folder."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        total.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]


@lru_cache
def code_digest(*entries: str) -> str:
    """A hash of modules, named as `bench/peer_v3.py`, and of all modules of ours that they import.

    Left out: `base` (messages, budgets, progress), which moves no figure, and package files.
    """
    root = Path(gscodec.__file__).parent
    total = hashlib.sha256()
    for name in sorted(_imported(root, set(entries))):
        total.update(name.encode() + b"\0" + (root / name).read_bytes())
    return total.hexdigest()[:16]


def _imported(root: Path, names: set[str]) -> set[str]:
    """The modules and, again and again, those that they import anywhere in their text."""
    found: set[str] = set()
    open_names = set(names)
    while open_names:
        name = open_names.pop()
        found.add(name)
        open_names |= {other for other in _imports(root, name) if not other.startswith("base/")} - found
    return found


def _imports(root: Path, name: str) -> Iterator[str]:
    for node in ast.walk(ast.parse((root / name).read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gscodec"):
            place = Path(*(node.module or "").split(".")[1:])
            candidates = [place.with_suffix(".py")] if place.name else []
            candidates += [place / f"{alias.name}.py" for alias in node.names]
            yield from (path.as_posix() for path in candidates if (root / path).is_file())
