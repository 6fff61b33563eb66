"""Limits as named constants with their reason, and the budget that is debited before each allocation."""

from __future__ import annotations

from gscodec.base.errors import LimitExceeded

__all__ = ["MAX_CHUNK_BYTES", "MAX_FRAMES_PER_GOP", "MAX_SLOTS", "Budget"]

MAX_SLOTS = 1 << 22  # four million: what a desktop GPU draws in real time; keeps slot * channel in 32 bits
MAX_FRAMES_PER_GOP = 256  # the temporal basis is a dense matrix; a second at 240 frames a second fits
MAX_CHUNK_BYTES = 1 << 28  # 256 MiB: no segment of MAX_SLOTS at a sane quality is larger
DEFAULT_BUDGET_BYTES = 1 << 31  # 2 GiB of a segment's integers as the format counts: MAX_SLOTS at SH3 fits


class Budget:
    """Bytes that one operation may allocate; `reserve` debits before the allocation happens."""

    def __init__(self, n_bytes: int = DEFAULT_BUDGET_BYTES) -> None:
        self.left = n_bytes

    def reserve(self, n_bytes: int, what: str) -> None:
        """Debit `n_bytes` for `what`; raises LimitExceeded where the budget does not hold them."""
        if n_bytes < 0 or n_bytes > self.left:
            raise LimitExceeded("memory budget exceeded", what=what, asked=n_bytes, left=self.left)
        self.left -= n_bytes
