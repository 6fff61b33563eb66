"""Made for the codec: what the stream pays for, as losses of training, with the encoder's own steps.

Lengths, turns and colours are told in the steps that the encoder would take at the quality that is trained for, so that one unit is one level
of its quantiser. Bits of a difference d from what the decoder predicts are taken as log2(1 + |d|); the multiplier of
bits is the slope at which the encoder itself works.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from gscodec.codec.gop import FIRST_GUESS
from gscodec.codec.model.channels import (
    COLOUR,
    LUMA_CHROMA,
    OPACITY,
    POSITION,
    ROTATION,
    SCALE,
    SH,
    channels_of,
)
from gscodec.codec.model.shape import rotation_shifts
from gscodec.codec.model.steps import BASE_COARSER, sensitive_steps
from gscodec.codec.model.tracks import make_tracks
from gscodec.codec.settings import target_psnr
from gscodec.render.sensitivity import measure_sensitivity, sensitivity_cameras
from gscodec.train.captures.model import Capture
from gscodec.train.gaussians import Gaussians, conjugate, product, to_splats

__all__ = [
    "KEY_LOSSES", "PER_MSE", "CodecSteps", "KeyCalm", "Neighbours", "base_bits", "base_roughness", "bits", "change",
    "codec_steps", "find_neighbours", "shaken",
]  # fmt: skip

KEY_LOSSES = ("price", "grid", "entropy", "quantise")  # those that the key frame knows

VIEWS, VIEW_SIZE = 12, 256  # as the encoder's preset `fast`
NEAREST = 4
PER_MSE = 6.0  # of the photometric loss, for each of mean squared error: at errors of 0.05
MOVING = 0.5  # coefficients of a slot that a following frame pays for, of some dozen
KEY_FROM = 0.6  # share of the key frame's iterations after which its base is made for the codec
PRICE_AT = (0.6, 0.65, 0.7, 0.75)  # shares of them after which some slots go
AT_A_TIME = 1 / 3  # of these slots
OTHER_BITS = 25.0  # of a slot, beside its base's: its place, and what changes over a GOP
KEY_GRID = 0.25  # of the multiplier of bits, for each step that a base differs from its neighbours


@dataclass(frozen=True)
class CodecSteps:
    """What one level of the quantiser is, slot by slot, in training coordinates; of what changes over time."""

    means: torch.Tensor  # (N, 1)
    turns: torch.Tensor  # (N, 3) radians about the Gaussian's own axes
    log_scales: torch.Tensor  # (N, 3)
    logits: torch.Tensor  # (N,)
    sh: torch.Tensor  # (N, K, 3) of luma and chroma
    order: torch.Tensor  # (N, 3) axes by falling scale: the codec's spelling
    shows: torch.Tensor  # (N,) mean squared error of the picture without each one, all others there
    frames: int  # of a GOP, over which the base is spread

    def take(self, rows: torch.Tensor) -> CodecSteps:
        """Of the slots `rows`."""
        per_slot = ("means", "turns", "log_scales", "logits", "sh", "order", "shows")
        return replace(self, **{name: getattr(self, name)[rows] for name in per_slot})

    @property
    def place_share(self) -> float:
        """Steps of base positions against those of changes: a base's error is seen in all frames."""
        return self.frames**-0.5

    @property
    def base_share(self) -> float:
        """The same of the base's other attributes."""
        return self.place_share * (BASE_COARSER if self.frames > 1 else 1.0)


