"""Captures: one file a layout, one line a layout here, one interface."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from gscodec.base.errors import BadInput, Misuse
from gscodec.train.captures.model import Capture
from gscodec.train.captures.rig import HoldOut, assemble

__all__ = ["LAYOUTS", "open_capture"]

# Name -> module, each with detect(folder) -> bool and read(folder) -> Rig; the first that detects reads.
LAYOUTS = {
    "nerfstudio": "nerfstudio",
    "dnerf": "dnerf",
    "n3dv": "n3dv",
    "panoptic": "panoptic",
    "actorshq": "actorshq",
    "easymocap": "easymocap",
    "videogs": "videogs",
    "colmap": "colmap",
    "pose2sim": "pose2sim",
}


def open_capture(
    path: str | Path, *, layout: str | None = None, downscale: float = 1.0, hold_out: HoldOut = None
) -> Capture:
    """Open a capture folder; `layout` names its layout where it is not to be recognised.

    `downscale` 2 halves pictures and intrinsics. `hold_out`: None as the capture says, n every n-th view from the
    first, or names of views. Raises BadInput and its kin, naming file and field; Misuse.
    """
    folder = Path(path)
    if layout is not None and layout not in LAYOUTS:
        raise Misuse(f"no such layout; there are {', '.join(LAYOUTS)}", field="layout", value=layout)
    if not folder.is_dir():
        raise BadInput("no such folder", file=str(path))
    for name in [layout] if layout else LAYOUTS:
        module = import_module(f"gscodec.train.captures.{LAYOUTS[name]}")
        if layout or module.detect(folder):
            return assemble(module.read(folder), folder, downscale, hold_out)
    raise BadInput(f"not a capture of a known layout ({', '.join(LAYOUTS)})", file=str(path))
