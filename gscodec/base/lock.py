"""A folder that one process at a time works in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gscodec.base.errors import Misuse

try:
    import fcntl
except ImportError:  # not POSIX: there nobody is kept out
    fcntl = None  # type: ignore[assignment]

__all__ = ["LOCK", "alone_in"]

LOCK = "lock"  # stays in the folder: who removed it, could remove another's


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Makes `folder`; raises Misuse while another process has it. The system lets go of what is killed.

    Nobody is kept out where the file system knows no locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT)  # NFS locks what may be written, and no folders
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Misuse("another process works in this folder", folder=str(folder)) from error
        except OSError:
            pass
        yield
    finally:
        os.close(handle)
