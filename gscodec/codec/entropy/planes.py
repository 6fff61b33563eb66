"""Base planes, classes, part labels, temporal coefficients and side numbers (SPEC.md 5.6 to 5.8)."""

from __future__ import annotations

import numpy as np

from gscodec.base.jit import njit
from gscodec.codec.entropy.coder import (
    ERR_BAD,
    ERROR,
    SET_SIZE,
    code_bit,
    code_value,
    quantise,
    sgn3,
)
from gscodec.codec.entropy.neighbours import neighbour_magnitude, neighbour_mean

__all__ = [
    "LABEL_COUNTERS",
    "code_base_plane",
    "code_classes",
    "code_coefficients",
    "code_labels",
    "code_numbers",
    "code_overflow",
    "label_base",
    "plane_means",
]

LABEL_COUNTERS = 3 + 64
VALUE_LIMIT = 1 << 30  # |integer| of any plane; keeps every later product below 2^53


@njit
def _weighted_sum(index, weight, count, i, v):
    s = np.int64(0)
    for k in range(count[i]):
        s += weight[i, k] * v[index[i, k]]
    return s


@njit
def code_labels(st, buf, counters, nb_index, nb_count, parts, base, start, labels):
    """Part labels of the slots from `start` on; counters from `base` on. labels (N,) int64, read or written."""
    for i in range(start, labels.shape[0]):
        if st[ERROR] != 0:
            return
        a, b = -1, -1
        if nb_count[i] > 0:
            a = labels[nb_index[i, 0]]
            for k in range(1, nb_count[i]):
                if labels[nb_index[i, k]] != a:
                    b = labels[nb_index[i, k]]
                    break
        value = labels[i]
        if a >= 0:
            if code_bit(st, buf, counters, base, 1 if value == a else 0):
                labels[i] = a
                continue
            if b >= 0 and code_bit(st, buf, counters, base + 1, 1 if value == b else 0):
                labels[i] = b
                continue
        node = 1
        for bit in range(5, -1, -1):
            node = 2 * node + code_bit(st, buf, counters, base + 3 + node, (value >> bit) & 1)
        labels[i] = node - 64
        if labels[i] >= parts:
            st[ERROR] = ERR_BAD
            labels[i] = 0


@njit
def code_classes(
    st, buf, counters, weight, nb_i, nb_w, nb_n, nb_t, s, start, pred, spacing, position_class, k, classes
):
    """Class corrections k (N,) of one group with set s; fills classes (N,) = clamp(pred + spacing k, 0, 15).

    Of the slots from `start` on.
    """
    for i in range(start, k.shape[0]):
        if st[ERROR] != 0:
            return
        if spacing > 0:
            p = min(max(pred[i], 0), 15)
            near = k[nb_i[i, 0]] if nb_n[i] > 0 else 0
            c0 = quantise(neighbour_magnitude(nb_i, nb_w, nb_n, nb_t, i, k))
            g0 = sgn3(_weighted_sum(nb_i, nb_w, nb_n, i, k))
            k[i] = code_value(
                st, buf, counters, weight, s, c0, quantise(abs(near)), p, position_class[i],
                g0, sgn3(near), p, 0, True, False, k[i],
            )  # fmt: skip
        classes[i] = min(max(pred[i] + spacing * k[i], 0), 15)


