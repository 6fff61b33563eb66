"""A tiny capture made by the demo's dancer and the CPU renderer: for tests, CI and first steps. The same bytes each time."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from gscodec.base.errors import Misuse
from gscodec.render.cameras import Camera, look_at
from gscodec.render.output import write_png
from gscodec.render.rasterize import rasterize
from gscodec.splats.sample import UP, make_sample

__all__ = ["write_sample_capture"]

TARGET = np.array([0.0, 0.65, 0.0])  # the dancer's middle
DISTANCE_M = 2.9
FIELD_OF_VIEW = math.radians(42)


def write_sample_capture(
    folder: str | Path, *, train: int = 6, test: int = 2, frames: int = 8, size: int = 96, gaussians: int = 4000,
    fps: float = 8.0,
) -> None:  # fmt: skip
    """`train` + `test` cameras of `size` x `size` RGBA PNG and transforms.json (nerfstudio's layout, `camera`, `split`).

    Focal lengths and principal points differ from camera to camera, on purpose. Raises Misuse where `folder` exists.
    """
    out = Path(folder)
    if out.exists():
        raise Misuse("exists already", output=str(out))
    cameras = [("train", i, camera) for i, camera in enumerate(_ring(train, size, 0.0))]
    cameras += [
        ("test", train + i, camera) for i, camera in enumerate(_ring(test, size, math.pi / max(train, 1)))
    ]
    entries = []
    for n, splats in enumerate(make_sample(frames, gaussians, 0, fps)):
        for split, i, camera in cameras:
            name = f"cam_{i:02d}"
            file = f"images/{name}/frame_{n:04d}.png"
            (out / file).parent.mkdir(parents=True, exist_ok=True)
            rgb, alpha = rasterize(splats, camera)
            straight = np.where(alpha[..., None] > 0, rgb / np.maximum(alpha, 1e-6)[..., None], 0)
            rgba = np.clip(np.dstack([straight, alpha]) * 255 + 0.5, 0, 255).astype(np.uint8)
            write_png(out / file, rgba * (rgba[..., 3:] > 0))
            entries.append(
                _entry(camera, file) | {"camera": name, "split": split, "frame": n, "time": n / fps}
            )
    document = {"camera_model": "PINHOLE", "fps": fps, "frame_count": frames, "frames": entries}
    (out / "transforms.json").write_text(json.dumps(document, indent=1), "utf-8")


def _ring(n: int, size: int, turn: float) -> list[Camera]:
    """Cameras around, by turns at eye level and above."""
    cameras = []
    for i in range(n):
        azimuth, height = turn + 2 * math.pi * i / n, math.radians(8 + 22 * (i % 2))
        back = np.array(
            [math.cos(height) * math.cos(azimuth), math.sin(height), math.cos(height) * math.sin(azimuth)]
        )
        camera = look_at(
            TARGET + DISTANCE_M * back, TARGET, np.array(UP), FIELD_OF_VIEW * (1 + 0.03 * (i % 3)), size
        )
        shift = 0.02 * size * math.sin(2.0 * i + turn)
        cameras.append(
            Camera(camera.R, camera.t, camera.fx, camera.fy, camera.cx + shift, camera.cy - shift, size, size)
        )
    return cameras


def _entry(camera: Camera, file: str) -> dict[str, object]:
    c2w = np.eye(4)
    c2w[:3, :3] = camera.R.T * (1.0, -1.0, -1.0)
    c2w[:3, 3] = camera.centre
    return {
        "file_path": file, "transform_matrix": c2w.tolist(), "fl_x": camera.fx, "fl_y": camera.fy, "cx": camera.cx,
        "cy": camera.cy, "w": camera.width, "h": camera.height,
    }  # fmt: skip
