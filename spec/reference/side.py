"""SIDE: bases and the motion of parts (SEGMENT.md 5.7)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from spec.reference.entropy import RangeDecoder, ValueSet, half_octaves
from spec.reference.model import Model, check

# 5.7 SIDE


@dataclass
class Side:
    bases: list[np.ndarray]  # by group: (K_g, T)
    moves: np.ndarray  # (T, P, 3, 4): M | b
    nodes: list[list[int]] = field(default_factory=list)  # soft parts: lattice places
    motion: list[list[list[int]]] = field(default_factory=list)  # soft parts: q by node, entry, k


def dct(frames: int) -> np.ndarray:
    t, k = np.arange(frames), np.arange(frames)[:, None]
    return np.sqrt(np.where(k == 0, 1, 2) / frames) * np.cos(np.pi * (2 * t + 1) * k / (2 * frames))


def decode_side(data: bytes, m: Model) -> Side:
    d, sets, table = RangeDecoder(data), [ValueSet() for _ in range(5)], dct(m.T)
    first = 0 if m.shared else 1
    bases = [table[first : first + count] for _, count in m.basis]
    for g, (kind, count) in enumerate(m.basis):
        if kind == 2:
            bases[g] = np.array([[sets[0].number(d) / 512 for _ in range(m.T)] for _ in range(count)])
    if m.soft:
        nodes = decode_nodes(d, sets[4], m)
        near = [nearest_earlier(nodes, p) for p in range(m.P)]
        motion = decode_motion(d, sets, m, near)
        return Side(bases, affine_of(node_series(m, nodes, near, motion) @ table), nodes, motion)
    moves = np.zeros((m.T, m.P, 12))
    for p in range(m.P):
        for e in range(12):
            n, which = sets[3].number(d, signed=False), int(e % 4 == 3)
            check(n <= m.T, "part coefficients")
            for k in range(n):
                moves[:, p, e] += sets[1 + which].number(d) * m.part_unit[which] * table[k]
    return Side(bases, affine_of(np.moveaxis(moves, 0, -1)))


def affine_of(entries: np.ndarray) -> np.ndarray:
    """(P, 12, T) entries -> (T, P, 3, 4)."""
    affine = np.moveaxis(entries, -1, 0).reshape(entries.shape[2], len(entries), 3, 4).copy()
    affine[..., :3] += np.eye(3)
    return affine


def decode_nodes(d: RangeDecoder, numbers: ValueSet, m: Model) -> list[list[int]]:
    nodes, place = [], [0, 0, 0]
    for _ in range(m.P):
        place = [v + numbers.number(d) for v in place]
        check(all(abs(v) << m.place_shift <= 1 << 21 for v in place), "node is out of range")
        nodes.append([v << m.place_shift for v in place])
    return nodes


def squared(a: list[int], b: list[int]) -> int:
    return sum((v - w) ** 2 for v, w in zip(a, b, strict=True))


def nearest_earlier(nodes: list[list[int]], p: int) -> int:
    """-1 for the first."""
    return min(range(p), key=lambda j: (squared(nodes[p], nodes[j]), j), default=-1)


def decode_motion(d: RangeDecoder, sets: list[ValueSet], m: Model, near: list[int]) -> list[list[list[int]]]:
    q = [[[0] * m.T for _ in range(12)] for _ in range(m.P)]
    count = [[0] * 12 for _ in range(m.P)]
    nothing = [0] * m.T
    for p in range(m.P):
        for e in range(12):
            before = max((b for b in range(e) if (b % 4 == 3) == (e % 4 == 3)), default=None)
            n1 = 0 if before is None else min(63, count[p][before])
            n3 = 0 if p == 0 else min(63, count[near[p]][e])
            n = count[p][e] = sets[3].value(d, (n1, n3, n1 + n3, e), signed=False)
            check(n <= m.T, "part coefficients")
            row2 = nothing if before is None else q[p][before]
            row3 = nothing if p == 0 else q[near[p]][e]
            for k in range(n):
                o1, o2, o3 = abs(q[p][e][k - 1]) if k else 0, abs(row2[k]), abs(row3[k])
                contexts = (
                    8 * half_octaves(o1 + o2) + min(7, k),
                    half_octaves(o1 + o2 + o3) + 16 * min(7, k),
                    8 * half_octaves(o2) + min(7, n - 1 - k),
                    8 * half_octaves(o3) + min(7, o1),
                )
                q[p][e][k] = sets[2 if e % 4 == 3 else 1].value(d, contexts, nonzero=k == n - 1)
    return q


def node_series(
    m: Model, nodes: list[list[int]], near: list[int], motion: list[list[list[int]]]
) -> np.ndarray:
    """(K, 12, T) DCT coefficients."""
    out = np.zeros((m.P, 12, m.T))
    for p in range(m.P):
        for e in range(12):
            out[p, e] = np.array(motion[p][e], float) * m.part_unit[int(e % 4 == 3)]
            if p:
                out[p, e] += out[near[p], e]
        if p:
            for b in range(3):
                arm = (nodes[p][b] - nodes[near[p]][b]) * m.base_unit[b]
                for row in range(3):
                    out[p, 4 * row + 3] += out[near[p], 4 * row + b] * arm
    return out
