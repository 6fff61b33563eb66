"""The temporal measure of what was trained against what was captured, across GOP borders and inside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gscodec.train.captures.half import halved
from tests.train.test_motion import blob, capture_of, shifted

torch = pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")


def test_a_jump_that_the_scene_does_not_make_is_a_seam() -> None:
    from gscodec.train.gaussians import to_splats
    from gscodec.train.seams import measure_seams

    rows = np.arange(150)
    frames = [shifted(blob(), rows, (0.01 * t, 0.0, 0.0)) for t in range(4)]
    capture = capture_of(frames)
    views = [replace(view, held_out=n < 2) for n, view in enumerate(capture.views)]
    capture = replace(capture, views=views)
    jump = [*frames[:2], *(shifted(one, rows, (0.0, 0.02, 0.0)) for one in frames[2:])]

    def measured(clip: list[object]) -> dict[str, float]:
        shown = [to_splats(one, capture.normalisation, capture.up, "classic") for one in clip]  # type: ignore[arg-type]
        return measure_seams(capture, range(4), shown, [0, 2], "classic").to_json()

    right, wrong = measured(frames), measured(jump)  # type: ignore[arg-type]
    assert right["inside"] > 40  # pictures have 8 bits
    assert abs(right["difference"]) < 1
    assert wrong["difference"] < -10
    assert wrong["inside"] > 25  # both frames of a pair are off alike
    only = measure_seams(capture, range(1), [to_splats(frames[0], capture.normalisation, capture.up, "classic")], [0], "classic")  # fmt: skip
    assert only.to_json() == {}


def test_half_a_capture_shows_the_same_from_the_same_places() -> None:
    from gscodec.train.rasterise import render

    capture = capture_of([blob()])
    small = halved(capture)
    for view in range(len(capture.views)):
        camera, picture = small.views[view].camera(0), small.picture(view, 0)
        assert picture.rgb.shape == (camera.height, camera.width, 3) == (24, 24, 3)
        drawn = render(blob().activated(), [camera])[0, ..., :3].numpy()
        assert float(np.abs(drawn - picture.over(0.0)).mean()) < 0.02


def test_a_step_counts_the_pixels_of_views_that_show_it() -> None:
    """What stands beside a camera has hardly any depth there, but other views show it."""
    from gscodec.train.detail import pixels_per_unit

    capture = capture_of([blob()])
    camera = capture.views[0].camera(0)
    some = blob().take(torch.arange(3))
    beside = camera.centre + 1.5 * camera.R[0] + 0.02 * camera.R[2]
    behind = 3 * camera.centre
    some.means[:] = torch.tensor(np.stack([np.zeros(3), beside, behind]), dtype=torch.float32)
    pixels = pixels_per_unit(some, capture, 0)
    away = np.linalg.norm(camera.centre)
    assert float(pixels[0]) == pytest.approx(camera.fx / away, rel=1e-4)
    assert 0 <= float(pixels[1]) < 2 * float(pixels[0])
    assert 0 < float(pixels[2]) < float(pixels[0])  # the views across show it
