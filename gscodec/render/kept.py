"""What was measured of frames, kept on disk: encoding them again, at another quality say, need not measure again."""

from __future__ import annotations

import hashlib
import os
import platform
import time
import zipfile
import zlib
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt

from gscodec.base.cuda import SOURCES
from gscodec.base.folders import user_cache
from gscodec.render import cameras as cameras_module
from gscodec.render import cuda, moments, projection, rasterize, spans, visibility
from gscodec.render import sensitivity as sensitivity_module
from gscodec.render.cameras import Camera
from gscodec.render.sensitivity import Sensitivity, measure_sensitivity
from gscodec.render.visibility import losses_without
from gscodec.splats.model import Splats

__all__ = ["MAX_BYTES", "MAX_FILES", "SensitivityCache"]

F64 = npt.NDArray[np.float64]

MAX_BYTES = 2 << 30  # of all files together; a second of 100,000 Gaussians of degree 0 is some 26 MB
MAX_FILES = 4096  # each new file looks at all: of small scenes, MAX_BYTES alone would let in far more
ARRAYS = ("means", "quats", "scales", "opacities", "sh")
MEASURED_BY = (cameras_module, projection, rasterize, moments, sensitivity_module, spans, visibility, cuda)


@dataclass(frozen=True, slots=True)
class SensitivityCache:
    """A folder of sensitivities and losses, named by a hash of all that they depend on. Processes may share it.

    At most `max_bytes` in all, in `max_files`: the files that were not used for longest go, but none used since `since` (seconds, as
    time.time()). So a sequence that is larger than the folder keeps its first part, instead of nothing that helps.
    """

    folder: Path = field(default_factory=lambda: user_cache() / "sensitivity")
    max_bytes: int = MAX_BYTES
    max_files: int = MAX_FILES
    since: float = field(default_factory=time.time)

    def measure(self, splats: Splats, cameras: list[Camera], *, kernel: str, device: str) -> Sensitivity:
        """As `measure_sensitivity`, bit for bit. A folder that can't be written or read is none: no error."""
        n = len(splats)
        shapes: dict[str, tuple[int, ...]] = {
            "means": (n, 3), "log_scales": (n, 3), "rotations": (n, 3), "logits": (n,),
            "colors": splats.sh.shape[:2], "pixels": (),
        }  # fmt: skip
        path = self._path("sensitivity", splats, cameras, kernel, device)
        found = _read(path, shapes)
        if found is not None:
            pixels = float(found.pop("pixels"))
            return Sensitivity(**found, pixels=pixels)
        new = measure_sensitivity(splats, cameras, kernel=kernel, device=device)
        self._write(path, {f.name: np.asarray(getattr(new, f.name)) for f in fields(new)})
        return new

    def losses(self, splats: Splats, cameras: list[Camera], *, kernel: str) -> F64:
        """As `losses_without`, bit for bit, and no error for a bad folder either."""
        path = self._path("losses", splats, cameras, kernel, "cpu")
        found = _read(path, {"losses": (len(splats),)})
        if found is not None:
            return found["losses"]
        new = losses_without(splats, cameras, kernel=kernel)
        self._write(path, {"losses": new})
        return new

    def _path(self, what: str, splats: Splats, cameras: list[Camera], kernel: str, device: str) -> Path:
        return self.folder / f"{_key(what, splats, cameras, kernel, device)}.npz"

    def _write(self, path: Path, arrays: dict[str, F64]) -> None:
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("wb") as file:
                    np.savez(file, **arrays)  # type: ignore[arg-type]
                if self._make_room(part):
                    part.replace(path)
            finally:
                part.unlink(missing_ok=True)

    def _make_room(self, new: Path) -> bool:
        """Whether the folder, `new` in it, is within its bound, or has been brought there."""
        known = []
        for path in self.folder.iterdir():
            if path != new and path.is_file():
                state = path.stat()
                known.append((state.st_mtime, state.st_size, path))
        excess = new.stat().st_size + sum(size for _, size, _ in known) - self.max_bytes
        too_many = 1 + len(known) - self.max_files
        for used, size, path in sorted(known):
            if (excess <= 0 and too_many <= 0) or used >= self.since:
                break
            path.unlink(missing_ok=True)
            excess, too_many = excess - size, too_many - 1
        return excess <= 0 and too_many <= 0


def _read(path: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, F64] | None:
    """The arrays in `path`, marked as used now; None where it is not whole, or some have other shapes."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, TypeError, zipfile.BadZipFile, zlib.error):
        return None
    with suppress(OSError):  # another user's
        os.utime(path)
    whole = {name: array.shape for name, array in arrays.items()} == shapes
    return arrays if whole else None


def _key(what: str, splats: Splats, cameras: list[Camera], kernel: str, device: str) -> str:
    total = hashlib.sha256(f"{what} {_code()} {kernel} {device} {len(cameras)}".encode())
    for name in ARRAYS:
        array = getattr(splats, name)
        total.update(f"{name}{array.shape}".encode() + array.tobytes())
    for camera in cameras:
        total.update(camera.R.tobytes() + camera.t.tobytes())
        lens = (camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height)
        total.update(np.array(lens, np.float64).tobytes())
    return total.hexdigest()[:32]


@cache
def _code() -> str:
    """A hash of the modules that measure: another version's files are not this one's."""
    total = hashlib.sha256(f"{np.__version__} {numba.__version__} {platform.machine()}".encode())
    for path in [Path(str(m.__file__)) for m in MEASURED_BY] + sorted(SOURCES.rglob("*sensitivity*")):
        total.update(path.read_bytes())
    return total.hexdigest()[:16]
