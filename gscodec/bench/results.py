"""What `gscodec bench rd` finds."""

from __future__ import annotations

from dataclasses import dataclass, field

from gscodec.bench.curve import Point
from gscodec.bench.points import Looks

__all__ = ["Curve", "Results", "Still"]


@dataclass(frozen=True, slots=True)
class Curve:
    """Points by PSNR; `looks` of the one nearest to 40 dB, where they were asked for."""

    points: list[Point]
    looks: Looks | None = None


@dataclass(frozen=True, slots=True)
class Still:
    """A static scene: ours, and each peer's point. `dropped`: ours without hidden Gaussians, none where there is no
    peer to compare at; `shipped`: bytes of the SOG that the scene was decoded from."""

    slots: int
    ours: list[Point]
    peers: dict[str, Point]
    shipped: int | None = None
    dropped: list[Point] = field(default_factory=list)


@dataclass(slots=True)
class Results:
    """What was measured; empty where it was not asked for. Keys: (sequence, label), scene, (sequence, tool)."""

    curves: dict[tuple[str, str], Curve] = field(default_factory=dict)
    shuffled: dict[str, Point] = field(default_factory=dict)
    stills: dict[str, Still] = field(default_factory=dict)
    seams: Looks | None = None
    tools: dict[tuple[str, str], Point] = field(default_factory=dict)

    def full(self, name: str) -> list[Point]:
        """The full codec's `compact` points of a sequence or scene; none where they were not measured."""
        if name in self.stills:
            return self.stills[name].ours
        curve = self.curves.get((name, "compact"))
        return curve.points if curve else []
