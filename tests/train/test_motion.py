"""Control nodes carry Gaussians rigidly, find a motion from pictures, and what holds still is held bit for bit."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gscodec.base.errors import BadInput
from gscodec.render.cameras import look_at
from gscodec.train.captures.model import Capture, Normalisation, Picture, View
from gscodec.train.settings import CODEC_LOSSES

torch = pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")

if TYPE_CHECKING:
    from gscodec.train.gaussians import Gaussians

UP = np.array([0.0, 0.0, 1.0])


def blob(n: int = 150) -> Gaussians:
    """Two clusters, left and right, of many colours."""
    from gscodec.train.gaussians import Gaussians

    rng = np.random.default_rng(8)
    means = rng.normal(0, 0.12, (n, 3))
    means[:, 0] += np.where(np.arange(n) % 2, 0.5, -0.5)
    arrays = (
        means,
        rng.normal(size=(n, 4)),
        rng.normal(-3, 0.2, (n, 3)),
        np.full(n, 2.0),
        rng.normal(0, 0.8, (n, 1, 3)),
    )
    return Gaussians(*(torch.tensor(a, dtype=torch.float32) for a in arrays))


def capture_of(frames: list[Gaussians]) -> Capture:
    """Pictures of the frames from five places around."""
    from gscodec.train.rasterise import render

    places = [(2.2 * math.sin(a), -2.2 * math.cos(a), 0.4) for a in np.linspace(0, 2 * math.pi, 6)[:-1]]
    cameras = [look_at(np.array(p), np.zeros(3), UP, 0.8, 48) for p in places]

    def read(view: int, frame: int) -> Picture:
        drawn = render(frames[frame].activated(), [cameras[view]])[0].numpy()
        straight = drawn[..., :3] / np.maximum(drawn[..., 3:], 1e-6)
        levels = (np.clip(np.dstack([straight, drawn[..., 3:]]), 0, 1) * 255 + 0.5).astype(np.uint8)
        return Picture(levels[..., :3], levels[..., 3])

    views = [View(f"v{i}", False, (c,)) for i, c in enumerate(cameras)]
    return Capture(views, len(frames), 30.0, (0.0, 0.0, 1.0), True, None, Normalisation(), [], read)


def shifted(start: Gaussians, rows: np.ndarray, by: tuple[float, float, float]) -> Gaussians:
    out = start.fixed()
    out.means[torch.from_numpy(rows)] += torch.tensor(by)
    return out


def test_one_rigid_motion_of_all_nodes_is_that_motion() -> None:
    from gscodec.train.motion import bind_nodes, moved, rigidity

    start = blob()
    nodes = bind_nodes(start, 12)
    assert nodes.near.shape == (150, 4)
    assert torch.allclose(nodes.weights.sum(1), torch.ones(150))
    angle, shift = 0.02, torch.tensor([0.1, -0.2, 0.05])
    q = torch.nn.functional.normalize(torch.tensor([1.0, 0, 0, angle / 2]), dim=0)
    turn = 2 * math.atan2(float(q[3]), float(q[0]))
    matrix = torch.tensor([
        [math.cos(turn), -math.sin(turn), 0.0], [math.sin(turn), math.cos(turn), 0.0], [0.0, 0.0, 1.0]
    ])  # fmt: skip
    centres = start.means[nodes.rows]
    motion = torch.zeros(12, 6)
    motion[:, 5] = angle
    motion[:, :3] = centres @ matrix.T - centres + shift
    out = moved(start, nodes, motion)
    assert torch.allclose(out.means, start.means @ matrix.T + shift, atol=1e-6)
    assert float(rigidity(start, nodes, motion)) < 1e-10
    motion[0, :3] += 0.3
    assert float(rigidity(start, nodes, motion)) > 1e-2
    assert torch.equal(out.log_scales, start.log_scales)


def test_motion_is_found_and_the_still_half_is_held_bit_for_bit() -> None:
    from gscodec.train.codec_losses import codec_steps, find_neighbours
    from gscodec.train.detail import CalmDetail, detail, pixels_per_unit
    from gscodec.train.keyframe import PictureLoss
    from gscodec.train.motion import bind_nodes, move

    start = blob()
    right = np.arange(150) % 2 == 1
    goal = shifted(start, right, (0.05, 0.02, 0.04))
    capture = capture_of([start, goal])
    loss = PictureLoss(capture, 1, "classic", np.random.default_rng(0))
    nodes = bind_nodes(start, 12)
    pixels = pixels_per_unit(start, capture, 1)
    assert float(pixels.min()) > 20
    carried = move(start, nodes, loss, 80).fixed()
    steps, rate = codec_steps(start, capture, "classic", 2, "cpu", 20.0)
    calm = CalmDetail(CODEC_LOSSES, start, carried, pixels, steps, rate, find_neighbours(start))
    out, still = detail(calm, loss, 40)
    error = (out.means - goal.means).norm(dim=1)
    assert float(error[torch.from_numpy(right)].median()) < 0.012  # of 0.067
    held = still.numpy()
    assert held[~right].mean() > 0.8
    assert held[right].mean() < 0.05
    for name, tensor in out.tensors().items():
        assert torch.equal(tensor[still], getattr(start, name)[still]), name
    free, nothing = detail(replace(calm, losses=()), loss, 40)
    assert not bool(nothing.any())
    assert not torch.equal(free.logits, start.logits)  # nothing is held where nothing is made for the codec


def test_detail_ends_where_it_is_enough_and_counts_all_its_steps() -> None:
    from gscodec.train.codec_losses import codec_steps, find_neighbours
    from gscodec.train.detail import CalmDetail, detail, pixels_per_unit
    from gscodec.train.keyframe import PictureLoss

    start = blob()
    capture = capture_of([start, start])
    steps, rate = codec_steps(start, capture, "classic", 2, "cpu", 20.0)
    pixels = pixels_per_unit(start, capture, 1)
    calm = CalmDetail((), start, start, pixels, steps, rate, find_neighbours(start))

    def run(iterations: int, limit: int) -> tuple[Gaussians, int, int]:
        told: list[tuple[int, float]] = []
        asked: list[Gaussians] = []
        loss = PictureLoss(capture, 1, "classic", np.random.default_rng(0))
        out, _ = detail(
            calm, loss, iterations, lambda *step: told.append(step),
            enough=lambda now: asked.append(now) or len(asked) == limit, every=3,
        )  # fmt: skip
        return out, sum(n for n, _ in told), len(asked)

    short, steps_told, asked = run(12, 2)
    assert (steps_told, asked) == (12, 2)
    same, steps_told, asked = run(6, 9)
    assert (steps_told, asked) == (6, 1)  # not asked after the last
    assert all(torch.equal(a, same.tensors()[name]) for name, a in short.tensors().items())


def test_a_frame_that_no_view_saw_is_named() -> None:
    from gscodec.train.keyframe import PictureLoss

    capture = capture_of([blob()])
    views = [replace(view, frames=frozenset({0})) for view in capture.views]
    loss = PictureLoss(replace(capture, views=views), 7, "classic", np.random.default_rng(0))
    with pytest.raises(BadInput, match="frame=7"):
        loss(blob())


def test_small_changes_are_held_and_add_up_until_they_are_seen() -> None:
    from gscodec.train.detail import HOLD_PIXELS, hold_still

    held = blob(8)
    pixels = torch.full((8,), 100.0)
    step = 0.4 * HOLD_PIXELS / 100
    true = held
    woken = []
    for _ in range(3):
        true = shifted(true, np.arange(8) < 4, (step, 0.0, 0.0))
        held, still = hold_still(true, held, pixels)
        woken.append((~still).numpy())
    assert not woken[0].any()
    assert not woken[1].any()
    assert woken[2].tolist() == [True] * 4 + [False] * 4
    redder = held.fixed()
    redder.sh[0, 0, 0] += 0.05
    turned = held.fixed()
    turned.quats[1] = -turned.quats[1]  # the same rotation
    assert hold_still(redder, held, pixels)[1].tolist() == [False] + [True] * 7
    assert bool(hold_still(turned, held, pixels)[1].all())
