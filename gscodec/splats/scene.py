"""scene.json and views.json: what stands beside a sequence and says how to look at it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np

from gscodec.base.errors import BadInput

__all__ = ["Scene", "check_up", "load_scene", "load_views"]

T = TypeVar("T")
Vec3 = tuple[float, float, float]
Side = Annotated[int, msgspec.Meta(ge=1, le=16384)]
Focal = Annotated[float, msgspec.Meta(gt=0)]
MAX_JSON_BYTES = 1 << 24  # 16 MiB: some 40,000 cameras


class _Camera(msgspec.Struct, kw_only=True):
    """World to camera, OpenCV axes, pixel centres at +0.5."""

    R: tuple[Vec3, Vec3, Vec3]
    t: Vec3
    fx: Focal
    fy: Focal
    cx: float
    cy: float
    w: Side
    h: Side


class _Cameras(msgspec.Struct):
    cameras: Annotated[list[_Camera], msgspec.Meta(min_length=1)]


class _SceneFile(msgspec.Struct):
    up: Vec3 | None = None
    fps: Annotated[float, msgspec.Meta(gt=0, le=1000)] | None = None
    zone: _Cameras | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """All optional. Cameras are plain dicts with R, t, fx, fy, cx, cy, w, h, as in the files."""

    up: Vec3 | None = None
    fps: float | None = None
    zone: list[dict[str, Any]] | None = None  # where viewers stand
    views: list[dict[str, Any]] | None = None  # what `eval` measures; never used for encoding


def load_scene(folder: str | Path) -> Scene:
    """Scene of a folder; empty where it has neither scene.json nor views.json. Raises BadInput with file and field."""
    scene_path, views_path = Path(folder) / "scene.json", Path(folder) / "views.json"
    raw = _decode(scene_path, _SceneFile) if scene_path.is_file() else _SceneFile()
    if raw.up is not None:
        check_up(raw.up, str(scene_path))
    return Scene(
        up=raw.up,
        fps=raw.fps,
        zone=_plain(raw.zone, scene_path, "zone.cameras") if raw.zone else None,
        views=load_views(views_path) if views_path.is_file() else None,
    )


def load_views(path: str | Path) -> list[dict[str, Any]]:
    """The cameras of a views.json (or of a zone file, which looks the same)."""
    return _plain(_decode(Path(path), _Cameras), Path(path), "cameras")


def check_up(up: Vec3, file: str | None = None) -> None:
    """Raises BadInput where `up` has no direction."""
    if not np.isfinite(up).all() or np.linalg.norm(up) < 1e-6:
        raise BadInput("up must be a vector of finite numbers, not zero", file=file, field="up")


def _decode(path: Path, kind: type[T]) -> T:
    try:
        with open(path, "rb") as stream:
            raw = stream.read(MAX_JSON_BYTES + 1)
        if len(raw) > MAX_JSON_BYTES:
            raise BadInput("larger than 16 MiB", file=str(path))
        return msgspec.json.decode(raw, type=kind)
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror or error}", file=str(path)) from error
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$")
        raise BadInput(problem, file=str(path), field=place.rstrip("`").lstrip(".") or None) from error
    except msgspec.DecodeError as error:
        raise BadInput(f"not JSON: {error}", file=str(path)) from error


def _plain(cameras: _Cameras, path: Path, field: str) -> list[dict[str, Any]]:
    for i, camera in enumerate(cameras.cameras):
        r = np.array(camera.R)
        if not np.allclose(r @ r.T, np.eye(3), atol=1e-3) or np.linalg.det(r) < 0:
            raise BadInput("R is not a rotation", file=str(path), field=f"{field}[{i}].R")
    return [msgspec.to_builtins(camera) for camera in cameras.cameras]
