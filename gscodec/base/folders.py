"""Where files live that are ours and may be deleted at any time."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["user_cache"]


def user_cache() -> Path:
    """The user's folder for what can be made again; it need not exist. One for all where this user has no home."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if named.is_absolute():
        return named / "gscodec"
    try:
        return Path.home() / ".cache" / "gscodec"
    except RuntimeError:  # no HOME, and the user is in no list: a container
        return Path(tempfile.gettempdir()) / "gscodec"
