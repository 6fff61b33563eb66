"""The tables of `bench rd` and `bench train`, by name. Light: the command line reads them before it knows its command."""

from __future__ import annotations

__all__ = ["RD_PARTS", "TRAIN_PARTS"]

RD_PARTS = ("rates", "static", "loop", "tools")
TRAIN_PARTS = ("worth", "losses", "quality")
