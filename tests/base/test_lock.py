"""One process at a time has a folder, where the file system can say so."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from gscodec.base.errors import Misuse
from gscodec.base.lock import alone_in

fcntl = pytest.importorskip("fcntl", reason="locks are POSIX's")


def test_another_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    with alone_in(tmp_path / "work"), pytest.raises(Misuse, match="another process"):
        alone_in(tmp_path / "work").__enter__()
    with alone_in(tmp_path / "work"):
        pass


def test_a_file_system_without_locks_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with alone_in(tmp_path), alone_in(tmp_path):
        pass
