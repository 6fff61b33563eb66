"""Seed points by pycolmap, where it is installed: features matched between the training views of one frame, triangulated.

The cameras are known and stay as they are. Not a dependency: BSD-licensed, asked for only if the capture has no points.
"""

from __future__ import annotations

import importlib
import importlib.util
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from gscodec.base.errors import MissingDependency
from gscodec.codec.model import rotation
from gscodec.render.cameras import Camera
from gscodec.render.output import write_png
from gscodec.train.captures.model import Capture, SeedPoints

__all__ = ["available", "triangulated"]

TRIED = "pycolmap 4.2.1"
PINHOLE = 1  # COLMAP's number of that model: fx, fy, cx, cy
FEW = 50  # points that are no better than none
MOST_ERROR = 2.0  # pixels


def available() -> bool:
    return importlib.util.find_spec("pycolmap") is not None


def triangulated(capture: Capture, frame: int) -> SeedPoints | None:
    """Points in normalised coordinates; None where pycolmap isn't installed or finds too few."""
    if not available():
        return None
    pycolmap: Any = importlib.import_module("pycolmap")
    try:
        return _points(pycolmap, capture, frame)
    except (AttributeError, TypeError) as error:  # its interface changes from version to version
        raise MissingDependency(
            f"pycolmap {getattr(pycolmap, '__version__', '')} has another interface; install {TRIED}, or none"
        ) from error


def _points(pycolmap: Any, capture: Capture, frame: int) -> SeedPoints | None:
    views = [v for v in capture.train_views if capture.views[v].has(frame)]
    with tempfile.TemporaryDirectory(prefix="gscodec-") as place:
        folder = Path(place)
        database, model, pictures, out = (folder / n for n in ("db", "model", "pictures", "out"))
        for made in (model, pictures, out):
            made.mkdir()
        cameras = {}
        for view in views:
            write_png(pictures / f"{view:06d}.png", capture.picture(view, frame).rgb)
            cameras[f"{view:06d}.png"] = capture.views[view].camera(frame)
        pycolmap.logging.minloglevel = pycolmap.logging.Level.ERROR.value
        extraction, matching = pycolmap.FeatureExtractionOptions(), pycolmap.FeatureMatchingOptions()
        verification, mapping = pycolmap.TwoViewGeometryOptions(), pycolmap.IncrementalPipelineOptions()
        extraction.num_threads = matching.num_threads = mapping.num_threads = (
            1  # the same points on every run
        )
        verification.ransac.random_seed = mapping.random_seed = 0
        pycolmap.set_random_seed(0)
        pycolmap.extract_features(
            database, pictures, camera_mode=pycolmap.CameraMode.PER_IMAGE, extraction_options=extraction,
            device=pycolmap.Device.cpu,
        )  # fmt: skip
        _tell_cameras(database, cameras, model)
        pycolmap.match_exhaustive(
            database, matching_options=matching, verification_options=verification, device=pycolmap.Device.cpu
        )
        known = pycolmap.Reconstruction(str(model))
        found = pycolmap.triangulate_points(known, database, pictures, out, options=mapping)
        points: list[Any] = [p for p in found.points3D.values() if p.error <= MOST_ERROR]
    if len(points) < FEW:
        return None
    means, colors = np.array([p.xyz for p in points]), np.array([p.color for p in points], np.uint8)
    return SeedPoints(means.astype(np.float64), colors)


def _tell_cameras(database: Path, cameras: dict[str, Camera], model: Path) -> None:
    """Our lenses into the database, and a text model of our poses with its numbers."""
    lenses, images = [], []
    with sqlite3.connect(database) as db:
        for image, name, lens in db.execute("SELECT image_id, name, camera_id FROM images").fetchall():
            c = cameras[name]
            params = np.array([c.fx, c.fy, c.cx, c.cy], np.float64)
            db.execute(
                "UPDATE cameras SET model = ?, params = ?, prior_focal_length = 1 WHERE camera_id = ?",
                (PINHOLE, params.tobytes(), lens),
            )
            lenses.append(
                " ".join(map(repr, (lens, c.width, c.height, *params.tolist()))).replace(" ", " PINHOLE ", 1)
            )
            pose = (*rotation.from_matrix(c.R[None])[0].tolist(), *np.asarray(c.t).tolist())
            images.append(" ".join(map(repr, (image, *pose, lens))) + f" {name}\n")
    db.close()
    (model / "cameras.txt").write_text("\n".join(lenses), encoding="utf-8")
    (model / "images.txt").write_text("\n".join(images) + "\n", encoding="utf-8")
    (model / "points3D.txt").write_text("", encoding="utf-8")
