"""Motion from one frame to the next: few control nodes, each of which turns and shifts the Gaussians around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as nn

from gscodec.train.gaussians import Gaussians, conjugate, product, turned
from gscodec.train.keyframe import Report

__all__ = ["Nodes", "bind_nodes", "move", "moved", "node_motion", "rigidity"]

NEAREST = 4
CARRY = 0.6  # of the last motion, as a start: all of it overshoots where direction changes (HiCoM)
RIGID = 0.3
NODE_RATE = 8e-3
RATE_LAST = 0.1  # of the rate at the end


@dataclass
class Nodes:
    """K control nodes bound to N Gaussians at the key frame."""

    rows: torch.Tensor  # (K,) Gaussians that the nodes stand on
    near: torch.Tensor  # (N, NEAREST) nodes of each Gaussian
    weights: torch.Tensor  # (N, NEAREST), rows sum to 1
    edges: torch.Tensor  # (K, E) neighbouring nodes
    motion: torch.Tensor  # (K, 6) of the last frame: translation, rotation vector

    def take(self, rows: torch.Tensor) -> Nodes:
        """Bound to other Gaussians, each as one of `rows` (M,) is."""
        return replace(self, near=self.near[rows], weights=self.weights[rows])


def bind_nodes(gaussians: Gaussians, count: int) -> Nodes:
    """Farthest-point nodes among Gaussians, the first one nearest to the middle."""
    points = gaussians.means.cpu().numpy().astype(np.float64)
    count = min(count, len(points))
    chosen = [int(np.argmin(((points - points.mean(0)) ** 2).sum(1)))]
    far = ((points - points[chosen[0]]) ** 2).sum(1)
    while len(chosen) < count:
        chosen.append(int(np.argmax(far)))
        far = np.minimum(far, ((points - points[chosen[-1]]) ** 2).sum(1))
    from scipy.spatial import cKDTree

    tree = cKDTree(points[chosen])
    k = min(NEAREST, count)
    distance, near = (np.asarray(a).reshape(len(points), -1) for a in tree.query(points, k=k))
    weights = np.exp(-((distance / np.maximum(distance[:, -1:], 1e-9)) ** 2) * 2)
    edges = np.asarray(tree.query(points[chosen], k=min(k + 1, count))[1]).reshape(count, -1)[:, 1:]
    device = gaussians.means.device

    def index(a: object) -> torch.Tensor:
        return torch.as_tensor(np.asarray(a), dtype=torch.int64, device=device)

    share = torch.tensor(weights / weights.sum(1, keepdims=True), dtype=torch.float32, device=device)
    return Nodes(index(chosen), index(near), share, index(edges), torch.zeros(count, 6, device=device))


def _quaternions(turn: torch.Tensor) -> torch.Tensor:
    """wxyz of small rotation vectors (K, 3)."""
    return nn.normalize(torch.cat([torch.ones_like(turn[:, :1]), 0.5 * turn], dim=1), dim=1)


def moved(start: Gaussians, nodes: Nodes, motion: torch.Tensor) -> Gaussians:
    """Every Gaussian by the blend of its nodes' rigid motions."""
    turns, centres = _quaternions(motion[:, 3:]), start.means[nodes.rows]
    offset = start.means[:, None] - centres[nodes.near]
    placed = centres[nodes.near] + motion[:, :3][nodes.near] + turned(turns[nodes.near], offset)
    means = (nodes.weights[..., None] * placed).sum(1)
    turn = nn.normalize((nodes.weights[..., None] * turns[nodes.near]).sum(1), dim=1)
    return Gaussians(means, product(turn, start.quats), start.log_scales, start.logits, start.sh)


def node_motion(nodes: Nodes, before: Gaussians, after: Gaussians) -> torch.Tensor:
    """(K, 6) of the nodes where their own Gaussians went from `before` to `after`; see Nodes.motion."""
    a, b = (nn.normalize(g.quats[nodes.rows], dim=1) for g in (before, after))
    turn = product(b, conjugate(a))
    shift = (after.means - before.means)[nodes.rows]
    return torch.cat([shift, 2 * torch.where(turn[:, :1] < 0, -turn[:, 1:], turn[:, 1:])], dim=1)


def rigidity(start: Gaussians, nodes: Nodes, motion: torch.Tensor) -> torch.Tensor:
    """How far neighbouring nodes are from where each node's own motion would put them, relative to their distance."""
    centres = start.means[nodes.rows]
    offset = centres[nodes.edges] - centres[:, None]
    want = turned(_quaternions(motion[:, 3:])[:, None], offset)
    got = offset + motion[:, :3][nodes.edges] - motion[:, None, :3]
    length = offset.square().sum(-1).mean() + 1e-9
    return (got - want).square().sum(-1).mean() / length


def move(
    start: Gaussians,
    nodes: Nodes,
    picture_loss: Callable[[Gaussians], torch.Tensor],
    iterations: int,
    report: Report | None = None,
) -> Gaussians:
    """`start`, the Gaussians of the frame before, moved by the nodes to lower the loss; `nodes.motion` goes along.

    Nodes start at a share of their last motion; neighbours are held to a rigid motion of each other.
    """
    motion = (CARRY * nodes.motion).clone().requires_grad_()
    adam = torch.optim.Adam([motion], lr=NODE_RATE, eps=1e-15)
    for i in range(iterations):
        adam.param_groups[0]["lr"] = NODE_RATE * RATE_LAST ** (i / iterations)
        seen = picture_loss(moved(start, nodes, motion))
        loss = seen + RIGID * rigidity(start, nodes, motion)
        adam.zero_grad()
        loss.backward()
        adam.step()
        if report:
            report(1, float(seen.detach()))
    nodes.motion = motion.detach()
    return moved(start, nodes, nodes.motion)
