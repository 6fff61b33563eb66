"""COEFFICIENT: coded planes and overflow (SEGMENT.md 5.8)."""

from __future__ import annotations

from spec.reference.base import Planes, step_classes
from spec.reference.entropy import Counters, RangeDecoder, ValueSet, half_octaves, sgn3
from spec.reference.model import LIMIT, Model, check, group_of, previous_channel

# 5.8 COEFFICIENT


class Coefficients:
    """Decodes the planes of mode 1, then the overflow list."""

    def __init__(self, data: bytes, m: Model, planes: Planes) -> None:
        self.d, self.m, self.planes = RangeDecoder(data), m, planes
        self.sets = Counters(ValueSet)
        self.last: dict[int, list[int]] = {}
        self.q: dict[int, list[list[int]]] = {}  # by channel: one list for each plane of mode 1
        for c in range(m.C):
            if m.planes(c, 1):
                self.channel(c)
        self.overflow = self.decode_overflow()

    def channel(self, c: int) -> None:
        m, planes = self.m, self.planes
        ks = m.planes(c, 1)
        self.steps = step_classes(m, planes, c)
        self.last[c], self.q[c] = [0] * m.N, [[0] * m.N for _ in ks]
        for k in ks:
            planes.coef[c, k] = [0] * m.N
        for i in range(m.N):
            count = self.last[c][i] = self.significant(c, i)
            for j in range(1, count + 1):
                self.q[c][j - 1][i] = self.residual(c, i, j, count)
            for j, k in enumerate(ks):
                self.integer(c, i, j, k)

    def significant(self, c: int, i: int) -> int:
        before = previous_channel(c)
        nl = self.planes.near.magnitude(i, self.last[c])
        pl = self.last[before][i] if before in self.last else 0
        h, cls = half_octaves(nl), min(15, self.steps[i])
        contexts = (h, 8 * h + min(7, pl), 8 * cls + min(7, h >> 1), half_octaves(nl + 8 * pl))
        count = self.sets["last", group_of(c)].value(self.d, contexts, signed=False)
        check(count <= len(self.q[c]), "last")
        return int(count)

    def residual(self, c: int, i: int, j: int, count: int) -> int:
        near, q, cls = self.planes.near, self.q[c][j - 1], min(15, self.steps[i])
        others = self.q.get(previous_channel(c), [])  # type: ignore[arg-type]
        p1 = self.q[c][j - 2][i] if j > 1 else 0
        p2 = others[j - 1][i] if j <= len(others) else 0
        nb, o1, o2 = near.magnitude(i, q), abs(p1), abs(p2)
        h = half_octaves(nb)
        contexts = (
            8 * h + min(7, o1),
            half_octaves(2 * nb + 12 * o1 + 8 * o2) + 16 * min(7, cls >> 1),
            8 * min(15, count) + min(7, count - j),
            8 * h + min(7, o2),
        )
        g0, g1 = sgn3(near.weighted(i, q)), sgn3(p2)
        values = self.sets["coef", group_of(c), min(j, 4)]
        return int(values.value(self.d, contexts, (g0, g1, sgn3(p1), 3 * g0 + g1), nonzero=j == count))

    def integer(self, c: int, i: int, j: int, k: int) -> None:
        near, r, beta = self.planes.near, self.planes.coef[c, k], self.m.beta[c][k]
        total = sum(near.weight[i])
        pred = (2 * beta * near.weighted(i, r) + 32 * total) // (64 * total) if total and beta else 0
        r[i] = pred + self.q[c][j][i] * 2 ** self.steps[i]
        check(abs(r[i]) <= LIMIT, "coefficient integer")

    def decode_overflow(self) -> dict[tuple[int, int], int]:
        """(number of the plane of mode 2, slot) -> value."""
        count = sum(len(self.m.planes(c, 2)) for c in range(self.m.C))
        if not count:
            return {}
        d, sets, out = self.d, [ValueSet() for _ in range(4)], {}
        n, plane, slot = sets[0].number(d, signed=False), 0, -1
        check(n <= self.m.N * count, "overflow")
        for _ in range(n):
            step = sets[1].number(d, signed=False)
            plane, slot = plane + step, -1 if step else slot
            slot += sets[2].number(d, signed=False) + 1
            check(plane < count and slot < self.m.N, "overflow")
            out[plane, slot] = sets[3].number(d)
        return out
