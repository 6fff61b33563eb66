"""The tracks of a GOP's slots as float arrays in the codec's own spaces, gauged; and their sensitivities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gscodec.base.threads import in_threads
from gscodec.codec.model import rotation
from gscodec.codec.model.channels import LUMA_CHROMA
from gscodec.codec.model.gauge import SPELLING_ORDER, SPELLINGS, align
from gscodec.codec.model.motion import Motion, hard_motion
from gscodec.codec.model.nodes import track_nodes
from gscodec.codec.model.parts import choose_moves, fit_labels
from gscodec.codec.model.shape import rotation_shifts
from gscodec.splats.model import Splats

__all__ = ["LOGIT_LIMIT", "Tracks", "attribute_tracks", "make_tracks", "spell", "track_sensitivity"]

LOGIT_LIMIT = 9.0  # beyond: opacity within 1/8000 of 0 or 1
LOG_SCALE_MIN = -18.0
SENSITIVITY_FLOOR = 1 / 4  # of the usual one: steps at most twice the usual
PART_CHOICES = (8, 24, 48)
PART_SAMPLE = 6000  # slots by which their number is chosen; all are labelled for the chosen one


@dataclass
class Tracks:
    """T frames of N slots. Rotations: the spelling chosen by the gauge, world space."""

    means: np.ndarray  # (T, N, 3) float64
    quats: np.ndarray  # (T, N, 4) float64
    logs: np.ndarray  # (T, N, 3) float64 log scales
    logits: np.ndarray  # (T, N) float64
    colours: np.ndarray  # (T, N, 3 K) float64 luma/chroma of each SH coefficient
    # position (N, 3), scale (N, 3), rotation (N, 3) as if all axes had shift 0, opacity (N,), sh (N, K)
    sensitivity: dict[str, np.ndarray]
    motion: Motion | None  # of parts: what it leaves is coded
    reference: np.ndarray  # (N, 3) base positions
    sh_degree: int

    @property
    def frames(self) -> int:
        return int(self.means.shape[0])

    @property
    def slots(self) -> int:
        return int(self.means.shape[1])

    @property
    def parts(self) -> int:
        return 0 if self.motion is None else self.motion.centres.shape[0]

    @property
    def soft(self) -> bool:
        """Whether slots blend the motion of their parts."""
        return self.motion is not None and self.motion.soft

    def take(self, rows: np.ndarray) -> Tracks:
        """The given slots in the given order."""
        means, quats, logs, logits, colours = in_threads(
            lambda array: array.take(rows, axis=1),
            (self.means, self.quats, self.logs, self.logits, self.colours),
        )
        return Tracks(
            means, quats, logs, logits, colours,
            {k: v[rows] for k, v in self.sensitivity.items()},
            self.motion and self.motion.take(rows), self.reference[rows], self.sh_degree,
        )  # fmt: skip


def _logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.clip(np.log(p / (1 - p)), -LOGIT_LIMIT, LOGIT_LIMIT))


def attribute_tracks(frames: list[Splats]) -> tuple[np.ndarray, ...]:
    """means, quats, log scales, logits, colours of the frames: (T, N, ...) float64 in the codec's own spaces."""
    means = np.stack([f.means for f in frames]).astype(np.float64)
    quats = rotation.normalise(np.stack([f.quats for f in frames]).astype(np.float64))
    logs = np.maximum(
        np.log(np.maximum(np.stack([f.scales for f in frames]).astype(np.float64), 1e-8)), LOG_SCALE_MIN
    )
    logits = np.stack([_logit(f.opacities) for f in frames])
    sh = np.stack([f.sh for f in frames]).astype(np.float64)
    colours = np.einsum("yc,tnkc->tnky", LUMA_CHROMA, sh).reshape(*sh.shape[:2], -1)
    return means, quats, logs, logits, colours


