"""The last frames of a GOP, led over to the first frame of the next one, which the chain pass made.

Both fit the same scene, but their errors differ, and where all errors change at once the border shows. So the GOP goes
on to that frame as well; what is left between the two is folded into its last frames, and their detail stage follows.
"""

from __future__ import annotations

import torch
import torch.nn.functional as nn

from gscodec.train.gaussians import Gaussians, conjugate, product, turned

__all__ = ["leaning"]


def leaning(
    own: Gaussians, reached: Gaussians, goal: Gaussians, share: float, born: torch.Tensor
) -> Gaussians:
    """`own`, the Gaussians of a frame, changed by `share` of what takes `reached` to `goal`, both of one later frame.

    Shifts and turns are those seen from each Gaussian. Rows `born` (M,) of `goal` are others, and left as they are.
    """
    a, b, c = (nn.normalize(g.quats, dim=1) for g in (own, reached, goal))
    local = product(conjugate(b), c)
    local = torch.where(local[:, :1] < 0, -local, local)
    still = torch.zeros_like(local)
    still[:, 0] = 1
    turn = nn.normalize(still + share * (local - still), dim=1)
    out = Gaussians(
        own.means + share * turned(product(a, conjugate(b)), goal.means - reached.means),
        product(a, turn),
        own.log_scales + share * (goal.log_scales - reached.log_scales),
        own.logits + share * (goal.logits - reached.logits),
        own.sh + share * (goal.sh - reached.sh),
    )
    pairs = [(getattr(reached, name), tensor) for name, tensor in goal.tensors().items()]
    same = torch.stack([(x == y).view(len(y), -1).all(1) for x, y in pairs]).all(
        0
    )  # bit for bit: not to be rounded
    same[born] = True
    for name, tensor in out.tensors().items():
        tensor[same] = getattr(own, name)[same]
    return out
