"""Small made-up frames, and PLY text written by hand, without the writer under test."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gscodec.splats.model import Splats

NAMES = ["x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2",
         "rot_0", "rot_1", "rot_2", "rot_3"]  # fmt: skip
ROW = [1.0, 2.0, 3.0, 0.1, 0.2, 0.3, 0.0, -1.0, -2.0, -3.0, 2.0, 0.0, 0.0, 0.0]


def random_splats(n: int, seed: int = 0, k: int = 1) -> Splats:
    """Gaussians scattered in a unit cube."""
    rng = np.random.default_rng(seed)
    quats = rng.normal(size=(n, 4))
    return Splats(
        means=rng.uniform(-1, 1, (n, 3)).astype(np.float32),
        quats=(quats / np.linalg.norm(quats, axis=1, keepdims=True)).astype(np.float32),
        scales=np.exp(rng.uniform(-5, -2, (n, 3))).astype(np.float32),
        opacities=rng.uniform(0.1, 0.9, n).astype(np.float32),
        sh=rng.normal(size=(n, k, 3)).astype(np.float32),
    )


def write_text_ply(path: Path, names: list[str], rows: list[list[float]], count: int | None = None) -> Path:
    """An ascii PLY with the given properties."""
    lines = ["ply", "format ascii 1.0", f"element vertex {len(rows) if count is None else count}"]
    lines += [f"property float {name}" for name in names] + ["end_header"]
    lines += [" ".join(repr(value) for value in row) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path
