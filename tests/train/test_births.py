"""Slots that nobody sees go to where the picture is wrong; all others stay as they are."""

from __future__ import annotations

import pytest

from tests.train.test_motion import blob, capture_of

torch = pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")


def test_idle_slots_are_born_where_the_picture_is_wrong() -> None:
    from gscodec.train.births import MOST, reuse_slots

    goal = blob()
    worn = goal.fixed()
    worn.sh[1::2] += 2.0  # all of the cluster on the right is wrong
    worn.logits[[0, 2, 4]] = -12.0
    capture = capture_of([goal])
    out, born, beside = reuse_slots(worn, capture, 0, "classic", torch.Generator().manual_seed(1))
    hidden = reuse_slots(goal, capture, 0, "classic", torch.Generator())[1].tolist()  # behind others
    assert len(hidden) < 4
    assert born.tolist() == sorted({0, 2, 4, *hidden})
    assert float((beside % 2 == 1).float().mean()) >= 0.75
    assert bool((out.means[born] - worn.means[beside]).norm(dim=1).max() < 0.3)
    assert bool((torch.sigmoid(out.logits[born]) < torch.sigmoid(worn.logits[beside])).all())  # shared
    rest = torch.ones(150, dtype=torch.bool)
    rest[born] = rest[beside] = False
    for name, tensor in out.tensors().items():
        assert torch.equal(tensor[rest], getattr(worn, name)[rest]), name
    again = reuse_slots(worn, capture, 0, "classic", torch.Generator().manual_seed(1))[0]
    assert torch.equal(again.means, out.means)

    nearly = goal.fixed()
    nearly.logits[:100] = -12.0
    assert len(reuse_slots(nearly, capture, 0, "classic", torch.Generator())[1]) == int(MOST * 150)
