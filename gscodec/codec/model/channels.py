"""Channels and groups of a segment (SPEC.md 5.2), and colour in orthonormal luma and chroma."""

from __future__ import annotations

import numpy as np

__all__ = [
    "BASE_ORDER",
    "FEATURES",
    "GROUPS",
    "GROUP_NAMES",
    "LUMA_CHROMA",
    "channel_count",
    "channel_groups",
    "channels_of",
    "previous_channel",
]

GROUP_NAMES = ("position", "scale", "rotation", "opacity", "colour", "sh")
POSITION, SCALE, ROTATION, OPACITY, COLOUR, SH = range(6)
GROUPS = 6
BASE_ORDER = (SCALE, OPACITY, ROTATION, COLOUR, SH)  # each may be predicted from those before it
FEATURES = (0, 3, 7, 6, 7, 7)  # of the class regression, by group

# Rows: Y, C1, C2 from r, g, b. Orthonormal, so equal steps mean equal squared error.
LUMA_CHROMA = np.array(
    [[1, 1, 1] / np.sqrt(3.0), [1, 0, -1] / np.sqrt(2.0), [1, -2, 1] / np.sqrt(6.0)], dtype=np.float64
)


def channel_count(sh_degree: int) -> int:
    """C: 13 + 3 (K - 1)."""
    return 13 + 3 * ((sh_degree + 1) ** 2 - 1)


def channels_of(group: int, sh_degree: int) -> range:
    """The channels of a group."""
    starts = (0, 3, 6, 9, 10, 13, channel_count(sh_degree))
    return range(starts[group], starts[group + 1])


def channel_groups(sh_degree: int) -> list[int]:
    """The group of each channel."""
    return [g for g in range(GROUPS) for _ in channels_of(g, sh_degree)]


def previous_channel(channel: int, group: int, sh_degree: int) -> int | None:
    """The channel whose values stand in for 'the previous channel' in contexts; None for the first."""
    before = channel - (3 if group == SH else 1)
    return before if before in channels_of(group, sh_degree) else None
