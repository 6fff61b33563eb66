"""njit: compiles with and without options, and where no cache folder can be written."""

from __future__ import annotations

from typing import Any

import numba
import pytest

from gscodec.base import jit


def _double(x: int) -> int:
    return 2 * x


def test_njit_compiles_with_and_without_options() -> None:
    assert jit.njit(_double)(3) == 6
    assert jit.njit(fastmath=False)(_double)(4) == 8


def test_njit_does_without_a_cache_where_none_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return numba.njit(**options)

    monkeypatch.setattr("gscodec.base.jit.numba_njit", refuse)
    assert jit.njit(_double)(5) == 10
