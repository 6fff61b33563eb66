"""Even points on the demo's surfaces of revolution, with colours: the dancer's parts and the stage."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gscodec.splats.sample_body import BONES, CREAM, Bone, pose

__all__ = ["Surface", "make_dancer", "make_stage"]

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

GOLDEN = math.pi * (3 - math.sqrt(5))  # golden angle: even azimuths for any count
STAGE_RADIUS = 1.0
FINE = {
    "eye": 2.5,
    "glint": 6.0,
    "bulb": 1.5,
    "head": 1.6,
    "hand": 1.3,
    "feeler": 1.5,
}  # density, where eyes rest


@dataclass(frozen=True, slots=True)
class Surface:
    """N points on surfaces; axes and points of the dancer are its bones' until posed."""

    points: F64  # (N, 3) metres
    axes: F64  # (N, 3, 3) columns: two tangents and the outward normal
    color: F64  # (N, 3) linear albedo
    gloss: F64  # (N,) 0..1
    glow: F64  # (N,) 0..1, share of the colour that needs no light
    open: F64  # (N,) 0..1, share of the light that reaches it
    size: F64  # (N,) metres between neighbours
    bone: I64  # (N,) index into BONES


def make_dancer(n: int, rng: np.random.Generator) -> Surface:
    """All bones of the dancer, points in the bones' axes."""
    weights = np.array([_area(_capsule(bone)) * FINE.get(bone.name.split()[0], 1.0) for bone in BONES])
    parts = []
    for i, (bone, count) in enumerate(zip(BONES, _share_out(n, weights), strict=True)):
        points, normals, size = _revolve(_capsule(bone), count)
        points[:, :2] *= bone.squash
        normals[:, :2] /= bone.squash
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        color = _paint(bone, points) * (1 + 0.05 * rng.uniform(-1, 1, (count, 1)))
        full = np.full(count, 1.0)
        parts.append(
            Surface(
                points,
                _frames(normals),
                color,
                bone.gloss * full,
                bone.glow * full,
                full,
                size,
                np.full(count, i),
            )
        )
    fields = Surface.__dataclass_fields__
    whole = Surface(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in fields})
    return _with_occlusion(whole)


def make_stage(n: int, rng: np.random.Generator) -> Surface:
    """The round stage, in the world; its shadow under the dancer is painted on, so that it never changes."""
    r, edge = STAGE_RADIUS, 0.05
    bend = np.linspace(0, math.pi / 2, 6)
    rim = np.stack([r - edge + edge * np.sin(bend), edge * np.cos(bend) - edge], axis=1)
    profile = np.concatenate([np.array([[0.0, 0.0]]), rim, np.array([[r, -0.12]])])
    points, normals, size = _revolve(profile, n)
    points, normals = points[:, [1, 2, 0]], normals[:, [1, 2, 0]]  # z of the profile is up: y of the world
    distance, angle = np.hypot(points[:, 0], points[:, 2]), np.arctan2(points[:, 2], points[:, 0])
    color = _paint_stage(distance, angle, points[:, 1]) * (1 + 0.08 * rng.uniform(-1, 1, (n, 1)))
    glow = np.where(points[:, 1] < -0.075, 0.85, 0.0)
    shade = 1 - 0.66 * np.exp(-((distance / 0.30) ** 2))
    return Surface(
        points, _frames(normals), color, np.full(n, 0.45), glow, shade, size, np.full(n, -1, dtype=np.int64)
    )


def _share_out(n: int, weights: F64) -> list[int]:
    """`n` in shares proportional to `weights`, at least one each."""
    edges = np.round(np.cumsum(weights) / weights.sum() * (n - len(weights))).astype(np.int64)
    return [int(x) + 1 for x in np.diff(edges, prepend=0)]


def _capsule(bone: Bone) -> F64:
    """(P, 2) outline (radius, z) of a bone: two spheres and the cone that touches both; or a ring's circle."""
    if bone.ring:
        turn = np.linspace(0, 2 * math.pi, 49)
        return np.stack([bone.ring + bone.r0 * np.cos(turn), bone.r0 * np.sin(turn)], axis=1)
    slope = math.asin(np.clip((bone.r0 - bone.r1) / bone.length, -1, 1)) if bone.length else 0.0
    low = np.linspace(-math.pi / 2, slope, 24)
    high = np.linspace(slope, math.pi / 2, 24)
    return np.concatenate([
        np.stack([bone.r0 * np.cos(low), bone.r0 * np.sin(low)], axis=1),
        np.stack([bone.r1 * np.cos(high), bone.length + bone.r1 * np.sin(high)], axis=1),
    ])  # fmt: skip


def _belts(profile: F64) -> F64:
    """Areas of the frustums between the outline's points."""
    step = np.linalg.norm(np.diff(profile, axis=0), axis=1)
    return np.asarray(math.pi * (profile[1:, 0] + profile[:-1, 0]) * step)


def _area(profile: F64) -> float:
    return float(_belts(profile).sum())


