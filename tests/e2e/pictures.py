"""What the browser shows and holds, and Python's own of it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from gscodec.codec.decoder import decode_base, decode_segment
from gscodec.container import GsvFile
from gscodec.render.cameras import Camera, look_at
from gscodec.render.views import Orbit

SIZE = 360  # of the player, to be opened with
CAPTURE = """
player.pause();
if (player.frame !== FRAME) { const seen = said("seeked"); player.frame = FRAME; await seen; }
await until(() => player.frame === FRAME);
player.camera = CAMERA;
const blob = await player.capture();
const bytes = new Uint8Array(await blob.arrayBuffer());
let text = "";
for (const b of bytes) text += String.fromCharCode(b);
return btoa(text);
"""
HASHES = """
const out = {};
for (const [name, plane] of await player.debugPlanes()) {
  const sum = await crypto.subtle.digest("SHA-256", new Int32Array(plane).buffer);
  out[name] = Array.from(new Uint8Array(sum), (b) => b.toString(16).padStart(2, "0")).join("");
}
return out;
"""


def capture(
    browser: Any, frame: int, frame_orbit: Orbit, azimuth: float, distance: float
) -> tuple[Any, Camera]:
    """(picture as (rgb over black, alpha), the same camera)."""
    eye = frame_orbit.centre + frame_orbit.radius * distance * frame_orbit.direction(azimuth, 0.2)
    state = {
        "eye": eye.tolist(),
        "target": frame_orbit.centre.tolist(),
        "up": frame_orbit.up.tolist(),
        "fov": 45,
    }
    png = browser.run(CAPTURE.replace("FRAME", str(frame)).replace("CAMERA", json.dumps(state)))
    return read_png(base64.b64decode(png)), look_at(eye, frame_orbit.centre, frame_orbit.up, np.pi / 4, SIZE)


def read_png(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    import av

    with av.open(io.BytesIO(data), format="png_pipe") as file:
        rgba = next(file.decode(video=0)).to_ndarray(format="rgba").astype(np.float32) / 255
    return rgba[..., :3] * rgba[..., 3:], rgba[..., 3]


def hashes_of(path: Path, gop: int, rung: int = 0) -> dict[str, str]:
    """Plane names to hashes, of GOP 0 or of a segment that shares its base."""
    file = GsvFile.open(path)
    segments = [file.read_segment(entry) for entry in file.index if entry.rung == rung]
    planes = decode_segment(segments[gop], base=decode_base(segments[0]) if gop else None).planes.named()
    return {n: hashlib.sha256(p.astype("<i4").tobytes()).hexdigest() for n, p in planes.items()}
