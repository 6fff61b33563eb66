"""A plain decoder of segments, in the order of SEGMENT.md: Python integers, numpy float64, no speed.

It exists to be read beside the specification and to check the fast decoders; it shares no code with them. Section 5.11
stands here, the ones before in `reference/`, a file for each or two of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from spec.reference.base import Planes, decode_base
from spec.reference.coefficients import Coefficients
from spec.reference.frames import Segment
from spec.reference.model import BadSegment, Model, adopt, check, read_model, split
from spec.reference.positions import Neighbours, Positions, find_neighbours
from spec.reference.side import decode_side
from spec.reference.video import DecodeLuma, decode_video

__all__ = ["BadSegment", "Base", "Segment", "decode_segment", "decode_shared_base"]

WORK_LIMIT = 1 << 31


# 5.11 Limits, and the whole


def check_work(m: Model, budget: int) -> None:
    coded = sum(mode > 0 for row in m.mode for mode in row)
    check(m.N * (m.C + coded) * 4 <= budget, "memory", "limit")
    check(m.atlas[0] <= 2048 and m.atlas[1] <= 2050, "atlas", "limit")


@dataclass
class Base:
    """What a segment gives those that share its base."""

    model: Model
    planes: Planes


NOTHING = Planes([], Neighbours([], [], []), [], [[] for _ in range(6)])


def read_base(position: bytes, base: bytes, m: Model, given: Planes = NOTHING) -> Base:
    """`given`: planes of the first slots, which the base segment's are."""
    planes = Planes([], Neighbours([], [], []), [0] * m.N, [[0] * m.N for _ in range(6)])
    if m.N:
        at = Positions(position, m, given)
        planes.x, planes.classes[0] = at.x, at.s
        planes.near = find_neighbours(at.x, m.cell_shift, given.near)
        decode_base(base, m, planes, given)
    return Base(m, planes)


def decode_shared_base(data: bytes, budget: int = WORK_LIMIT) -> Base:
    """The base of a segment, for `decode_segment` of those that share it. Raises BadSegment."""
    (model, _, position, base, _, _), _, shared = split(data)
    check(not shared, "a base must be a segment's own")
    m = read_model(model, shared=False)
    check_work(m, budget)
    return read_base(position, base, m)


def decode_segment(
    data: bytes, decode_luma: DecodeLuma, budget: int = WORK_LIMIT, *, base: Base | None = None
) -> Segment:
    """Decode one segment; `base`: of the segment whose base it shares. Raises BadSegment."""
    (model, side_data, position, own, coefficient, video), explicit, shared = split(data)
    check(not shared or base is not None, "segment needs the base of another, which is not at hand")
    m = read_model(model, shared)
    check_work(m, budget)
    if shared:
        assert base is not None
        adopt(m, base.model)
        planes = replace(base.planes, coef={})
        if m.N > base.model.N:
            planes = read_base(position, own, m, base.planes).planes
    else:
        planes = read_base(position, own, m).planes
    if m.N == 0:
        return Segment(m, planes, None)
    side = decode_side(side_data, m) if m.temporal else None
    if any(mode for row in m.mode for mode in row):
        overflow = Coefficients(coefficient, m, planes).overflow
        if any(2 in row for row in m.mode):
            decode_video(video, m, explicit, overflow, planes, decode_luma)
    return Segment(m, planes, side)