@njit
def code_base_plane(
    st, buf, counters, weight, nb_i, nb_w, nb_n, nb_t, s, start, classes, predicted, q, q_before, v
):
    """One base plane with set s, of the slots from `start` on; residuals of the others are 0, their v is given.

    q (N,) residuals (writing: given), v (N,) decoded integers out, q_before: the previous channel's q; predicted:
    whether residuals are told from the neighbours' mean."""
    for i in range(start, q.shape[0]):
        if st[ERROR] != 0:
            return
        c, cc = classes[i], min(15, classes[i])
        mean = neighbour_mean(nb_i, nb_w, nb_n, nb_t, i, v) if predicted else np.int64(0)
        nb = neighbour_magnitude(nb_i, nb_w, nb_n, nb_t, i, q)
        low, high = np.int64(0), np.int64(0)
        near = np.int64(0)
        if nb_n[i] > 0:
            near = q[nb_i[i, 0]]
            low = high = v[nb_i[i, 0]]
            for k in range(1, nb_n[i]):
                low = min(low, v[nb_i[i, k]])
                high = max(high, v[nb_i[i, k]])
        disp = (high - low) >> c
        pc = abs(q_before[i])
        qn = quantise(nb)
        g0, g1 = sgn3(_weighted_sum(nb_i, nb_w, nb_n, i, q)), sgn3(q_before[i])
        q[i] = code_value(
            st, buf, counters, weight, s,
            6 * qn + min(5, pc), quantise(nb + 8 * pc) + 16 * min(7, cc >> 1), 8 * quantise(disp) + min(7, qn >> 1),
            8 * cc + min(7, quantise(2 * disp + nb) >> 1), g0, g1, 3 * g0 + g1, sgn3(near), True, False, q[i],
        )  # fmt: skip
        v[i] = mean + (q[i] << c)
        if abs(v[i]) > VALUE_LIMIT:
            st[ERROR] = ERR_BAD
            v[i] = 0


@njit
def plane_means(nb_i, nb_w, nb_n, nb_t, i, r, reach, beta, means):
    """Fill means (m,): beta / 32 of the neighbours' mean of r in each plane, rounded. reach (N,): planes of a slot up
    to its last nonzero r, so that empty planes cost nothing."""
    deep = 0
    for k in range(nb_n[i]):
        deep = max(deep, reach[nb_i[i, k]])
    means[:] = 0
    for k in range(nb_n[i]):
        w, row = nb_w[i, k], r[nb_i[i, k]]
        for j in range(deep):
            means[j] += w * row[j]
    for j in range(deep):
        if means[j] != 0:
            means[j] = (2 * beta[j] * means[j] + 32 * nb_t[i]) // (64 * nb_t[i])


@njit
def code_coefficients(
    st, buf, counters, weight, nb_i, nb_w, nb_n, nb_t, set_last, set_coef, classes, beta,
    q, r, last, q_before, last_before,
):  # fmt: skip
    """All context-coded planes of one channel, slot by slot.

    q (N, m) int64 residuals and last (N,) int64 one past the last that is not zero (writing: both given); r (N, m)
    int64 decoded integers out; q_before (N, m') and last_before (N,) of the previous channel (m' = 0 where there is
    none); beta (m,) int64.
    """
    n, m = q.shape
    means = np.zeros(m, np.int64)
    reach = np.zeros(n, np.int64)
    before = q_before.shape[1]
    for i in range(n):
        if st[ERROR] != 0:
            return
        c, cc = classes[i], min(15, classes[i])
        plane_means(nb_i, nb_w, nb_n, nb_t, i, r, reach, beta, means)
        nl, pl = neighbour_magnitude(nb_i, nb_w, nb_n, nb_t, i, last), last_before[i]
        ql = quantise(nl)
        l_i = code_value(
            st, buf, counters, weight, set_last, ql, 8 * ql + min(7, pl), 8 * cc + min(7, ql >> 1),
            quantise(nl + 8 * pl), 0, 0, 0, 0, False, False, last[i],
        )  # fmt: skip
        if l_i > m:
            st[ERROR] = ERR_BAD
            return
        last[i] = l_i
        own = np.int64(0)
        for j in range(l_i):
            s0, a0 = np.int64(0), np.int64(0)
            for k in range(nb_n[i]):
                value = nb_w[i, k] * q[nb_i[i, k], j]
                s0 += value
                a0 += abs(value)
            nb = (16 * a0) // nb_t[i] if nb_n[i] > 0 else np.int64(0)
            o1, o2 = abs(own), np.int64(0)
            other = np.int64(0)
            if j < before:
                other = q_before[i, j]
                o2 = abs(other)
            qn, g0, g1 = quantise(nb), sgn3(s0), sgn3(other)
            own = code_value(
                st, buf, counters, weight, set_coef + min(j, 3), 8 * qn + min(7, o1),
                quantise(2 * nb + 12 * o1 + 8 * o2) + 16 * min(7, cc >> 1), 8 * min(15, l_i) + min(7, l_i - 1 - j),
                8 * qn + min(7, o2), g0, g1, sgn3(own), 3 * g0 + g1, True, j == l_i - 1, q[i, j],
            )  # fmt: skip
            q[i, j] = own
        for j in range(m):
            r[i, j] = means[j] + (q[i, j] << c)
            if abs(r[i, j]) > VALUE_LIMIT:
                st[ERROR] = ERR_BAD
                r[i, j] = 0
            if r[i, j] != 0:
                reach[i] = j + 1


