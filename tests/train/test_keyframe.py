"""The key frame's switches: slots that grow, are pruned and masked; several views a step; the background; resuming."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gscodec.base.errors import BadInput
from gscodec.render.cameras import Camera, look_at
from gscodec.train.captures.model import Capture, Normalisation, Picture, View
from gscodec.train.settings import CODEC_LOSSES, TrainSettings

torch = pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")

UP = np.array([0.0, 0.0, 1.0])
SMALL = TrainSettings(gaussians=120, key_iterations=100, sh_degree=0, preview_every=40)


def cameras(count: int = 6, size: int = 40) -> list[Camera]:
    turns = np.linspace(0, 2 * math.pi, count + 1)[:-1]
    return [
        look_at(np.array([2.4 * math.sin(a), -2.4 * math.cos(a), 0.5]), np.zeros(3), UP, 0.9, size)
        for a in turns
    ]


def room(gains: list[float] | None = None, size: int = 40) -> Capture:
    """A textured ball before a far striped wall all around, unmasked; exactly traced."""
    rig = cameras(size=size)

    def read(view: int, frame: int) -> Picture:
        camera = rig[view]
        x, y = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
        ray = np.stack([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, np.ones_like(x)], -1)
        ray = ray @ camera.R
        ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
        out = np.zeros((size, size, 3))
        for radius, inside in ((6.0, True), (0.6, False)):
            b = ray @ camera.centre
            root = b * b - camera.centre @ camera.centre + radius**2
            hit = root > 0
            t = -b + np.sqrt(np.maximum(root, 0)) * (1 if inside else -1)
            p = camera.centre + t[..., None] * ray
            wave = 0.5 + 0.35 * np.sin(
                np.stack([5 * p[..., 0], 5 * p[..., 1], 5 * p[..., 2]], -1) * (0.25 if inside else 1)
            )
            out[hit] = wave[hit]
        gain = 1.0 if gains is None else gains[view]
        return Picture((np.clip(out * gain, 0, 1) * 255 + 0.5).astype(np.uint8))

    views = [View(f"v{i}", False, (c,)) for i, c in enumerate(rig)]
    return Capture(views, 1, 30.0, (0.0, 0.0, 1.0), False, None, Normalisation(), [], read)


def test_slots_are_as_many_as_asked_for_whatever_the_switches() -> None:
    from gscodec.train.keyframe import train_key

    capture = room()
    for switches in ({}, {"start_share": 0.5}, {"prune": 0.4}, {"prune": 0.3, "views_per_step": 3}):
        key = train_key(capture, replace(SMALL, **switches))
        assert len(key.gaussians.means) == 120, switches
        assert all(bool(t.isfinite().all()) for t in key.gaussians.tensors().values())
        assert key.colours is None


def test_masks_leave_fewer() -> None:
    from gscodec.train.keyframe import train_key
    from gscodec.train.prune import masked
    from gscodec.train.rasterise import Attributes

    logits = torch.tensor([3.0, -6.0], requires_grad=True)
    ones = torch.ones(2, 3)
    out = masked(Attributes(ones, torch.ones(2, 4), ones, torch.ones(2), torch.zeros(2, 1, 3)), logits)
    assert out.opacities.tolist() == [1.0, 0.0]
    assert out.scales[1].tolist() == [0.0, 0.0, 0.0]
    out.opacities.sum().backward()
    soft = torch.sigmoid(logits.detach())
    assert torch.allclose(logits.grad, soft * (1 - soft))
    few = train_key(room(), replace(SMALL, key_iterations=800, mask_weight=4.0)).gaussians
    assert 0 < len(few.means) < 120


def test_contribution_is_the_light_that_comes_from_each() -> None:
    from gscodec.train.gaussians import Gaussians
    from gscodec.train.prune import contribution, significance
    from gscodec.train.rasterise import render

    capture = room()
    rng = np.random.default_rng(2)
    shapes = ((5, 3), (5, 4), (5, 3), (5,), (5, 4, 3))
    arrays = [rng.normal(0, 0.3, shape) for shape in shapes]
    arrays[2] -= 1.5
    gaussians = Gaussians(*(torch.tensor(a, dtype=torch.float32) for a in arrays))
    got = contribution(gaussians, capture, 0, "classic")
    alpha = sum(float(render(gaussians.activated(), [v.camera(0)])[0, ..., 3].sum()) for v in capture.views)
    assert float(got.sum()) == pytest.approx(alpha, rel=1e-4)  # the weights of a pixel add up to its alpha
    hidden = gaussians.fixed()
    hidden.logits[3] = -9.0
    assert float(contribution(hidden, capture, 0, "classic")[3]) == 0
    ranked = significance(gaussians, got)
    bigger = gaussians.fixed()
    bigger.log_scales[0] += math.log(2)
    assert float(significance(bigger, got)[0] / ranked[0]) == pytest.approx(8**0.1, rel=1e-4)


def test_one_step_of_several_views_is_the_mean_of_their_losses() -> None:
    from gscodec.train.captures.seeds import seed_points
    from gscodec.train.gaussians import from_seeds
    from gscodec.train.keyframe import PictureLoss

    class Black(np.random.Generator):
        def random(self, *_: object, **__: object) -> float:  # type: ignore[override]
            return 0.9

    capture = room()
    gaussians = from_seeds(seed_points(capture, 60), 0, "cpu")

    def loss(views: int, order: tuple[int, ...]) -> float:
        rng = Black(np.random.PCG64(0))
        return float(PictureLoss(capture, 0, "classic", rng, order, views_per_step=views)(gaussians))

    assert loss(3, (4, 0, 2)) == pytest.approx(np.mean([loss(1, (v,)) for v in (4, 0, 2)]), rel=1e-5)


def test_a_room_is_seen_whole_and_nothing_hangs_before_the_cameras() -> None:
    from gscodec.train.captures.seeds import seed_points
    from gscodec.train.captures.sweep import nearest
    from gscodec.train.keyframe import train_key
    from gscodec.train.rasterise import render

    capture = room(size=64)
    seeds = seed_points(capture, 400)
    assert 200 < len(seeds.means) <= 400
    away = np.linalg.norm(seeds.means, axis=1)
    ball, wall = np.abs(away - 0.6) < 0.12, away > 3.5
    assert ball.sum() > 40
    assert wall.sum() > 100
    assert (ball | wall).mean() > 0.75
    settings = replace(SMALL, gaussians=400, key_iterations=300)
    gaussians = train_key(capture, settings).gaussians
    for view in capture.views:
        camera = view.camera(0)
        drawn = render(gaussians.activated(), [camera])[0]
        assert float((drawn[..., 3] > 0.8).float().mean()) > 0.97  # no holes
        close = (gaussians.means - torch.from_numpy(camera.centre).float()).norm(dim=1) < nearest(camera)
        assert float(torch.sigmoid(gaussians.logits)[close].sum()) < 0.5


def test_what_is_far_goes_further_and_what_is_near_does_not() -> None:
    from gscodec.train.captures.seeds import seed_points
    from gscodec.train.gaussians import from_seeds
    from gscodec.train.keyframe import RATES, optimiser, step_by_distance

    gaussians = from_seeds(seed_points(room(), 40), 0, "cpu").trainable()
    with torch.no_grad():
        gaussians.means[:] = torch.tensor([0.2, 0.1, 0.0])
        gaussians.means[20:] = torch.tensor([5.0, 0.0, 0.0])
    adam = optimiser(gaussians, dict.fromkeys(RATES, 1.0))
    before = gaussians.means.detach().clone()
    for tensor in gaussians.tensors().values():
        tensor.grad = torch.ones_like(tensor)
    step_by_distance(gaussians, adam)
    step = (before - gaussians.means.detach())[:, 1]
    assert step[:20].numpy() == pytest.approx(RATES["means"], rel=1e-3)
    assert step[20:].numpy() == pytest.approx(5 * RATES["means"], rel=1e-3)


def test_exposures_of_cameras_are_learnt_and_kept(tmp_path: Path) -> None:
    from gscodec.train.colour import CameraColours
    from gscodec.train.keyframe import train_key

    gains = [0.7, 1.0, 0.9, 0.8, 1.0, 0.75]
    capture = room(gains)
    settings = replace(SMALL, gaussians=300, key_iterations=600, camera_colours=True)
    colours = train_key(capture, settings).colours
    assert colours is not None
    assert torch.allclose(colours.matrices.mean(0), torch.eye(3), atol=1e-5)
    assert torch.allclose(colours.offsets.mean(0), torch.zeros(3), atol=1e-5)
    grey = torch.full((1, 1, 3), 0.5)
    shown = [float(colours(grey, torch.ones(1, 1, 1), v).mean()) for v in range(6)]
    assert np.corrcoef(shown, gains)[0, 1] > 0.9
    colours.save(tmp_path / "colours.npz")
    again = CameraColours.load(tmp_path / "colours.npz", capture, "cpu")
    assert torch.equal(again.matrices, colours.matrices)
    (tmp_path / "colours.npz").write_bytes(b"no")
    with pytest.raises(BadInput, match=r"colours\.npz"):
        CameraColours.load(tmp_path / "colours.npz", capture, "cpu")


@pytest.mark.parametrize(
    "switches, every, killed_at",
    [
        ({}, 30, 80),
        ({"camera_colours": True, "mask_weight": 0.1, "start_share": 0.4}, 30, 80),
        ({"codec": CODEC_LOSSES}, 30, 65),  # right before the first slots go
        ({"codec": CODEC_LOSSES}, 17, 70),  # between two rounds of the price
        ({"codec": CODEC_LOSSES}, 30, 95),  # after the last
    ],
)
def test_a_saved_state_goes_on_to_the_same_bits(
    switches: dict[str, object], every: int, killed_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gscodec.train import codec_losses, keyframe

    monkeypatch.setattr(keyframe, "SAVE_EVERY", every)
    monkeypatch.setattr(codec_losses, "OTHER_BITS", 4000.0)  # so dear that some slots go
    capture, settings = room(), replace(SMALL, preview_every=5, **switches)  # type: ignore[arg-type]

    def calm() -> codec_losses.KeyCalm:
        return codec_losses.KeyCalm(settings.codec, capture, "classic", 8, 20.0)

    whole = keyframe.train_key(capture, settings, calm=calm())
    assert (len(whole.gaussians.means) < settings.gaussians) == bool(settings.codec or settings.mask_weight)

    class Killed(Exception):
        pass

    def stop(done: int, _: object) -> None:
        if done >= killed_at:
            raise Killed

    place = tmp_path / "key.npz"
    with pytest.raises(Killed):
        keyframe.train_key(capture, settings, saved=place, preview=stop, calm=calm())
    told: list[int] = []
    again = keyframe.train_key(
        capture, settings, report=lambda n, _: told.append(n), saved=place, calm=calm()
    )
    assert (told[0], sum(told)) == (killed_at // every * every, 100)
    for name, tensor in whole.gaussians.tensors().items():
        assert torch.equal(tensor, getattr(again.gaussians, name)), name
    if whole.colours is not None and again.colours is not None:
        assert torch.equal(whole.colours.matrices, again.colours.matrices)
    place.write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(BadInput, match=r"key\.npz"):
        keyframe.train_key(capture, settings, saved=place)


def test_a_student_shows_what_its_teacher_does() -> None:
    from gscodec.train.captures.seeds import seed_points
    from gscodec.train.distil import distil
    from gscodec.train.gaussians import from_seeds
    from gscodec.train.keyframe import train_key
    from gscodec.train.rasterise import render

    capture = room()
    teacher = from_seeds(seed_points(capture, 150), 2, "cpu")
    rng = np.random.default_rng(4)
    teacher.sh[:, 1:] = torch.from_numpy(rng.normal(0, 0.08, (len(teacher.means), 8, 3))).float()

    def error(student: object) -> float:
        camera = capture.views[1].camera(0)
        a, b = (render(g.activated(), [camera])[..., :3] for g in (student, teacher))  # type: ignore[attr-defined]
        return float((a - b).square().mean())

    cut, taught = (distil(teacher, capture, 0, "classic", 1, n, np.random.default_rng(0)) for n in (0, 60))
    assert taught.sh.shape[1] == 4
    assert error(taught) < 0.7 * error(cut)
    assert torch.equal(taught.means, teacher.means)
    told: list[int] = []
    settings = replace(SMALL, distil_from=2, sh_degree=1)
    key = train_key(capture, settings, report=lambda n, _: told.append(n))
    assert key.gaussians.sh.shape == (120, 4, 3)
    assert sum(told) == settings.steps(following=False) == 120


def test_the_backdrop_hangs_where_no_view_looks_and_changes_no_training_view() -> None:
    from gscodec.train.backdrop import hang_backdrop
    from gscodec.train.keyframe import train_key
    from gscodec.train.rasterise import render

    whole = room(size=48)
    half = replace(whole, views=[replace(v, held_out=i == 4) for i, v in enumerate(whole.views)][:5])
    gaussians = train_key(
        replace(half, masked=True), replace(SMALL, gaussians=400, key_iterations=150)
    ).gaussians
    hung = hang_backdrop(gaussians, half, 0, "classic")
    changed = (hung.means != gaussians.means).any(1)
    assert 0 < int(changed.sum()) <= 20  # of 400

    def drawn(view: int, g: object) -> object:
        return render(g.activated(), [half.views[view].camera(0)])[0].numpy()  # type: ignore[attr-defined]

    for view in half.train_views:
        assert np.abs(drawn(view, hung) - drawn(view, gaussians)).mean() < 0.02  # type: ignore[operator]
    assert drawn(4, hung)[..., 3].mean() > drawn(4, gaussians)[..., 3].mean()  # type: ignore[index]
