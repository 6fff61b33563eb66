"""BASE: part labels, classes and base planes (SEGMENT.md 5.6)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from spec.reference.entropy import Counters, RangeDecoder, ValueSet, clamp, half_octaves, sgn3
from spec.reference.model import LIMIT, Model, channels_of, check, group_of, previous_channel
from spec.reference.positions import Neighbours

# 5.6 BASE


@dataclass
class Planes:
    """All integers of a segment; `q` are residuals, kept as contexts."""

    x: list[list[int]]
    near: Neighbours
    part: list[int]
    classes: list[list[int]]
    base: dict[int, list[int]] = field(default_factory=dict)
    coef: dict[tuple[int, int], list[int]] = field(default_factory=dict)

    def named(self) -> dict[str, np.ndarray]:
        """Planes under the names that all decoders use."""
        out = {f"X{a}": [x[a] for x in self.x] for a in range(3)}
        out |= {f"class{g}": v for g, v in enumerate(self.classes)}
        out |= {f"base{c}": v for c, v in self.base.items()}
        out |= {f"coef{c}_{k}": v for (c, k), v in self.coef.items()}
        return {name: np.array(v, np.int64) for name, v in out.items()}


def decode_labels(d: RangeDecoder, m: Model, near: Neighbours, given: list[int]) -> list[int]:
    same, other, part = Counters(), Counters(), list(given)
    for index in near.index[len(given) :]:
        labels = [part[j] for j in index]
        different = [p for p in labels if p != labels[0]]
        if labels and d.simple(same[0]):
            part.append(labels[0])
        elif different and d.simple(same[1]):
            part.append(different[0])
        else:
            node = 1
            for _ in range(6):
                node = 2 * node + d.simple(other[node])
            check(node - 64 < m.P, "part")
            part.append(node - 64)
    return part


def decode_classes(d: RangeDecoder, m: Model, planes: Planes, g: int, given: Planes) -> list[int]:
    spacing, a = m.classes[g]
    values, near, k = ValueSet(), planes.near, [0] * m.N
    features = [planes.classes[0], near.feature]
    features += [[clamp(v, -(2**19), 2**19) for v in planes.base[c]] for c in (3, 4, 5, 9)[: len(a) - 3]]
    out = list(given.classes[g])
    for i in range(len(given.x), m.N):
        pred = (a[0] + sum(f * v[i] for f, v in zip(a[1:], features, strict=True))) >> 16
        if spacing:
            nearest = k[near.index[i][0]] if near.index[i] else 0
            c = (
                half_octaves(near.magnitude(i, k)),
                half_octaves(abs(nearest)),
                clamp(pred, 0, 15),
                features[0][i],
            )
            k[i] = values.value(d, c, (sgn3(near.weighted(i, k)), sgn3(nearest), c[2], 0))
        out.append(clamp(pred + spacing * k[i], 0, 15))
    return out


SHIFT_AT = [49052, 19675, 7404, 2756, 1024, 380, 141, 53, 20]


def rotation_shifts(m: Model, planes: Planes, i: int) -> list[int]:
    """By body axis: how many doublings coarser a rotation about it is."""
    logs = []
    for c in (3, 4, 5):
        unit = min(math.floor(m.base_unit[c] * 65536 + 0.5), 1 << 20)
        logs.append(clamp(planes.base[c][i], -(2**19), 2**19) * unit)
    gaps = [abs(logs[1] - logs[2]), abs(logs[0] - logs[2]), abs(logs[0] - logs[1])]
    return [sum(threshold > gap for threshold in SHIFT_AT) for gap in gaps]


def step_classes(m: Model, planes: Planes, c: int) -> list[int]:
    """By slot: the channel's class, to which rotations add the shift of their axis."""
    g = group_of(c)
    if g != 2:
        return planes.classes[g]
    return [cls + rotation_shifts(m, planes, i)[c - 6] for i, cls in enumerate(planes.classes[g])]


def twist_axes(m: Model, planes: Planes) -> np.ndarray:
    """By slot: the axis of the largest shift, the lowest on ties."""
    return np.array([int(np.argmax(rotation_shifts(m, planes, i))) for i in range(m.N)], int)


def decode_base_plane(
    d: RangeDecoder, m: Model, planes: Planes, c: int, residuals: dict[int, list[int]], given: Planes
) -> None:
    values, near, g, start = ValueSet(), planes.near, group_of(c), len(given.x)
    v, q = given.base.get(c, []) + [0] * (m.N - start), [0] * m.N
    planes.base[c], residuals[c] = v, q
    before, steps = previous_channel(c), step_classes(m, planes, c)
    for i in range(start, m.N):
        cls, index = min(15, steps[i]), near.index[i]
        around = [v[j] for j in index]
        nb, prev = near.magnitude(i, q), residuals[before][i] if before is not None else 0
        pc, disp = abs(prev), (max(around) - min(around)) >> steps[i] if around else 0
        contexts = (
            6 * half_octaves(nb) + min(5, pc),
            half_octaves(nb + 8 * pc) + 16 * min(7, cls >> 1),
            8 * half_octaves(disp) + min(7, half_octaves(nb) >> 1),
            8 * cls + min(7, half_octaves(2 * disp + nb) >> 1),
        )
        g0, g1 = sgn3(near.weighted(i, q)), sgn3(prev)
        q[i] = values.value(d, contexts, (g0, g1, 3 * g0 + g1, sgn3(q[index[0]]) if index else 1))
        v[i] = (0 if g == 2 else near.mean(i, v)) + q[i] * 2 ** steps[i]
        check(abs(v[i]) <= LIMIT, "base integer")


def decode_base(data: bytes, m: Model, planes: Planes, given: Planes) -> None:
    d = RangeDecoder(data)
    residuals: dict[int, list[int]] = {}
    if m.P > 0 and not m.soft:
        planes.part[:] = decode_labels(d, m, planes.near, given.part)
    for g in (1, 3, 2, 4, 5):
        planes.classes[g] = decode_classes(d, m, planes, g, given)
        for c in channels_of(g, m.C):
            decode_base_plane(d, m, planes, c, residuals, given)
