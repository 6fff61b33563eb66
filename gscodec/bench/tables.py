"""Markdown tables, and their place in BENCHMARKS.md between markers, with machine, command and date."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

import gscodec

__all__ = ["machine", "markdown_table", "provenance", "write_section"]


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first column left, the others right."""
    lines = ["| " + " | ".join(head) + " |", "|:--" + "|--:" * (len(head) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def machine() -> str:
    """Processor, cores that this process may use, system and Python: what a figure depends on."""
    model = platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        model = platform.processor() or model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}, {cores} cores, {platform.system()}, Python {platform.python_version()}"


def commit() -> str:
    """The commit of the checkout that runs, with a plus where files differ; elsewhere the version."""
    root = Path(gscodec.__file__).parent.parent
    git = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(git, capture_output=True, text=True, check=False)
    except OSError:
        return f"gscodec {gscodec.__version__}"
    return done.stdout.strip() if done.returncode == 0 else f"gscodec {gscodec.__version__}"


def provenance(command: str) -> str:
    """One line under a table: how, on what and when."""
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return f"`{command}`, commit {commit()}, {today}, {machine()}"


def write_section(path: Path, name: str, text: str) -> None:
    """Replace what stands between the markers of section `name`; append the section where it has none yet."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    old = path.read_text(encoding="utf-8") if path.exists() else "# Benchmarks\n"
    section = f"{begin}\n{text.strip()}\n{end}"
    head, found, rest = old.partition(begin)
    if found and end in rest:
        new = head + section + rest.partition(end)[2]
    else:
        new = old.rstrip("\n") + f"\n\n{section}\n"
    part = path.with_suffix(path.suffix + ".part")
    part.write_text(new, encoding="utf-8")
    part.replace(path)
