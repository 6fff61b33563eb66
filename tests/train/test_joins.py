"""A GOP's last frames lean over to the next GOP's first: by what differs at one frame, seen from each Gaussian."""

from __future__ import annotations

import pytest

from tests.train.test_motion import blob

torch = pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")


def test_leaning_all_the_way_is_the_goal_and_not_at_all_is_the_frame() -> None:
    from gscodec.train.joins import leaning

    reached, goal = blob(), blob()
    goal.means[:100] += 0.1
    goal.quats[:100] = torch.nn.functional.normalize(goal.quats[:100] + 0.1, dim=1)
    goal.log_scales[:100] -= 0.2
    goal.sh[:100] += 0.3
    born = torch.tensor([3, 5])
    out = leaning(reached, reached, goal, 1.0, born)
    lives = torch.ones(150, dtype=torch.bool)
    lives[born] = False
    for name in ("means", "log_scales", "logits", "sh"):
        assert torch.allclose(getattr(out, name)[lives], getattr(goal, name)[lives], atol=1e-5), name
    same = (torch.nn.functional.normalize(goal.quats, dim=1) * out.quats).sum(1).abs()
    assert torch.allclose(same[lives], torch.ones(148), atol=1e-5)
    for name, tensor in out.tensors().items():
        kept = getattr(reached, name)
        assert torch.equal(tensor[100:], kept[100:]), name  # what did not differ, bit for bit
        assert torch.equal(tensor[born], kept[born]), name  # another Gaussian from the border on
    half = leaning(reached, reached, goal, 0.5, born)
    assert torch.allclose(half.means[0], (reached.means[0] + goal.means[0]) / 2, atol=1e-6)
    assert torch.allclose(leaning(reached, reached, goal, 0.0, born).means, reached.means)


def test_a_shift_turns_with_its_gaussian() -> None:
    from gscodec.train.joins import leaning

    own, reached, goal = blob(), blob(), blob()
    reached.quats[:] = torch.tensor([1.0, 0, 0, 0])
    goal.quats[:] = torch.tensor([1.0, 0, 0, 0])
    own.quats[:] = torch.tensor([0.5**0.5, 0, 0, 0.5**0.5])  # a quarter turn about z
    goal.means[:, 0] += 1.0
    shift = leaning(own, reached, goal, 1.0, torch.zeros(0, dtype=torch.int64)).means - own.means
    assert torch.allclose(shift, torch.tensor([0.0, 1.0, 0.0]).expand(150, 3), atol=1e-5)
