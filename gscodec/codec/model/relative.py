"""Rotations relative to decoded ones: the writer's side of SEGMENT.md 5.6 and 5.7."""

from __future__ import annotations

import numpy as np

from gscodec.base.jit import njit
from gscodec.base.threads import in_threads, shares
from gscodec.codec.model.rebuild import swing_twist_turn
from gscodec.codec.model.rotation import conjugate_one, multiply_one

__all__ = ["centre_rotations", "relative_rotations", "rotation_vectors"]

MEAN_ROUNDS = 6  # of the mean rotation, at most
MEAN_MISS = 0.1  # of a step, that is as good as none


@njit
def _swing_twist_of(q0, q1, q2, q3, axis):
    """The rotation vector r of a unit quaternion as exp(swing) * exp(twist); twist in -pi..pi."""
    if q0 < 0:
        q0, q1, q2, q3 = -q0, -q1, -q2, -q3
    along = q1 if axis == 0 else (q2 if axis == 1 else q3)
    half = np.arctan2(along, q0 + 0.0)  # -0.0 is no half turn
    c, s = np.cos(half), np.sin(half)
    if axis == 0:
        q0, q1, q2, q3 = q0 * c + q1 * s, 0.0, q2 * c - q3 * s, q3 * c + q2 * s
    elif axis == 1:
        q0, q1, q2, q3 = q0 * c + q2 * s, q1 * c + q3 * s, 0.0, q3 * c - q1 * s
    else:
        q0, q1, q2, q3 = q0 * c + q3 * s, q1 * c - q2 * s, q2 * c + q1 * s, 0.0
    v = np.sqrt(q1 * q1 + q2 * q2 + q3 * q3)
    gain = 2.0 * np.arctan2(v, q0) / v if v > 1e-12 else 2.0
    r0, r1, r2 = q1 * gain, q2 * gain, q3 * gain
    if axis == 0:
        return 2.0 * half, r1, r2
    if axis == 1:
        return r0, 2.0 * half, r2
    return r0, r1, 2.0 * half


@njit
def relative_rotations(nearest, mean, axes, steps, start, q, flips, out):
    """Closed loop: residual rotation vectors to the nearest neighbour's decoded rotation, best of four spellings.

    Of the slots from `start` on; `out` of the others is given.

    steps (3, N) float64 radians; q (3, N) integers out; flips (N,) int64 out: 0 none, 1..3 a half turn about that body axis; out (N, 4) decoded.
    """
    turn = np.empty(4)
    for i in range(start, nearest.shape[0]):
        j = nearest[i]
        n0, n1, n2, n3 = 1.0, 0.0, 0.0, 0.0
        if j >= 0:
            n0, n1, n2, n3 = out[j, 0], out[j, 1], out[j, 2], out[j, 3]
        a0, a1, a2, a3 = mean[i, 0], mean[i, 1], mean[i, 2], mean[i, 3]
        turn[0] = n0 * a0 + n1 * a1 + n2 * a2 + n3 * a3
        turn[1] = n0 * a1 - n1 * a0 - n2 * a3 + n3 * a2
        turn[2] = n0 * a2 + n1 * a3 - n2 * a0 - n3 * a1
        turn[3] = n0 * a3 - n1 * a2 + n2 * a1 - n3 * a0
        # A half turn about body axis f multiplies by its unit quaternion: components change places and signs.
        f = 0
        for k in range(1, 4):
            if abs(turn[k]) > abs(turn[f]):
                f = k
        flips[i] = f
        t0, t1, t2, t3 = turn[0], turn[1], turn[2], turn[3]
        if f == 1:
            t0, t1, t2, t3 = -turn[1], turn[0], turn[3], -turn[2]
        elif f == 2:
            t0, t1, t2, t3 = -turn[2], -turn[3], turn[0], turn[1]
        elif f == 3:
            t0, t1, t2, t3 = -turn[3], turn[2], -turn[1], turn[0]
        r0, r1, r2 = _swing_twist_of(t0, t1, t2, t3, axes[i])
        r0, r1, r2 = np.round(r0 / steps[0, i]), np.round(r1 / steps[1, i]), np.round(r2 / steps[2, i])
        q[0, i], q[1, i], q[2, i] = np.int64(r0), np.int64(r1), np.int64(r2)
        q0, q1, q2, q3 = swing_twist_turn(
            n0, n1, n2, n3, r0 * steps[0, i], r1 * steps[1, i], r2 * steps[2, i], axes[i]
        )
        norm = np.sqrt(q0 * q0 + q1 * q1 + q2 * q2 + q3 * q3)
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = q0 / norm, q1 / norm, q2 / norm, q3 / norm


def rotation_vectors(base: np.ndarray, quats: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """(3, N, T) float64: rotations quats (T, N, 4) as vectors from base (N, 4); axes (N,) of the twist."""
    out = np.empty((3, quats.shape[1], quats.shape[0]))
    _vectors(base, quats, axes, out)
    return out


@njit
def _vectors(base, quats, axes, out):
    back, away = np.empty(4), np.empty(4)
    for i in range(quats.shape[1]):
        conjugate_one(base[i], back)
        for t in range(quats.shape[0]):
            multiply_one(back, quats[t, i], away)
            out[0, i, t], out[1, i, t], out[2, i, t] = _swing_twist_of(
                away[0], away[1], away[2], away[3], axes[i]
            )


def centre_rotations(mean: np.ndarray, quats: np.ndarray, axes: np.ndarray, steps: np.ndarray) -> None:
    """Turn mean rotations (N, 4) to where the rotation vectors from them to quats (T, N, 4) have no mean.

    The base stands for that mean: what is left of it is lost. axes (N,) of the twist, steps (3, N).
    """
    in_threads(lambda some: _centre(*some, mean, quats, axes, steps), shares(len(mean)))


@njit
def _centre(start, end, mean, quats, axes, steps):
    """`centre_rotations` of slots start..end."""
    now, back, away = np.empty(4), np.empty(4), np.empty(4)
    for i in range(start, end):
        now[:] = mean[i]
        least = np.inf
        for _ in range(MEAN_ROUNDS):
            conjugate_one(now, back)
            s0, s1, s2 = 0.0, 0.0, 0.0
            for t in range(quats.shape[0]):
                multiply_one(back, quats[t, i], away)
                r0, r1, r2 = _swing_twist_of(away[0], away[1], away[2], away[3], axes[i])
                s0, s1, s2 = s0 + r0, s1 + r1, s2 + r2
            s0, s1, s2 = s0 / len(quats), s1 / len(quats), s2 / len(quats)
            miss = max(abs(s0) / steps[0, i], abs(s1) / steps[1, i], abs(s2) / steps[2, i])
            if miss < least:  # vectors of more than half a turn may lead astray
                mean[i], least = now, miss
            if miss <= MEAN_MISS:
                break
            now[0], now[1], now[2], now[3] = swing_twist_turn(
                now[0], now[1], now[2], now[3], s0, s1, s2, axes[i]
            )
