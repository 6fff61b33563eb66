"""The last frames of a GOP lead over to the next one's first, which was trained apart from them.

Each slot that lives on over the border is, in the last frame, one thing by the GOP's own training and another by the
chain pass. What lies between goes in equal steps over the last frames and the border, so that no pair of frames shows
all of it. Training knows nothing of it: a GOP's frames are led when they are read.

Half way between two places of a Gaussian shows what both show only where they overlap. Where things move fast, the two
trainings have most slots in other places, the picture is shared out in another way, and to lead some would tear it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gscodec.train.gaussians import NAMES, Gaussians
from gscodec.train.lives import Lives

__all__ = ["Lead", "Past", "lead_over", "lead_share", "led", "shifted"]

LED = 3  # frames at the end of a GOP
NEAR = 0.5  # of a Gaussian's largest standard deviation: how far apart its two places are, at most
MOST = 0.9  # share of the slots that must be so near, or none is led (capture-fox: 0.23, capture-trio: 0.97)


@dataclass(frozen=True, eq=False)
class Past:
    """What M slots of a later GOP's first frame would be one frame earlier: those that were there before the border."""

    rows: torch.Tensor  # (M,) int64
    gaussians: Gaussians  # (M,)


@dataclass(frozen=True, eq=False)
class Lead:
    """Where the M slots of a GOP that live on come from, in its last frame, and where they go."""

    rows: torch.Tensor  # (M,) int64
    last: Gaussians  # (M,) as the GOP has trained them
    past: Gaussians  # (M,) as the next GOP would have them


def shifted(base: Gaussians, a: Gaussians, b: Gaussians, share: float) -> Gaussians:
    """`base` changed by a share of what lies between `a` and `b`, slot by slot; all have N."""
    turned = torch.nn.functional.normalize(base.quats.detach(), dim=1)
    out = {}
    for name in NAMES:
        own, frm, to = (getattr(one, name).detach() for one in (base, a, b))
        if name == "quats":
            own, (frm, to) = turned, (_near(q, turned) for q in (frm, to))
        out[name] = own + share * (to - frm)
    return Gaussians(**out)


def _near(quats: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """(N, 4) unit, of the two spellings of each rotation the one nearer to `like`."""
    unit = torch.nn.functional.normalize(quats, dim=1)
    return torch.where((unit * like).sum(1, keepdim=True) < 0, -unit, unit)


def lead_over(last: Gaussians, lives: Lives, start: int, past: Past) -> Lead | None:
    """Of the GOP that begins at `start`, from its last frame and the next one's first; what it has seen born stays.

    None where too few slots are near to where they go.
    """
    rows = past.rows.to(last.means.device)
    apart = (past.gaussians.means - last.means[rows]).norm(dim=1)
    near = (apart < NEAR * torch.exp(last.log_scales[rows]).amax(1)).cpu()
    lasting = lives.born[past.rows] == start
    if not len(rows) or float((near & lasting).float().mean()) < MOST:
        return None
    taken = torch.nonzero(near & lasting)[:, 0]
    return Lead(past.rows[taken], last.take(past.rows[taken]), past.gaussians.take(taken))


def lead_share(at: int, length: int) -> float:
    """How far frame `at` of a GOP of `length` frames is led over, 0..1: its first and all but the last LED are not."""
    frames = min(LED, length - 1)
    return max(0.0, (at - (length - 1 - frames)) / (frames + 1))


def led(own: Gaussians, lead: Lead, at: int, length: int) -> Gaussians:
    """Frame `at` of a GOP of `length` frames."""
    share = lead_share(at, length)
    if not share:
        return own
    out = own.fixed()
    goal = shifted(out.take(lead.rows), lead.last, lead.past, share)
    for name, tensor in out.tensors().items():
        tensor[lead.rows] = getattr(goal, name)
    return out
