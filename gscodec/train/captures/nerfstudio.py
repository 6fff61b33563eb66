"""nerfstudio and instant-ngp: one transforms.json, a picture or a video an entry.

Entries of one camera form a view: by `camera` where given; else, where entries carry `time` or `frame`, those of equal
pose, or all if no two are of one moment (one camera that moves); else every entry is a view of its own (a static
scene). Cameras are OpenGL, camera to world. `split` or `train_filenames`/`test_filenames` say which views are held out.
A mask blacks out what is to be ignored.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from gscodec.base.errors import BadInput, Unsupported
from gscodec.splats.sequence import natural_key
from gscodec.train.captures.files import VIDEOS, child, matrix, number, read_json, read_points
from gscodec.train.captures.geometry import Pose, from_opengl, is_rotation
from gscodec.train.captures.lens import MAX_SIDE, Lens
from gscodec.train.captures.model import SeedPoints
from gscodec.train.captures.rig import Rig, RigView
from gscodec.train.captures.sources import ImageFiles, read_image
from gscodec.train.captures.video import Decoders, Video

__all__ = ["MONOCULAR", "Entry", "detect", "lens_of", "pose_of", "read"]

FILE = "transforms.json"
STILL = [0.0]  # the moments of a static scene
MONOCULAR = "one camera a moment (monocular): depth rests on motion alone, Gaussians can't be tracked well"
Entry = dict[str, Any]

BROWN = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
FISHEYE = ("k1", "k2", "k3", "k4")
MODELS = {
    "PERSPECTIVE": (), "PINHOLE": (), "SIMPLE_PINHOLE": (), "SIMPLE_RADIAL": BROWN, "RADIAL": BROWN, "OPENCV": BROWN,
    "FULL_OPENCV": BROWN, "OPENCV_FISHEYE": FISHEYE,
}  # fmt: skip


def detect(folder: Path) -> bool:
    return (folder / FILE).is_file()


def read(folder: Path) -> Rig:
    """Raises BadInput with file and field."""
    path = folder / FILE
    top = read_json(path)
    entries = top.get("frames")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise BadInput("a list of entries is expected", file=str(path), field="frames")
    merged = [{**{k: v for k, v in top.items() if k != "frames"}, **entry} for entry in entries]
    for i, entry in enumerate(merged):
        if not isinstance(entry.get("file_path"), str):
            raise BadInput("a file name is expected", file=str(path), field=f"frames[{i}].file_path")
        entry["#"] = i
    warnings: list[str] = []
    decoders = Decoders()
    if any(Path(entry["file_path"]).suffix.lower() in VIDEOS for entry in merged):
        groups = _by_camera(merged)
        views = [_video_view(name, group, folder, path, decoders, warnings) for name, group in groups.items()]
    else:
        groups, moments = _in_time(merged, path, warnings)
        views = [_image_view(name, group, moments, folder, path, warnings) for name, group in groups.items()]
    fps = top.get("fps")
    if fps is None and isinstance(views[0].source, Video):
        fps = views[0].source.fps
    return Rig(
        views=views,
        fps=number(fps, path, "fps") if fps is not None else _rate_of(merged),
        points=_points(folder, top, path),
        masks="ask",
        warnings=warnings,
    )


def lens_of(entry: Entry, file: Path, size: tuple[int, int] | None = None) -> Lens:
    """Intrinsics of an entry (or of the whole file): fl_x, fl_y or camera_angle_x; distortion by camera_model."""
    field = f"frames[{entry['#']}]." if "#" in entry else ""

    def get(key: str, default: float | None = None) -> float:
        if key not in entry and default is not None:
            return default
        return number(entry.get(key), file, field + key)

    width, height = (int(get("w")), int(get("h"))) if size is None else size
    if not 1 <= width <= MAX_SIDE or not 1 <= height <= MAX_SIDE:
        raise BadInput(f"a size of 1 to {MAX_SIDE} is expected", file=str(file), field=field + "w")
    if "fl_x" in entry:
        fx = get("fl_x")
        fy = get("fl_y", fx)
    else:
        fx = 0.5 * width / math.tan(0.5 * get("camera_angle_x"))
        fy = 0.5 * height / math.tan(0.5 * get("camera_angle_y")) if "camera_angle_y" in entry else fx
    if fx <= 0 or fy <= 0:
        raise BadInput("a focal length above 0 is expected", file=str(file), field=field + "fl_x")
    name = str(entry.get("camera_model", "OPENCV"))
    if name not in MODELS:
        raise Unsupported(f"camera model {name} is not read", file=str(file), field=field + "camera_model")
    model = "fisheye" if name == "OPENCV_FISHEYE" or entry.get("is_fisheye") else "brown"
    names = FISHEYE if model == "fisheye" else MODELS[name]
    params = tuple(get(key, 0.0) for key in names)
    if "distortion_params" in entry:  # nerfstudio's order: k1 k2 k3 k4 p1 p2
        given = matrix(entry["distortion_params"], [(6,), (4,)], file, field + "distortion_params")
        k1, k2, k3, k4, p1, p2 = (float(v) for v in [*given, 0.0, 0.0][:6])
        params = (k1, k2, k3, k4) if model == "fisheye" else (k1, k2, p1, p2, k3, 0.0, 0.0, 0.0)
        if model == "brown" and k4:
            raise Unsupported(
                "a fourth radial term k4 is not read", file=str(file), field=field + "distortion_params"
            )
    elif model == "brown" and entry.get("k4") and name != "FULL_OPENCV":
        raise Unsupported("a fourth radial term k4 is not read", file=str(file), field=field + "k4")
    return Lens(width, height, fx, fy, get("cx", width / 2), get("cy", height / 2), model, params)


def pose_of(entry: Entry, file: Path) -> Pose:
    field = f"frames[{entry['#']}].transform_matrix"
    c2w = matrix(entry.get("transform_matrix"), [(4, 4), (3, 4)], file, field)
    if not is_rotation(c2w[:3, :3]):
        raise BadInput("its left part is not a rotation", file=str(file), field=field)
    return from_opengl(c2w)


def _by_camera(entries: list[Entry]) -> dict[str, list[Entry]]:
    """Entries of each view, by name, in natural order of names."""
    groups: dict[str, list[Entry]] = {}
    timed = all("time" in entry or "frame" in entry for entry in entries)
    by_pose: dict[str, str] = {}
    for entry in entries:
        name = entry.get("camera", entry.get("camera_name"))
        if name is None:
            name = str(Path(entry["file_path"]).with_suffix(""))
            if timed:
                pose = repr(entry.get("transform_matrix"))
                name = by_pose.setdefault(pose, name)
        groups.setdefault(str(name), []).append(entry)
    return dict(sorted(groups.items(), key=lambda item: natural_key(Path(item[0]))))


def _in_time(
    entries: list[Entry], path: Path, warnings: list[str]
) -> tuple[dict[str, list[Entry]], list[float]]:
    """Entries of each view, and the moments that views show; a static scene has one."""
    groups = _by_camera(entries)
    timed = [entry for entry in entries if "time" in entry or "frame" in entry]
    named = any("camera" in entry or "camera_name" in entry for entry in entries)
    if len(groups) == len(entries) and (named or not timed):
        return groups, STILL
    for entry in entries:
        if "frame" not in entry and "time" not in entry:
            raise BadInput(
                "`frame` or `time` must say when each of several pictures was taken",
                file=str(path), field=f"frames[{entry['#']}].frame",
            )  # fmt: skip
    at = [_moment(entry, path) for entry in entries]
    mixed = next((entry for entry in entries if ("frame" in entry) != ("frame" in entries[0])), None)
    if mixed is not None:
        raise BadInput(
            "either every entry has a `frame` or none has",
            file=str(path),
            field=f"frames[{mixed['#']}].frame",
        )
    moments = sorted(set(at))
    if named or len(moments) == 1:
        return groups, moments
    if len(moments) == len(entries) and len(groups) > 1:
        return _one_that_moves(entries, at, warnings)
    if len(groups) == len(entries):
        raise BadInput("cameras that move need a name each", file=str(path), field="frames[0].camera")
    return groups, moments


def _one_that_moves(
    entries: list[Entry], at: list[float], warnings: list[str]
) -> tuple[dict[str, list[Entry]], list[float]]:
    """One view. Pictures that are held out show moments of which nothing is left to train on: left out."""
    warnings.append(MONOCULAR)
    shown = [(moment, entry) for moment, entry in zip(at, entries, strict=True) if not _held_out(entry)]
    if not shown:
        return {"moving": entries}, sorted(at)
    if len(shown) < len(entries):
        warnings.append(
            f"{len(entries) - len(shown)} pictures are left out: held out, but none other shows their moments"
        )
    return {"moving": [entry for _, entry in shown]}, sorted(moment for moment, _ in shown)


def _video_view(
    name: str, group: list[Entry], folder: Path, path: Path, decoders: Decoders, warnings: list[str]
) -> RigView:
    if len(group) > 1:
        raise BadInput("a camera with several videos", file=str(path), field=f"frames[{group[1]['#']}]")
    entry = group[0]
    video = Video(child(folder, entry["file_path"], path, f"frames[{entry['#']}].file_path"), decoders)
    if entry.get("start_time"):
        raise Unsupported(
            "videos that start at different times are not read; cut them", file=str(path), field="start_time"
        )
    if entry.get("mask_path") is not None:
        warnings.append(f"{name}: mask_path of a video is not read")
    return RigView(name, (lens_of(entry, path),), (pose_of(entry, path),), video, held_out=_held_out(entry))


def _image_view(
    name: str, group: list[Entry], moments: list[float], folder: Path, path: Path, warnings: list[str]
) -> RigView:
    at = {_moment(entry, path): entry for entry in group} if moments != STILL else {STILL[0]: group[0]}
    if len(at) < len(group):
        raise BadInput("two pictures of one camera at one time", file=str(path), field=name)
    entries = [at.get(moment) for moment in moments]
    files = [None if entry is None else _image(entry, folder, path) for entry in entries]
    for entry, file in zip(entries, files, strict=True):
        if entry is not None and file is None:
            warnings.append(f"missing picture: {entry['file_path']}")
    known = next(entry for entry in entries if entry is not None)
    size = None
    if "w" not in known or "h" not in known:
        first = next((file for file in files if file is not None), None)
        if first is None:
            raise BadInput("none of its pictures exists", file=str(path), field=name)
        height, width = read_image(first)[0].shape[:2]
        size = (width, height)
    filled = [entry or known for entry in entries]
    lenses = tuple(lens_of(entry, path, size) for entry in filled)
    poses = tuple(pose_of(entry, path) for entry in filled)
    still = all(np.array_equal(r, poses[0][0]) and np.array_equal(t, poses[0][1]) for r, t in poses)
    masks = [
        None
        if entry is None or entry.get("mask_path") is None
        else child(folder, str(entry["mask_path"]), path, "mask_path")
        for entry in entries
    ]
    return RigView(
        name,
        lenses[:1] if all(lens == lenses[0] for lens in lenses) else lenses,
        poses[:1] if still else poses,
        ImageFiles(files),
        masks if any(masks) else None,
        held_out=_held_out(known),
    )


def _image(entry: Entry, folder: Path, path: Path) -> Path | None:
    """The picture file of an entry; instant-ngp leaves `.png` out. None where there is none."""
    file = child(folder, entry["file_path"], path, f"frames[{entry['#']}].file_path")
    for candidate in (file, file.with_name(file.name + ".png"), file.with_name(file.name + ".jpg")):
        if candidate.is_file():
            return candidate
    return None


def _moment(entry: Entry, path: Path) -> float:
    name = "frame" if "frame" in entry else "time"
    value = entry.get(name, 0.0)
    try:
        value = float(value)  # some write numbers as text
    except (TypeError, ValueError):
        pass
    return number(value, path, f"frames[{entry['#']}].{name}")


def _held_out(entry: Entry) -> bool:
    if "split" in entry:
        return bool(entry["split"] != "train")
    return any(entry["file_path"] in entry.get(f"{split}_filenames", ()) for split in ("test", "val"))


def _rate_of(entries: list[Entry]) -> float | None:
    """Frames a second by the time stamps, where they are seconds."""
    times = sorted({float(entry["time"]) for entry in entries if isinstance(entry.get("time"), int | float)})
    return 1 / float(np.median(np.diff(times))) if len(times) > 1 and times[-1] > 1 else None


def _points(folder: Path, top: Entry, path: Path) -> SeedPoints | None:
    """Sparse points: the file named by `ply_file_path`, or a PLY that stands beside; in the world of the poses."""
    named = top.get("ply_file_path")
    candidates = [child(folder, named, path, "ply_file_path")] if isinstance(named, str) else []
    candidates += [folder / name for name in ("points3D.ply", "points3d.ply", "sparse_pc.ply")]
    found = next((candidate for candidate in candidates if candidate.is_file()), None)
    if found is None:
        return None
    points = read_points(found)
    if "applied_transform" in top and found.name.lower() == "points3d.ply":
        a = matrix(top["applied_transform"], [(3, 4), (4, 4)], path, "applied_transform")
        return SeedPoints(points.means @ a[:3, :3].T + a[:3, 3], points.colors)
    return points
