"""From integers to frames (SEGMENT.md 5.10)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spec.reference.base import Planes, twist_axes
from spec.reference.model import Model, group_of
from spec.reference.side import Side, squared

# 5.10 Frames


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Product of quaternions wxyz, (..., 4)."""
    aw, ax, ay, az = np.moveaxis(a, -1, 0)
    bw, bx, by, bz = np.moveaxis(b, -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def exponential(r: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3) to quaternions."""
    angle = np.linalg.norm(r, axis=-1, keepdims=True)
    return np.concatenate([np.cos(angle / 2), np.sinc(angle / (2 * np.pi)) / 2 * r], axis=-1)


def swing_twist(r: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """(N, 3), the axes (N,) -> quaternions: first the twist about its axis, then the swing."""
    twist = np.where(np.arange(3) == axis[:, None], r, 0.0)
    return multiply(exponential(r - twist), exponential(twist))


def to_quaternion(m: np.ndarray) -> np.ndarray:
    """Of a rotation matrix (3, 3), by its largest component."""
    q = np.array(
        [
            [1 + m[0, 0] + m[1, 1] + m[2, 2], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], 1 + m[0, 0] - m[1, 1] - m[2, 2], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]],
            [m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], 1 - m[0, 0] + m[1, 1] - m[2, 2], m[1, 2] + m[2, 1]],
            [m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], 1 - m[0, 0] - m[1, 1] + m[2, 2]],
        ]
    )
    row = q[int(np.argmax(np.diag(q)))]
    return np.asarray(row / np.linalg.norm(row))


def turn_of(m: np.ndarray) -> tuple[np.ndarray, float]:
    """Quaternion of the polar factor of M, and ln det M."""
    det = float(np.linalg.det(m))
    if det <= 1e-9:
        return np.array([1.0, 0, 0, 0]), 0.0
    r = m
    for _ in range(12):
        r = (r + np.linalg.inv(r).T) / 2
    return to_quaternion(r), math.log(det)


def shares(x: list[int], nodes: list[list[int]]) -> tuple[list[int], list[float]]:
    """The four nearest nodes of a slot and their weights."""
    order = sorted(range(len(nodes)), key=lambda k: (squared(x, nodes[k]), k))[:5]
    d = [squared(x, nodes[k]) for k in order]
    w = [(1 - d[j] / d[4]) ** 2 if d[4] else 0.0 for j in range(4)]
    total = sum(w)
    return order[:4], [v / total for v in w] if total > 0 else [1.0, 0.0, 0.0, 0.0]


TO_RGB = np.array(
    [
        [1 / math.sqrt(3), 1 / math.sqrt(2), 1 / math.sqrt(6)],
        [1 / math.sqrt(3), 0, -2 / math.sqrt(6)],
        [1 / math.sqrt(3), -1 / math.sqrt(2), 1 / math.sqrt(6)],
    ]
)


@dataclass
class Segment:
    """A decoded segment: `planes` the integers, `frame(t)` the float32 attributes."""

    model: Model
    ints: Planes
    side: Side | None

    def planes(self) -> dict[str, np.ndarray]:
        if self.model.soft and self.side:
            nodes = np.array(self.side.nodes)
            told = {f"node{a}": nodes[:, a] for a in range(3)} | {"motion": np.array(self.side.motion)}
        else:
            told = {"part": np.array(self.ints.part)} if self.model.P else {}
        return self.ints.named() | told

    def _amounts(self, t: int) -> np.ndarray:
        """a_c(t): (C, N)."""
        m, out = self.model, np.zeros((self.model.C, self.model.N))
        for (c, k), r in self.ints.coef.items():
            unit = m.coef_unit[c] / (m.gain if m.mode[c][k - 1] == 2 else 1)
            out[c] += np.array(r, float) * unit * self.side.bases[group_of(c)][k - 1, t]  # type: ignore[union-attr]
        return out

    def _base_quaternions(self) -> np.ndarray:
        m, out = self.model, np.zeros((self.model.N, 4))
        r = np.array([self.ints.base[c] for c in (6, 7, 8)], float).T * m.base_unit[6:9]
        turns = swing_twist(r, twist_axes(m, self.ints))
        for i, index in enumerate(self.ints.near.index):
            out[i] = multiply(out[index[0]] if index else np.array([1.0, 0, 0, 0]), turns[i])
            out[i] /= np.linalg.norm(out[i])
        return out

    def frame(self, t: int) -> dict[str, np.ndarray]:
        """means (N, 3), quats (N, 4), scales (N, 3), opacities (N,), sh (N, K, 3)."""
        m, a = self.model, self._amounts(t)
        if m.N == 0:
            shapes = {
                "means": (0, 3),
                "quats": (0, 4),
                "scales": (0, 3),
                "opacities": (0,),
                "sh": (0, m.K, 3),
            }
            return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        base = (
            np.array([self.ints.base.get(c, [0] * m.N) for c in range(m.C)], float)
            * np.array(m.base_unit)[:, None]
        )
        world = np.array(m.origin) + np.array(self.ints.x) * np.array(m.base_unit[:3])
        means, logs = world if m.soft else world + a[:3].T, (base + a)[3:6].T
        quats = multiply(self._base_quaternions(), swing_twist(a[6:9].T, twist_axes(m, self.ints)))
        if m.soft:
            means, quats = self._blend(t, means, a[:3].T, quats)
        elif m.P:
            means, logs, quats = self._move(t, means, logs, quats)
        logit = np.clip((base + a)[9], -30, 30)
        colours = (base + a)[10:].T.reshape(m.N, m.K, 3) @ TO_RGB.T
        quats = quats / np.linalg.norm(quats, axis=1, keepdims=True)
        out = {"means": means, "quats": quats, "scales": np.exp(np.clip(logs, -30, 20))}
        out |= {"opacities": 1 / (1 + np.exp(-logit)), "sh": colours}
        return {name: v.astype(np.float32) for name, v in out.items()}

    def _blend(
        self, t: int, x: np.ndarray, a: np.ndarray, quats: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        m, moves, nodes = self.model, self.side.moves[t], self.side.nodes  # type: ignore[union-attr]
        places = np.array(m.origin) + np.array(nodes) * np.array(m.base_unit[:3])
        node_turns = [turn_of(move[:, :3])[0] for move in moves]
        means, turns = np.zeros_like(x), np.zeros((m.N, 4))
        for i in range(m.N):
            near, w = shares(self.ints.x[i], nodes)
            for k, share in zip(near, w, strict=True):
                means[i] += share * (places[k] + moves[k, :, :3] @ (x[i] - places[k]) + moves[k, :, 3])
                alike = np.dot(node_turns[near[0]], node_turns[k]) >= 0
                turns[i] += (share if alike else -share) * node_turns[k]
        turns /= np.linalg.norm(turns, axis=1, keepdims=True)
        pure = np.concatenate([np.zeros((m.N, 1)), a], axis=1)
        turned = multiply(multiply(turns, pure), turns * [1, -1, -1, -1])
        return means + turned[:, 1:], multiply(turns, quats)

    def _move(self, t: int, means: np.ndarray, logs: np.ndarray, quats: np.ndarray) -> tuple[np.ndarray, ...]:
        m, means, logs, quats = self.model, means.copy(), logs.copy(), quats.copy()
        labels, x = np.array(self.ints.part), np.array(self.ints.x)
        for p in range(m.P):
            mine = np.flatnonzero(labels == p)
            if len(mine):
                z = np.array(m.origin) + x[mine].sum(axis=0) // len(mine) * np.array(m.base_unit[:3])
                move = self.side.moves[t, p]  # type: ignore[union-attr]
                turn, log_det = turn_of(move[:, :3])
                means[mine] = z + (means[mine] - z) @ move[:, :3].T + move[:, 3]
                logs[mine] += log_det / 3
                quats[mine] = multiply(turn, quats[mine])
        return means, logs, quats
