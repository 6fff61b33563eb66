"""From decoded coefficients to the attributes of one frame (SPEC.md 5.10), in float64, rounded at the end."""

from __future__ import annotations

import numpy as np
from numba import prange

from gscodec.base.jit import njit
from gscodec.codec.model.motion import blend_place, blend_turn, turn_vector

__all__ = ["rebuild_frame", "swing_twist_turn"]

R3, R2, R6 = 1 / np.sqrt(3.0), 1 / np.sqrt(2.0), 1 / np.sqrt(6.0)


@njit
def swing_twist_turn(w0, w1, w2, w3, r0, r1, r2, axis):
    """Quaternion w * exp(swing) * exp(twist); r (radians): the twist is the component along `axis`."""
    s0 = 0.0 if axis == 0 else r0
    s1 = 0.0 if axis == 1 else r1
    s2 = 0.0 if axis == 2 else r2
    angle = np.sqrt(s0 * s0 + s1 * s1 + s2 * s2)
    s = np.sin(0.5 * angle) / angle if angle > 1e-12 else 0.5
    e0, e1, e2, e3 = np.cos(0.5 * angle), s * s0, s * s1, s * s2
    q0 = w0 * e0 - w1 * e1 - w2 * e2 - w3 * e3
    q1 = w0 * e1 + w1 * e0 + w2 * e3 - w3 * e2
    q2 = w0 * e2 - w1 * e3 + w2 * e0 + w3 * e1
    q3 = w0 * e3 + w1 * e2 - w2 * e1 + w3 * e0
    half = 0.5 * (r0 if axis == 0 else (r1 if axis == 1 else r2))
    c, s = np.cos(half), np.sin(half)
    if axis == 0:
        return q0 * c - q1 * s, q1 * c + q0 * s, q2 * c + q3 * s, q3 * c - q2 * s
    if axis == 1:
        return q0 * c - q2 * s, q1 * c - q3 * s, q2 * c + q0 * s, q3 * c + q1 * s
    return q0 * c - q3 * s, q1 * c + q2 * s, q2 * c - q1 * s, q3 * c + q0 * s


@njit(parallel=True)
def rebuild_frame(
    coefs, weights, channel, base, world, quats0, axes, near, shares, soft, centres, moves, turns, log_dets,
    means, quats, scales, opacities, sh,
):  # fmt: skip
    """Fill means (N, 3), quats (N, 4), scales (N, 3), opacities (N,), sh (N, K, 3), all float32.

    coefs (N, J) int32 and weights (J,) float64 = basis value * unit at this frame; channel (J,): the channel
    of each plane; base (C, N) float64; world (N, 3) float64; quats0 (N, 4); axes (N,) of the
    twist; near (N, B) the parts that move a slot, shares (N, B); moves (P, 3, 4) M | b about centres (P, 3); turns
    (P, 4); log_dets (P,). Soft parts move the slot's place, and what its coefficients add turns along.
    """
    n, j_all = coefs.shape
    c_all = base.shape[0]
    for i in prange(n):
        a = np.zeros(c_all)
        for j in range(j_all):
            a[channel[j]] += coefs[i, j] * weights[j]
        x, y, z = world[i, 0], world[i, 1], world[i, 2]
        w0, w1, w2, w3 = quats0[i, 0], quats0[i, 1], quats0[i, 2], quats0[i, 3]
        grow = 0.0
        if not soft:
            x, y, z = x + a[0], y + a[1], z + a[2]
        if near.shape[1]:
            x, y, z = blend_place(x, y, z, centres, moves, near[i], shares[i])
            g0, g1, g2, g3 = blend_turn(turns, near[i], shares[i])
            grow = log_dets[near[i, 0]] / 3.0
            w0, w1, w2, w3 = (
                g0 * w0 - g1 * w1 - g2 * w2 - g3 * w3,
                g0 * w1 + g1 * w0 + g2 * w3 - g3 * w2,
                g0 * w2 - g1 * w3 + g2 * w0 + g3 * w1,
                g0 * w3 + g1 * w2 - g2 * w1 + g3 * w0,
            )
            if soft:
                e0, e1, e2 = turn_vector(g0, g1, g2, g3, a[0], a[1], a[2])
                x, y, z = x + e0, y + e1, z + e2
        means[i, 0], means[i, 1], means[i, 2] = x, y, z
        for k in range(3):
            scales[i, k] = np.exp(min(max(base[3 + k, i] + a[3 + k] + grow, -30.0), 20.0))
        q0, q1, q2, q3 = swing_twist_turn(w0, w1, w2, w3, a[6], a[7], a[8], axes[i])
        norm = np.sqrt(q0 * q0 + q1 * q1 + q2 * q2 + q3 * q3)
        quats[i, 0], quats[i, 1], quats[i, 2], quats[i, 3] = q0 / norm, q1 / norm, q2 / norm, q3 / norm
        opacities[i] = 1.0 / (1.0 + np.exp(-min(max(base[9, i] + a[9], -30.0), 30.0)))
        for k in range(sh.shape[1]):
            c = 10 + 3 * k
            luma, c1, c2 = (
                (base[c, i] + a[c]) * R3,
                (base[c + 1, i] + a[c + 1]) * R2,
                (base[c + 2, i] + a[c + 2]) * R6,
            )
            sh[i, k, 0] = luma + c1 + c2
            sh[i, k, 1] = luma - 2.0 * c2
            sh[i, k, 2] = luma - c1 + c2
