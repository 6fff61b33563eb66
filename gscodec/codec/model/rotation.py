"""Quaternions (wxyz, float64, last axis) and 3 x 3 rotations in bulk."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gscodec.base.jit import njit

__all__ = [
    "conjugate",
    "conjugate_one",
    "from_matrix",
    "multiply",
    "multiply_one",
    "normalise",
    "polar",
    "swing_twist",
    "to_matrix",
]

F64 = npt.NDArray[np.float64]


def normalise(q: F64) -> F64:
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def conjugate(q: F64) -> F64:
    return q * np.array([1.0, -1.0, -1.0, -1.0])


def multiply(a: F64, b: F64) -> F64:
    """Hamilton product of a and b, which broadcast."""
    out = np.empty(np.broadcast_shapes(a.shape, b.shape))
    _multiply(_rows(a, out.shape), _rows(b, out.shape), out.reshape(-1, 4))
    return out


def _rows(q: F64, shape: tuple[int, ...]) -> F64:
    """(M, 4) quaternions that make `shape` when they are told over and over."""
    while q.ndim > 1 and q.shape[0] == 1:
        q = q[0]
    if q.shape != shape[len(shape) - q.ndim :]:
        q = np.broadcast_to(q, shape)
    return np.ascontiguousarray(q, np.float64).reshape(-1, 4)


@njit
def _multiply(a, b, out):
    for i in range(len(out)):
        multiply_one(a[i % len(a)], b[i % len(b)], out[i])


@njit
def multiply_one(a, b, out):
    """Hamilton product of a and b (4,) into out (4,), another array than both."""
    out[0] = a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3]
    out[1] = a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2]
    out[2] = a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1]
    out[3] = a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0]


@njit
def conjugate_one(q, out):
    """The conjugate of q (4,) into out (4,)."""
    out[0], out[1], out[2], out[3] = q[0], -q[1], -q[2], -q[3]


def _exp(r: F64) -> F64:
    angle = np.linalg.norm(r, axis=-1, keepdims=True)
    half = 0.5 * angle
    s = np.where(angle > 1e-12, np.sin(half) / np.maximum(angle, 1e-300), 0.5)
    return np.concatenate([np.cos(half), r * s], axis=-1)


def swing_twist(r: F64, axis: npt.NDArray[np.int64]) -> F64:
    """Quaternions exp(swing) * exp(twist): twist = r's component along body axis `axis` (N,), swing = the two others.

    r (..., N, 3) radians. A twist stands rightmost, so an error in it turns the Gaussian about its own axis and
    nothing else, however large the swing.
    """
    twist = np.zeros_like(r)
    at = np.broadcast_to(axis[:, None], (*r.shape[:-1], 1))
    np.put_along_axis(twist, at, np.take_along_axis(r, at, axis=-1), axis=-1)
    return multiply(_exp(r - twist), _exp(twist))


def to_matrix(q: F64) -> F64:
    """(..., 3, 3) rotation matrices of unit quaternions."""
    w, x, y, z = np.moveaxis(q, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def from_matrix(m: F64) -> F64:
    """Quaternions of rotation matrices, by the largest of the four components (SPEC.md 5.10)."""
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    squares = np.stack([1 + trace] + [1 - trace + 2 * m[..., a, a] for a in range(3)], axis=-1)
    s = np.sqrt(np.maximum(np.max(squares, axis=-1), 1e-30))
    d = 0.5 / s
    a, b, c = (
        m[..., 2, 1] - m[..., 1, 2],
        m[..., 0, 2] - m[..., 2, 0],
        m[..., 1, 0] - m[..., 0, 1],
    )
    xy, xz, yz = (
        m[..., 0, 1] + m[..., 1, 0],
        m[..., 0, 2] + m[..., 2, 0],
        m[..., 1, 2] + m[..., 2, 1],
    )
    h = 0.5 * s
    options = np.stack(
        [
            np.stack([h, a * d, b * d, c * d], -1),
            np.stack([a * d, h, xy * d, xz * d], -1),
            np.stack([b * d, xy * d, h, yz * d], -1),
            np.stack([c * d, xz * d, yz * d, h], -1),
        ],
        axis=-2,
    )
    pick = np.argmax(squares, axis=-1)
    return normalise(np.take_along_axis(options, pick[..., None, None], axis=-2)[..., 0, :])


def polar(m: F64) -> tuple[F64, F64]:
    """Orthogonal polar factor (twelve Newton steps, Higham 1986) and ln det; identity and 0 where det <= 1e-9."""
    det = np.linalg.det(m)
    good = det > 1e-9
    r = np.where(good[..., None, None], m, np.eye(3))
    for _ in range(12):
        r = 0.5 * (r + np.swapaxes(np.linalg.inv(r), -1, -2))
    return r, np.log(np.where(good, det, 1.0))
