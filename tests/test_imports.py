"""Importing gscodec, and asking it for help, is quick and quiet."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "av", "numba", "scipy", "uvicorn", "starlette")


@pytest.mark.parametrize(
    "statement",
    ["import gscodec", "from gscodec.cli.main import build_parser; build_parser()"],
    ids=["package", "parser"],
)
def test_import_loads_nothing_heavy(statement: str) -> None:
    code = f"import sys\n{statement}\nprint(*(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    assert done.stderr == ""


def test_import_opens_no_socket() -> None:
    code = (
        "import sys\n"
        "sys.addaudithook(lambda event, args: event.startswith('socket.') and sys.exit(event))\n"
        "import gscodec, gscodec.cli.main"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
