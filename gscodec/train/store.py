"""Arrays in files that are whole or not there, and that say so when they are something else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from gscodec.base.errors import UNREADABLE, BadInput

__all__ = ["PART", "clear_parts", "load_arrays", "not_ours", "save_arrays"]

PART = ".part"  # ends the name of what is half written


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray | torch.Tensor]) -> None:
    """As .npz, by rename. What is half written has the process in its name: no other one writes there."""
    plain = {k: v.detach().cpu().numpy() if isinstance(v, torch.Tensor) else v for k, v in arrays.items()}
    part = path.with_suffix(f".{os.getpid()}{PART}")
    with part.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **plain)  # type: ignore[arg-type]
    part.replace(path)


def clear_parts(folder: Path) -> None:
    """Remove what processes that were killed have left half written."""
    for part in folder.glob(f"*{PART}"):
        part.unlink(missing_ok=True)


def load_arrays(path: Path, what: str) -> dict[str, np.ndarray]:
    """All of save_arrays. Raises BadInput, which names the file, where it isn't of that kind; `what` it should be."""
    try:
        with np.load(path) as file:
            return {name: file[name] for name in file.files}
    except (*UNREADABLE, AttributeError) as error:  # a .npy is no archive
        raise not_ours(path, what) from error


def not_ours(path: Path, what: str) -> BadInput:
    return BadInput(f"not {what}; remove the work folder to begin anew", file=str(path))
