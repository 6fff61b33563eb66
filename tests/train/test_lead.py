"""The last frames of a GOP go over to the next one's first frame in equal steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from gscodec.train.lives import Lives
from tests.train.test_motion import blob

torch = pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")


def test_what_lies_between_two_trainings_goes_in_equal_steps() -> None:
    from gscodec.train.lead import LED, NEAR, Past, lead_over, led

    last, length = blob(), LED + 3
    size = torch.exp(last.log_scales).amax(1, keepdim=True)
    goal = last.fixed()
    goal.means += NEAR / 2 * size * torch.tensor([0.6, 0.0, -0.8])
    goal.means[8] += size[8]  # too far to go there
    goal.logits -= 1
    goal.quats *= -2  # the same rotations
    rows = torch.arange(0, len(last.means), 2)
    lives = Lives.of_first(len(last.means), 7)
    lives.born[4] = 9
    lead = lead_over(last, lives, 7, Past(rows, goal.take(rows)))
    assert lead is not None
    led_rows = rows[(rows != 4) & (rows != 8)]
    apart = torch.ones(len(last.means), dtype=torch.bool)
    apart[led_rows] = False
    for at in range(length):
        out, share = led(last, lead, at, length), max(0, at - (length - 1 - LED)) / (LED + 1)
        way = share * (goal.means - last.means)[led_rows]
        torch.testing.assert_close(out.means[led_rows] - last.means[led_rows], way, rtol=1e-3, atol=1e-6)
        torch.testing.assert_close(out.logits[led_rows], last.logits[led_rows] - share)
        unit = torch.nn.functional.normalize(last.quats, dim=1)
        torch.testing.assert_close(torch.nn.functional.normalize(out.quats, dim=1), unit)
        for name, tensor in out.tensors().items():
            assert torch.equal(
                tensor[apart], getattr(last, name)[apart]
            )  # born here, far, or not there any more
    assert led(last, lead, 0, 1) is last  # a GOP of one frame is its first


def test_where_most_slots_are_elsewhere_none_is_led() -> None:
    from gscodec.train.lead import MOST, Past, lead_over

    last, rows = blob(), torch.arange(len(blob().means))
    lives, goal = Lives.of_first(len(rows), 0), blob()
    far = round((1 - MOST) * len(rows))
    goal.means[: far + 1] += 1
    assert lead_over(last, lives, 0, Past(rows, goal)) is None
    goal = blob()
    goal.means[: far - 1] += 1
    lead = lead_over(last, lives, 0, Past(rows, goal))
    assert lead is not None and lead.rows.tolist() == rows[far - 1 :].tolist()
    assert lead_over(last, lives, 0, Past(rows[:0], goal.take(rows[:0]))) is None


def test_of_two_spellings_of_a_rotation_the_nearer_is_led_to() -> None:
    from gscodec.train.lead import shifted

    own = blob()
    turned = own.fixed()
    turned.quats = torch.nn.functional.normalize(own.quats, dim=1) + torch.tensor([0.0, 0.1, 0.0, 0.0])
    other = turned.fixed()
    other.quats *= -1
    torch.testing.assert_close(shifted(own, own, turned, 0.5).quats, shifted(own, own, other, 0.5).quats)


def test_frames_as_told_to_the_stream_lead_over_and_a_clip_s_last_gop_stays(tmp_path: Path) -> None:
    from gscodec.train.checkpoints import Checkpoint, TrainedSequence, frame_path
    from gscodec.train.lead import Past
    from gscodec.train.settings import TrainSettings
    from tests.train.test_motion import capture_of

    key = blob()
    rows = torch.arange(len(key.means))
    still, motion = torch.zeros(len(rows), dtype=torch.bool), torch.zeros(1, 6)
    for t in range(6):
        one = key.fixed()
        one.means += 0.003 if t >= 3 else 0.0
        lives = Lives.of_first(len(rows), t - t % 3)
        past = Past(rows, one) if t == 3 else None
        Checkpoint(one, motion, still, lives, past=past).save(frame_path(tmp_path, t))
    for births in (True, False):
        settings = TrainSettings(gop=3, births=births)
        clip = TrainedSequence(tmp_path, capture_of([key] * 6), settings, range(6))
        gone = [float((clip.gaussians(t).means - key.means).mean()) for t in range(6)]
        assert gone == pytest.approx([0, 0.001, 0.002, 0.003, 0.003, 0.003], abs=1e-6)
        alone = TrainedSequence(tmp_path, clip.capture, settings, range(3))
        assert torch.equal(alone.gaussians(2).means, key.means)