@njit
def code_numbers(st, buf, counters, weight, s, signed, values):
    """Plain numbers of set s (all contexts 0); values int64, read or written in place."""
    for i in range(values.shape[0]):
        if st[ERROR] != 0:
            return
        values[i] = code_value(
            st, buf, counters, weight, s, 0, 0, 0, 0, 0, 0, 0, 0, signed, False, values[i]
        )  # fmt: skip


@njit
def code_motion(st, buf, counters, weight, sets, near, q):
    """Residuals q (K, 12, T) int64 of the motion of nodes, of which `near` (K,) tells the one that each is told from.

    sets: of counts, of the linear and of the translation coefficients.
    """
    counts = np.zeros(q.shape[:2], np.int64)
    for p in range(q.shape[0]):
        for e in range(12):
            if st[ERROR] != 0:
                return
            own = q[p, e]
            s = sets[2] if e % 4 == 3 else sets[1]
            before = e - (4 if e % 4 == 3 else (2 if e % 4 == 0 else 1))  # the last entry of the kind
            n = 0
            for k in range(own.shape[0]):
                if own[k] != 0:
                    n = k + 1
            n1 = min(63, counts[p, before]) if before >= 0 else 0
            n3 = min(63, counts[near[p], e]) if p > 0 else 0
            n = code_value(
                st, buf, counters, weight, sets[0], n1, n3, n1 + n3, e, 0, 0, 0, 0, False, False, n
            )
            if n > own.shape[0]:
                st[ERROR] = ERR_BAD
                return
            counts[p, e] = n
            for k in range(n):
                o1 = abs(own[k - 1]) if k > 0 else 0
                o2 = abs(q[p, before, k]) if before >= 0 else 0
                o3 = abs(q[near[p], e, k]) if p > 0 else 0
                own[k] = code_value(
                    st, buf, counters, weight, s, 8 * quantise(o1 + o2) + min(7, k),
                    quantise(o1 + o2 + o3) + 16 * min(7, k), 8 * quantise(o2) + min(7, n - 1 - k),
                    8 * quantise(o3) + min(7, o1), 0, 0, 0, 0, True, k == n - 1, own[k],
                )  # fmt: skip


@njit
def code_overflow(st, buf, counters, weight, s, n_planes, n_slots, planes, slots, values):
    """Entries (plane, slot, value) in ascending order; arrays of the right length, read or written in place."""
    plane, slot = np.int64(0), np.int64(-1)
    for i in range(planes.shape[0]):
        if st[ERROR] != 0:
            return
        step = code_value(
            st, buf, counters, weight, s, 0, 0, 0, 0, 0, 0, 0, 0, False, False, planes[i] - plane
        )  # fmt: skip
        if step > 0:
            slot = np.int64(-1)
        plane += step
        skip = code_value(
            st, buf, counters, weight, s + 1, 0, 0, 0, 0, 0, 0, 0, 0, False, False, slots[i] - slot - 1
        )  # fmt: skip
        slot += skip + 1
        values[i] = code_value(
            st, buf, counters, weight, s + 2, 0, 0, 0, 0, 0, 0, 0, 0, True, False, values[i]
        )
        if plane >= n_planes or slot >= n_slots:
            st[ERROR] = ERR_BAD
            return
        planes[i], slots[i] = plane, slot


def label_base(n_sets: int) -> int:
    """Index of the label counters behind n_sets sets."""
    return n_sets * SET_SIZE