@dataclass(frozen=True)
class Neighbours:
    """The nearest few of each slot, and their weights (rows sum to 1)."""

    rows: torch.Tensor  # (N, NEAREST)
    weights: torch.Tensor  # (N, NEAREST)

    def take(self, rows: torch.Tensor) -> Neighbours:
        """Of other slots, each as one of `rows` (M,) has them."""
        return Neighbours(self.rows[rows], self.weights[rows])

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Weighted means of values (N, ...) over the neighbours."""
        weights = self.weights.view(*self.weights.shape, *[1] * (values.ndim - 1))
        return (weights * values[self.rows]).sum(1)


def find_neighbours(gaussians: Gaussians) -> Neighbours:
    """By distance, weights one over it."""
    from scipy.spatial import cKDTree

    points = gaussians.means.detach().cpu().numpy().astype(np.float64)
    k = min(NEAREST + 1, len(points))
    distance, rows = (
        np.asarray(a).reshape(len(points), -1)[:, 1:] for a in cKDTree(points).query(points, k=k)
    )
    weights = 1 / np.maximum(distance, 1e-9)
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-30)
    device = gaussians.means.device
    return Neighbours(
        torch.as_tensor(rows, dtype=torch.int64, device=device),
        torch.as_tensor(weights, dtype=torch.float32, device=device),
    )


def codec_steps(
    gaussians: Gaussians, capture: Capture, kernel: str, frames: int, device: str, quality: float
) -> tuple[CodecSteps, float]:
    """The encoder's steps at `quality` for a GOP of `frames`; and its exchange rate: the mean squared error of the
    picture that a bit a slot, spent in every frame, is worth.

    By the model of `bits`, halving all steps costs |d| / (1 + |d|) bits a coefficient, and quarters the error. What is
    nearly zero anyway costs nothing to tell: most of a static slot's coefficients.
    """
    splats = to_splats(gaussians, capture.normalisation, capture.up, kernel)
    cameras = sensitivity_cameras(splats, capture.zone(), seed=0, size=VIEW_SIZE, count=VIEWS)
    measured = measure_sensitivity(splats, cameras, kernel=kernel, device=device)
    tracks = make_tracks([splats], {0: measured}, use_parts=False, use_gauge=True, steps=None)
    mse = 10 ** (-target_psnr(quality) / 10)
    per_slot = (12 + 3 * splats.sh.shape[1]) / frames + (3 if frames > 1 else 0)
    lam = FIRST_GUESS * float(np.sqrt(12 * mse * 3 * max(measured.pixels, 1.0) / (len(splats) * per_slot)))
    steps = sensitive_steps(tracks, lam)

    def of(group: int) -> np.ndarray:
        units = steps.base_unit[list(channels_of(group, tracks.sh_degree))].astype(np.float64)
        return np.asarray(2.0 ** steps.wanted[group][:, None] * units)

    logs = np.log(np.maximum(splats.scales.astype(np.float64), 1e-8))
    order = np.argsort(-logs, axis=1, kind="stable")
    shifts = rotation_shifts(np.round(tracks.logs[0].T * 1024).astype(np.int64), np.full(3, 1 / 1024)).T
    turns, scales = np.empty_like(logs), np.empty_like(logs)
    np.put_along_axis(turns, order, of(ROTATION) * 2.0**shifts, axis=1)
    np.put_along_axis(scales, order, of(SCALE), axis=1)
    sh = np.concatenate([of(COLOUR), of(SH)], axis=1).reshape(len(splats), -1, 3)
    hidden = 1 - splats.opacities.astype(np.float64)  # a logit's derivative is so much of all that is there
    shows = measured.logits / np.maximum(hidden, 1e-3) ** 2 / (3 * max(measured.pixels, 1.0))

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(array, dtype=torch.float32, device=device)

    found = CodecSteps(
        tensor(of(POSITION)[:, :1] * capture.normalisation.scale), tensor(turns), tensor(scales), tensor(of(OPACITY)[:, 0]), tensor(sh),
        torch.as_tensor(order, device=device), tensor(shows), frames,
    )  # fmt: skip
    base = 3 + paid_for(gaussians.fixed(), find_neighbours(gaussians), found)
    paid = base / frames + (MOVING if frames > 1 else 0)
    return found, float(mse * np.log(4) / paid)


LUMA = torch.tensor(LUMA_CHROMA, dtype=torch.float32)
TYPICAL_TURN = 0.5  # radians between neighbours: what the rotation of a base costs


def change(a: Gaussians, b: Gaussians, steps: CodecSteps) -> dict[str, torch.Tensor]:
    """How far a is from b, in steps: (N, channels) by attribute; turns about the own axes of b."""
    qa, qb = (torch.nn.functional.normalize(g.quats, dim=1) for g in (a, b))
    q = product(conjugate(qb), qa)
    turn = 2 * torch.where(q[:, :1] < 0, -q[:, 1:], q[:, 1:])
    sh = (a.sh - b.sh) @ LUMA.to(a.sh.device).T
    return {
        "means": (a.means - b.means) / steps.means,
        "turns": turn / steps.turns,
        "log_scales": (a.log_scales - b.log_scales) / steps.log_scales,
        "logits": ((a.logits - b.logits) / steps.logits)[:, None],
        "sh": (sh / steps.sh).flatten(1),
    }


def bits(levels: torch.Tensor) -> torch.Tensor:
    """Of levels (N, C): what an adaptive coder pays, roughly; (N,)."""
    return torch.log2(1 + levels.abs()).sum(1)


def base_levels(gaussians: Gaussians, neighbours: Neighbours, steps: CodecSteps) -> torch.Tensor:
    """(N, C): log scales (falling), opacity and SH less what the neighbours tell, in the base's steps."""
    share = steps.base_share
    values = (
        (gaussians.log_scales.gather(1, steps.order), steps.log_scales.gather(1, steps.order)),
        (gaussians.logits[:, None], steps.logits[:, None]),
        ((gaussians.sh @ LUMA.to(gaussians.sh.device).T).flatten(1), steps.sh.flatten(1)),
    )
    return torch.cat([(v - neighbours.mean(v)) / (share * step) for v, step in values], dim=1)