def spell(
    quats: np.ndarray,
    logs: np.ndarray,
    motion: Motion | None,
    use_gauge: bool,
    like: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """World rotations (T, N, 4) in the gauge's spelling, and the spellings (T, N); `logs` are changed in place.

    `like`: rotations (N, 4), relative to the parts, and log scales (N, 3) to spell the first frame like.
    """
    start = like or (np.zeros((0, 4)), np.zeros((0, 3)))
    if motion is None:
        relative = np.ascontiguousarray(quats)
        return relative, align(relative, logs, SPELLINGS, SPELLING_ORDER, use_gauge, *start)
    turns = motion.turns()
    relative = np.ascontiguousarray(rotation.multiply(rotation.conjugate(turns), quats))
    spelled = align(relative, logs, SPELLINGS, SPELLING_ORDER, use_gauge, *start)
    return rotation.multiply(turns, relative), spelled


def make_tracks(
    frames: list[Splats],
    sensitivities: Mapping[int, Any],
    *,
    use_parts: bool,
    nodes: int = 0,
    use_gauge: bool,
    steps: np.ndarray | None,
) -> Tracks:
    """Arrays of a GOP. `sensitivities`: by frame number, render.sensitivity.Sensitivity; steps (N,): expected
    position steps, for the choice of parts (None: no parts); nodes: of soft parts in their stead."""
    means, quats, logs, logits, colours = attribute_tracks(frames)
    reference, motion, labels = means.mean(0), None, None
    if nodes and steps is not None:
        motion, reference = track_nodes(means, steps, nodes)
    elif use_parts and steps is not None and len(frames) > 2:
        labels = choose_parts(means, steps)
    if labels is not None:
        centres = np.stack([reference[labels == p].mean(0) for p in range(labels.max() + 1)])
        ref = means[len(frames) // 2]
        motion = hard_motion(labels, centres, choose_moves(means, logs, ref, labels, centres))
        reference = motion.still(means, reference).mean(axis=0)
    world, spelled = spell(quats, logs, motion, use_gauge)
    sens = track_sensitivity(sensitivities, spelled, logs, logits)
    return Tracks(
        means, world, logs, logits, colours, sens, motion, reference, frames[0].sh_degree
    )  # fmt: skip


def track_sensitivity(
    sensitivities: Mapping[int, Any], spelled: np.ndarray, logs: np.ndarray, logits: np.ndarray
) -> dict[str, np.ndarray]:
    """`Tracks.sensitivity` of slots with spellings (T, N), log scales (T, N, 3) and logits (T, N)."""
    sens = _mean_sensitivity(sensitivities, spelled)
    shifts = rotation_shifts(np.round(logs.mean(axis=0).T * 1024).astype(np.int64), np.full(3, 1 / 1024))
    sens["rotation"] = sens["rotation"] * 4.0**shifts.T
    return _floored(sens, logs.mean(axis=0), logits.mean(axis=0))


def _mean_sensitivity(sensitivities: Mapping[int, Any], spelled: np.ndarray) -> dict[str, np.ndarray]:
    """Mean over the measured frames, axes in the chosen spelling."""
    out: dict[str, np.ndarray] = {}
    for t, s in sensitivities.items():
        order = SPELLING_ORDER[spelled[t]]
        one = {
            "position": s.means,
            "scale": np.take_along_axis(s.log_scales, order, axis=1),
            "rotation": np.take_along_axis(s.rotations, order, axis=1),
            "opacity": s.logits,
            "sh": s.colors,
        }
        for key, value in one.items():
            out[key] = out.get(key, 0.0) + value.astype(np.float64) / len(sensitivities)
    return out


def _floored(sens: dict[str, np.ndarray], logs: np.ndarray, logits: np.ndarray) -> dict[str, np.ndarray]:
    """Sensitivities, none far under what a Gaussian of that size and opacity usually has.

    A Gaussian that the measured frames and views hide may be seen in others; without a floor its steps would grow to
    their caps whatever the quality asked for.
    """
    features = np.concatenate([np.ones((len(logits), 1)), logs, logits[:, None]], axis=1)
    out = {}
    for name, value in sens.items():
        columns = value.reshape(len(value), -1)
        floor = np.empty_like(columns)
        for j in range(columns.shape[1]):
            seen = columns[:, j] > 0
            if seen.sum() < 2 * features.shape[1]:
                floor[:, j] = columns[seen, j].min() if seen.any() else 0.0
                continue
            fit = np.linalg.lstsq(features[seen], np.log(columns[seen, j]), rcond=None)[0]
            floor[:, j] = SENSITIVITY_FLOOR * np.exp(np.clip(features @ fit, -60, 60))
        out[name] = np.maximum(columns, floor).reshape(value.shape)
    return out


def choose_parts(means: np.ndarray, steps: np.ndarray) -> np.ndarray | None:
    """Labels of the number of parts that looks cheapest, or None: nothing moves, or parts don't explain it.

    Cost model: half a log2 of energy against step^2 for each of a slot's frames and axes; side bytes of the parts.
    """
    frames, n = means.shape[:2]
    some = np.unique(np.linspace(0, n - 1, min(n, PART_SAMPLE)).astype(int))
    sample, share = np.ascontiguousarray(means[:, some]), n / len(some)
    still = sample - sample.mean(0)
    number, best = 0, share * _bits((still**2).sum((0, 2)) / frames, steps[some], frames)
    if best < 0.02 * frames * n:
        return None
    choices = [parts for parts in PART_CHOICES if parts * 30 <= n]
    for parts, (_, cost) in zip(choices, in_threads(lambda p: fit_labels(sample, p), choices), strict=True):
        bits = share * _bits(cost, steps[some], frames) + parts * 12 * 6.0 * min(frames, 8)
        if bits < 0.97 * best:
            number, best = parts, bits
    if number == 0:
        return None
    return np.unique(fit_labels(means, number)[0], return_inverse=True)[1].astype(np.int64)


def _bits(energy: np.ndarray, steps: np.ndarray, frames: int) -> float:
    """energy (N,): mean over frames of the squared residual (three axes together)."""
    return float((0.5 * np.log2(1 + energy / 3 / steps**2 * 4)).sum() * 3 * min(frames, 8))
