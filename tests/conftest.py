"""Fixtures shared by all tests: where the test sequences lie, and how numba behaves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("NUMBA_NUM_THREADS", "1")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test, nor a process that it starts, reads or writes the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def test_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`test_data(name)`: folder of an unpacked test sequence; skips the test where the data is absent.

    GSCODEC_TEST_SEQ names a folder of sequences already unpacked, GSCODEC_TEST_DATA one with unpack.py.
    """
    unpacked, packed = os.environ.get("GSCODEC_TEST_SEQ"), os.environ.get("GSCODEC_TEST_DATA")
    kept = Path(unpacked) if unpacked else tmp_path_factory.mktemp("sequences")

    def find(name: str) -> Path:
        folder = kept / name
        script = Path(packed or "") / "unpack.py"
        if not folder.is_dir() and packed and script.is_file() and not unpacked:
            subprocess.run([sys.executable, str(script), str(kept), name], check=True, capture_output=True)
        if not folder.is_dir():
            pytest.skip(f"test sequence {name} is absent (set GSCODEC_TEST_DATA)")
        return folder

    return find