def base_bits(gaussians: Gaussians, neighbours: Neighbours, steps: CodecSteps) -> torch.Tensor:
    """(N,) bits of all of a base but its positions."""
    return bits(base_levels(gaussians, neighbours, steps)) + bits(turn_levels(gaussians, steps))


def paid_for(gaussians: Gaussians, neighbours: Neighbours, steps: CodecSteps) -> float:
    """Mean bits of a base, without its positions, that halving the steps costs; of small steps one a coefficient."""
    of = base_levels(gaussians, neighbours, steps), turn_levels(gaussians, steps)
    levels = torch.cat(of, dim=1).detach().abs()
    return float((levels / (1 + levels)).sum(1).mean())


def base_roughness(gaussians: Gaussians, neighbours: Neighbours, steps: CodecSteps) -> torch.Tensor:
    """(N,) how far a base is from smooth among its neighbours, in steps; Huber, as in Self-Organizing Gaussians."""
    levels = base_levels(gaussians, neighbours, steps)
    return torch.nn.functional.huber_loss(levels, torch.zeros_like(levels), reduction="none").sum(1)


def turn_levels(gaussians: Gaussians, steps: CodecSteps) -> torch.Tensor:
    """(N, 3): what a typical turn is, in the base's steps: round Gaussians need not tell their rotation.

    Sensitivity to a turn grows as 2 sinh of the gap between the two other log scales (SPEC.md 5.6).
    """
    s = gaussians.log_scales
    seen = 2 * torch.sinh((s[:, [1, 0, 0]] - s[:, [2, 2, 1]]).abs())
    return TYPICAL_TURN / (steps.base_share * steps.turns) * seen / (seen.detach() + 1e-3)


