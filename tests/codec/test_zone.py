"""`encode --zone`: sensitivity is measured from where viewers stand, at several distances and times."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gscodec.cli.main import main
from gscodec.codec import pipeline
from gscodec.render import sensitivity as module
from gscodec.render.cameras import Camera, look_at
from gscodec.splats.sample import write_sample

UP = np.array([0.0, 1.0, 0.0])


def zone_file(path: Path, distances: list[float]) -> Path:
    """Cameras in the quarter about +X, 40 degrees to each side, looking at the origin."""
    cameras = []
    for i, distance in enumerate(distances):
        angle = np.deg2rad(-40 + 80 * i / (len(distances) - 1))
        eye = distance * np.array([np.cos(angle), 0.2, np.sin(angle)])
        c = look_at(eye, np.zeros(3), UP, np.pi / 4, 64)
        lens = {"fx": c.fx, "fy": c.fy, "cx": c.cx, "cy": c.cy, "w": c.width, "h": c.height}
        cameras.append({"R": c.R.tolist(), "t": c.t.tolist(), **lens})
    path.write_text(json.dumps({"cameras": cameras}))
    return path


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, list[Camera]]]:
    """Frames and cameras of every sensitivity measured."""
    calls: list[tuple[Any, list[Camera]]] = []
    real: Callable[..., Any] = module.measure_sensitivity

    def spy(splats: Any, cameras: list[Camera], **options: Any) -> Any:
        calls.append((splats, cameras))
        return real(splats, cameras, **options)

    monkeypatch.setattr(module, "measure_sensitivity", spy)
    monkeypatch.setattr(pipeline, "SENSITIVITY_VIEWS", {"balanced": 12})
    return calls


def test_cameras_of_the_zone_file_are_used_at_several_distances_and_times(
    tmp_path: Path, measured: list[tuple[Any, list[Camera]]], capsys: pytest.CaptureFixture[str]
) -> None:
    list(write_sample(tmp_path / "frames", frames=6, gaussians=200))
    zone = zone_file(tmp_path / "zone.json", [2.0, 2.5, 3.0, 4.0])
    out = tmp_path / "out.gsv"
    options = ["--zone", str(zone), "--no-cache", "--gop", "6", "--payload", "compact", "--json"]
    assert main(["encode", str(tmp_path / "frames"), "-o", str(out), *options]) == 0
    frames = {splats.means.tobytes() for splats, _ in measured}
    assert len(frames) == 3
    eyes = np.stack([c.centre for _, cameras in measured for c in cameras])
    assert len(eyes) == 12
    angles = np.rad2deg(np.arctan2(eyes[:, 2], eyes[:, 0]))
    assert np.abs(angles).max() <= 60  # half as far again as the zone: viewers lean
    distances = np.linalg.norm(eyes, axis=1)
    assert 1.5 < distances.min() < 2.8 < distances.max() < 4.5
    for _, cameras in measured:  # each time from near and far
        assert np.ptp([np.linalg.norm(c.centre) for c in cameras]) > 0.2
    document = json.loads(capsys.readouterr().out)
    assert document["psnr"]["worst"] <= document["psnr"]["mean"]
    assert document["hidden"] == 0
