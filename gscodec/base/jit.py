"""numba's njit with a cache that works on read-only installs too; kernels let Python's other threads run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit as numba_njit

__all__ = ["njit"]


def njit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """`numba.njit` with the on-disk cache, where there is a place for it; usable with or without arguments."""
    options = {"nogil": True} | options

    def compile_lazily(f: Callable[..., Any]) -> Any:
        try:
            return numba_njit(cache=True, **options)(f)
        except RuntimeError:  # no locator: neither the package nor the home folder can be written
            return numba_njit(**options)(f)

    return compile_lazily if function is None else compile_lazily(function)
