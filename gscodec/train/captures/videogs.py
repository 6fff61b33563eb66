"""VideoGS and HiFi4G: a folder a frame, a picture a camera in it.

VideoGS: `<frame>/images/<cam>.png` with `<frame>/transforms.json` (OpenGL; principal points are honoured here).
HiFi4G: `image_white/<frame>/<cam>.png` with one transforms.json beside, or in that folder.
"""

from __future__ import annotations

from pathlib import Path

from gscodec.base.errors import BadInput
from gscodec.splats.sequence import natural_key
from gscodec.train.captures.files import read_json
from gscodec.train.captures.nerfstudio import Entry, lens_of, pose_of
from gscodec.train.captures.rig import Rig, RigView
from gscodec.train.captures.sources import ImageFiles, read_image

__all__ = ["detect", "read"]

WHITE = "image_white"
CAMERAS = "transforms.json"


def detect(folder: Path) -> bool:
    return bool(_frames(folder)) or _shared(folder) is not None


def read(folder: Path) -> Rig:
    """Raises BadInput with file and field."""
    shared = _shared(folder)
    if shared is not None:
        places = [p for p in sorted((folder / WHITE).iterdir(), key=natural_key) if p.is_dir()]
    else:
        places = [frame / "images" for frame in _frames(folder)]
    if not places:
        raise BadInput("no frames", file=str(folder))
    first = shared or places[0].parent / CAMERAS
    entries = _entries(first)
    # VideoGS: each frame says its own cameras
    paths = [] if shared else [place.parent / CAMERAS for place in places]
    moments = [(entries if path == first else _entries(path), path) for path in paths] or [(entries, first)]
    views = [_view(name, entry, moments, places) for name, entry in entries.items()]
    warnings = ["pictures have a white background and no alpha: it is learnt as it is"] if shared else []
    return Rig(views=views, warnings=warnings)


def _frames(folder: Path) -> list[Path]:
    found = [p for p in folder.iterdir() if (p / "images").is_dir() and (p / CAMERAS).is_file()]
    return sorted(found, key=natural_key)


def _shared(folder: Path) -> Path | None:
    if not (folder / WHITE).is_dir():
        return None
    return next((p for p in (folder / CAMERAS, folder / WHITE / CAMERAS) if p.is_file()), None)


def _entries(path: Path) -> dict[str, Entry]:
    """Camera name -> its entry, with what the file says of all."""
    top = read_json(path)
    frames = top.get("frames")
    if not isinstance(frames, list) or not frames or not all(isinstance(e, dict) for e in frames):
        raise BadInput("a list of entries is expected", file=str(path), field="frames")
    shared = {k: v for k, v in top.items() if k != "frames"}
    return {Path(str(e.get("file_path", i))).stem: {**shared, **e, "#": i} for i, e in enumerate(frames)}


def _view(
    name: str, entry: Entry, moments: list[tuple[dict[str, Entry], Path]], places: list[Path]
) -> RigView:
    files = [
        next((p for p in (place / f"{name}{end}" for end in (".png", ".jpg", ".webp")) if p.is_file()), None)
        for place in places
    ]
    size = None
    if "w" not in entry or "h" not in entry:
        shown = next((file for file in files if file is not None), None)
        if shown is None:
            raise BadInput("a camera without a single picture", file=str(moments[0][1]), field=name)
        height, width = read_image(shown)[0].shape[:2]
        size = (width, height)
    given = [entries.get(name, entry) for entries, _ in moments]
    files_of = [path for _, path in moments]
    lenses = tuple(lens_of(e, path, size) for e, path in zip(given, files_of, strict=True))
    poses = tuple(pose_of(e, path) for e, path in zip(given, files_of, strict=True))
    same = all(e.get("transform_matrix") == given[0].get("transform_matrix") for e in given)
    return RigView(
        name,
        lenses[:1] if all(lens == lenses[0] for lens in lenses) else lenses,
        poses[:1] if same else poses,
        ImageFiles(files),
    )
