"""Small captures written by hand, layout by layout."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

from gscodec.render.cameras import Camera, look_at
from gscodec.render.output import write_mp4, write_png
from gscodec.train.captures import open_capture

POINTS = np.array([[0.1, 0.2, -0.1], [-0.3, 0.1, 0.2], [0.0, -0.2, 0.3], [0.25, 0.25, 0.1]])
W, H = 64, 48
NAMES = ("cam00", "cam01", "cam02")


def rig() -> list[Camera]:
    """Cameras whose intrinsics all differ."""
    cameras = []
    for i in range(3):
        eye = 3 * np.array([np.cos(1.1 * i), np.sin(1.1 * i), 0.2 + 0.2 * i])
        c = look_at(eye, np.zeros(3), np.array([0.0, 0.0, 1.0]), 0.7, W)
        cameras.append(Camera(c.R, c.t, 60.0 + i, 62.0 + i, 30.0 + i, 26.0 - i, W, H))
    return cameras


def project(camera: Camera, points: np.ndarray) -> np.ndarray:
    p = points @ camera.R.T + camera.t
    return np.stack([camera.fx * p[:, 0], camera.fy * p[:, 1]], 1) / p[:, 2:] + (camera.cx, camera.cy)


def check(folder: Path, *, cameras: list[Camera] | None = None, places: float = 1e-6, **options: object):
    """Every camera projects the points, normalised, to the pixels of the original camera."""
    capture = open_capture(folder, **options)  # type: ignore[arg-type]
    for view, camera in zip(capture.views, cameras or rig(), strict=True):
        got = project(view.camera(0), capture.normalisation.apply(POINTS))
        np.testing.assert_allclose(got, project(camera, POINTS), atol=places, err_msg=view.name)
        assert capture.picture(capture.views.index(view), 0).rgb.shape == (camera.height, camera.width, 3)
    back = capture.normalisation.inverse.apply(capture.normalisation.apply(POINTS))
    np.testing.assert_allclose(back, POINTS, atol=1e-12)
    return capture


def picture(value: int = 100, channels: int = 3) -> np.ndarray:
    return np.full((H, W, channels), value, np.uint8)


def put(path: Path, image: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, picture() if image is None else image)


def video(path: Path, n: int = 4) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_mp4(path, [picture(40 * (i + 1)) for i in range(n)], 10)


def opengl(camera: Camera) -> list[list[float]]:
    c2w = np.eye(4)
    c2w[:3, :3] = camera.R.T * (1, -1, -1)
    c2w[:3, 3] = camera.centre
    return c2w.tolist()


def entry(camera: Camera) -> dict[str, object]:
    return {
        "transform_matrix": opengl(camera), "fl_x": camera.fx, "fl_y": camera.fy, "cx": camera.cx, "cy": camera.cy,
        "w": W, "h": H,
    }  # fmt: skip


def nerf(folder: Path, entries: list[dict[str, object]], **top: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "transforms.json").write_text(json.dumps({**top, "frames": entries}))


def rodrigues(r: np.ndarray) -> list[float]:
    from scipy.spatial.transform import Rotation

    return [float(x) for x in Rotation.from_matrix(r).as_rotvec()]


def opencv_yaml(path: Path, matrices: dict[str, np.ndarray], names: bool = False) -> None:
    text = "%YAML:1.0\n---\n"
    if names:
        text += "names:\n" + "".join(f'  - "{name}"\n' for name in NAMES)
    for key, m in matrices.items():
        m = np.atleast_2d(m)
        data = ", ".join(repr(float(v)) for v in m.reshape(-1))
        text += (
            f"{key}: !!opencv-matrix\n  rows: {m.shape[0]}\n  cols: {m.shape[1]}\n  dt: d\n  data: [{data}]\n"
        )
    path.write_text(text)


def easymocap(folder: Path, n_frames: int = 1) -> None:
    intri, extri = {}, {}
    for name, c in zip(NAMES, rig(), strict=True):
        intri[f"K_{name}"] = np.array([[c.fx, 0, c.cx - 0.5], [0, c.fy, c.cy - 0.5], [0, 0, 1]])
        intri[f"dist_{name}"] = np.zeros((5, 1))
        extri[f"R_{name}"], extri[f"T_{name}"] = np.array(rodrigues(c.R))[:, None], c.t[:, None]
        for t in range(n_frames):
            put(folder / "images" / name / f"{t:06d}.png", picture(40 * (t + 1)))
    opencv_yaml(folder / "intri.yml", intri, names=True)
    opencv_yaml(folder / "extri.yml", extri)


def actorshq(folder: Path, n_frames: int = 1) -> None:
    lines = ["name, w, h, rx, ry, rz, tx, ty, tz, fx, fy, px, py"]
    for i, c in enumerate(rig()):
        values = [W, H, *rodrigues(c.R.T), *c.centre, c.fx / W, c.fy / H, c.cx / W, c.cy / H]
        lines.append(
            f"Cam00{i}, " + ", ".join(repr(float(v)) if j > 1 else str(v) for j, v in enumerate(values))
        )
        for t in range(n_frames):
            put(folder / "rgbs" / f"Cam00{i}" / f"Cam00{i}_rgb{t:06d}.png", picture(40 * (t + 1)))
            put(folder / "masks" / f"Cam00{i}" / f"Cam00{i}_mask{t:06d}.png", picture(255))
    (folder / "calibration.csv").write_text("\n".join(lines))


def colmap_binary(model: Path) -> None:
    """The layout of COLMAP's src/colmap/scene/reconstruction_io: little-endian, counts of 64 bits."""
    from scipy.spatial.transform import Rotation

    cameras, images = struct.pack("<Q", 3), struct.pack("<Q", 3)
    for i, (name, c) in enumerate(zip(NAMES, rig(), strict=True)):
        cameras += struct.pack("<iiQQ4d", 7 * i + 3, 1, W, H, c.fx, c.fy, c.cx, c.cy)
        x, y, z, w = Rotation.from_matrix(c.R).as_quat()
        images += struct.pack("<i7di", i + 5, w, x, y, z, *c.t, 7 * i + 3) + f"{name}.png\0".encode()
        images += struct.pack("<Q", i) + struct.pack("<ddq", 1.0, 2.0, -1) * i
    points = struct.pack("<Q", 2)
    for i in range(2):
        points += (
            struct.pack("<Q3d3BdQ", i, 0.1 * i, 0.2, 0.3, 9, 8, 7, 0.5, i) + struct.pack("<ii", 5, 0) * i
        )
    model.mkdir(parents=True)
    for file, data in (("cameras", cameras), ("images", images), ("points3D", points)):
        (model / f"{file}.bin").write_bytes(data)