def _revolve(profile: F64, n: int) -> tuple[F64, F64, F64]:
    """Points and normals (n, 3), distance between neighbours (n,): even by area, on a Fibonacci spiral."""
    belts = _belts(profile)
    edges = np.concatenate([[0.0], np.cumsum(belts)])
    wanted = (np.arange(n) + 0.5) / n * edges[-1]
    belt = np.clip(np.searchsorted(edges, wanted, side="right") - 1, 0, len(belts) - 1)
    part = (wanted - edges[belt]) / np.maximum(belts[belt], 1e-12)
    r0, r1 = profile[belt, 0], profile[belt + 1, 0]
    # Area along a frustum grows with the square of the radius: invert it.
    radius = np.sqrt(np.maximum(r0**2 + part * (r1**2 - r0**2), 0.0))
    along = np.where(
        np.abs(r1 - r0) > 1e-9, (radius - r0) / np.where(np.abs(r1 - r0) > 1e-9, r1 - r0, 1.0), part
    )
    z = profile[belt, 1] + along * (profile[belt + 1, 1] - profile[belt, 1])
    way = np.diff(profile, axis=0)[belt]
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    turn = np.arange(n) * GOLDEN
    c, s = np.cos(turn), np.sin(turn)
    points = np.stack([radius * c, radius * s, z], axis=1)
    normals = np.stack([way[:, 1] * c, way[:, 1] * s, -way[:, 0]], axis=1)
    return points, normals, np.full(n, math.sqrt(edges[-1] / n))


def _frames(normals: F64) -> F64:
    """(N, 3, 3) right-handed frames, the last column the normal."""
    helper = np.where(np.abs(normals[:, 2:]) < 0.9, (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    x = np.cross(helper, normals)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return np.stack([x, np.cross(normals, x), normals], axis=2)


def _paint(bone: Bone, points: F64) -> F64:
    """Albedo (N, 3) of a bone's points, by its pattern."""
    color = np.broadcast_to(bone.color, points.shape).copy()
    second = np.array(bone.second or bone.color)
    if bone.pattern == "stripes":
        color[(np.sin(points[:, 2] * 2 * math.pi / 0.068) > 0.35) & (points[:, 2] > 0.06)] = (
            second  # none on the joint
        )
    elif bone.pattern == "belly":
        color[
            np.hypot(points[:, 1] / 0.115, (points[:, 2] - 0.075) / 0.15) + 3.0 * (points[:, 0] < 0) < 1
        ] = second
    elif bone.pattern == "face":
        front = points[:, 0] > 0.0
        color[front & (np.hypot(points[:, 1] / 0.185, (points[:, 2] - 0.005) / 0.145) < 1)] = second
        cheek = np.hypot(np.abs(points[:, 1]) - 0.125, points[:, 2] + 0.055) < 0.034
        color[front & cheek] = (0.98, 0.42, 0.38)
        smile = np.hypot(points[:, 1], points[:, 2] + 0.035)
        color[front & (np.abs(smile - 0.045) < 0.0085) & (points[:, 2] < -0.052)] = (0.30, 0.05, 0.06)
    return color


def _paint_stage(distance: F64, angle: F64, height: F64) -> F64:
    """Wooden planks in rings, a light inlay, a plum rim with a glowing band."""
    ring = np.floor(distance / 0.125)
    plank = np.floor((angle / (2 * math.pi) + 0.31 * ring) * (4 + 4 * ring))
    tone = 0.5 + 0.5 * np.sin(plank * 12.9898 + ring * 78.233)
    color = (1 - tone)[:, None] * (0.26, 0.105, 0.05) + tone[:, None] * (0.62, 0.31, 0.15)
    color[np.abs(distance - 0.82) < 0.020] = CREAM
    star = 0.50 + 0.055 * np.cos(8 * angle)
    color[np.abs(distance - star) < 0.018] = (0.95, 0.55, 0.10)
    color[distance > STAGE_RADIUS - 0.085] = (0.10, 0.04, 0.12)
    color[height < -0.075] = (0.20, 0.75, 0.80)
    return np.asarray(color)


def _with_occlusion(dancer: Surface) -> Surface:
    """Darken points that lie close to another part in the first pose: creases and the chin's shade."""
    rest = pose(0.0, 0.0)
    world = np.matmul(rest.axes[dancer.bone], dancer.points[:, :, None])[:, :, 0] + rest.origins[dancer.bone]
    gap = np.full(len(world), np.inf)
    for i, bone in enumerate(BONES):
        if bone.glow or bone.ring or bone.name.startswith(("eye", "feeler", "tail")):
            continue
        local = (world - rest.origins[i]) @ rest.axes[i]
        t = np.clip(local[:, 2], 0.0, bone.length)
        radius = bone.r0 + (bone.r1 - bone.r0) * t / max(bone.length, 1e-9)
        away = np.linalg.norm(local - np.stack([0 * t, 0 * t, t], axis=1), axis=1) - radius
        gap = np.where(dancer.bone == i, gap, np.minimum(gap, away))
    return replace(dancer, open=0.55 + 0.45 * np.clip(gap / 0.09, 0.0, 1.0))