def shaken(gaussians: Gaussians, steps: CodecSteps, generator: torch.Generator) -> Gaussians:
    """A base as it may come out of the codec: uniform noise of one step of its own on all attributes."""

    def noise(steps: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        return steps * (torch.rand(shape, generator=generator) - 0.5).to(steps.device)

    g, share = gaussians, steps.base_share
    turn = 0.5 * share * noise(steps.turns, steps.turns.shape)
    small = torch.cat([torch.ones_like(turn[:, :1]), turn], dim=1)
    return Gaussians(
        g.means + steps.place_share * noise(steps.means, g.means.shape),
        product(torch.nn.functional.normalize(g.quats, dim=1), small),
        g.log_scales + share * noise(steps.log_scales, g.log_scales.shape),
        g.logits + share * noise(steps.logits, g.logits.shape),
        g.sh + share * noise(steps.sh, g.sh.shape) @ LUMA.to(g.sh.device),
    )


class KeyCalm:
    """What the key frame's last iterations are held to; each of the losses by its name in TrainSettings.codec."""

    def __init__(
        self, losses: tuple[str, ...], capture: Capture, kernel: str, frames: int, quality: float
    ) -> None:
        self._losses = tuple(name for name in losses if name in KEY_LOSSES)
        self._capture, self._kernel, self._frames, self._quality = capture, kernel, frames, quality
        self._price_at: tuple[float, ...] = PRICE_AT
        self._known: tuple[CodecSteps, float, Neighbours] | None = None

    def look(self, gaussians: Gaussians, done: float) -> None:
        """Neighbours and steps anew, of other Gaussians or of changed ones; `done`: share of the iterations."""
        if not self._losses or done < KEY_FROM:
            return
        device = "cuda" if gaussians.means.is_cuda else "cpu"
        steps, rate = codec_steps(
            gaussians.fixed(), self._capture, self._kernel, self._frames, device, self._quality
        )
        self._known = steps, rate, find_neighbours(gaussians)

    def resume(self, gaussians: Gaussians, began: float, done: float) -> None:
        """As an uninterrupted run is after a look at `done`; the step before that began at `began`."""
        self._price_at = tuple(at for at in PRICE_AT if at > began)
        self.look(gaussians, done)

    def worth(self, gaussians: Gaussians, done: float, generator: torch.Generator) -> torch.Tensor | None:
        """(N,) bool: all but a few of the slots whose bits aren't worth what they show; None: it is not time to ask.

        What is behind a slot hides that it is gone, and the other way round: if both go, there is a hole. So a share
        of them, drawn at random, goes at a time; the others then show more, and what is left recovers.
        """
        if self._known is None:
            self.look(gaussians, done)
        if "price" not in self._losses or not self._price_at or done < self._price_at[0]:
            return None
        self._price_at = tuple(at for at in PRICE_AT if at > done)  # a step of many views may pass two
        self.look(gaussians, done)
        if self._known is None:
            return None
        steps, rate, neighbours = self._known
        with torch.no_grad():
            slot_bits = base_bits(gaussians, neighbours, steps) + OTHER_BITS
        dear = steps.shows < rate * slot_bits / (len(slot_bits) * steps.frames)
        drawn = torch.rand(len(dear), generator=generator) < AT_A_TIME
        keep = ~(dear & drawn.to(dear.device))
        return keep if bool(keep.any()) else None

    def taken(self, gaussians: Gaussians, rows: torch.Tensor) -> None:
        """After `worth`: what is left, and which rows these were. They have the steps that they had till the next look."""
        if self._known is not None:
            steps, rate, _ = self._known
            self._known = steps.take(rows), rate, find_neighbours(gaussians)

    def shown(self, gaussians: Gaussians, generator: torch.Generator) -> Gaussians:
        """What the picture is drawn of."""
        if self._known is None or "quantise" not in self._losses:
            return gaussians
        return shaken(gaussians, self._known[0], generator)

    def cost(self, gaussians: Gaussians) -> torch.Tensor:
        """What is added to the picture's loss."""
        cost = gaussians.means.sum() * 0
        if self._known is None:
            return cost
        steps, rate, neighbours = self._known
        a_bit = PER_MSE * rate / self._frames
        if "entropy" in self._losses:
            cost = cost + a_bit * base_bits(gaussians, neighbours, steps).mean()
        if "grid" in self._losses:
            cost = cost + KEY_GRID * a_bit * base_roughness(gaussians, neighbours, steps).mean()
        return cost
