"""What the training of a key frame is at one moment: saved every so often, so that a killed run goes on from there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gscodec.base.errors import UNREADABLE
from gscodec.train.store import load_arrays, not_ours, save_arrays

__all__ = ["KeyState", "Leaves", "load", "save"]

Leaves = dict[str, torch.Tensor]


@dataclass
class KeyState:
    """`leaves` are what is trained, by name; `adam` has one group a name."""

    done: int  # pictures looked at
    leaves: Leaves
    adam: torch.optim.Adam
    rng: np.random.Generator
    generator: torch.Generator
    order: tuple[int, ...] = ()  # views to come before any comes again


def save(state: KeyState, path: Path) -> None:
    """By rename: a file of that name is whole."""
    arrays: dict[str, Any] = {f"leaf.{name}": tensor for name, tensor in state.leaves.items()}
    for group in state.adam.param_groups:
        for key, value in state.adam.state.get(group["params"][0], {}).items():
            arrays[f"adam.{group['name']}.{key}"] = value
    arrays |= {
        "done": np.array(state.done), "order": np.array(state.order, np.int64),
        "rng": np.array(json.dumps(state.rng.bit_generator.state)), "generator": state.generator.get_state(),
    }  # fmt: skip
    save_arrays(path, arrays)


def load(path: Path, device: str, optimiser: Callable[[Leaves], torch.optim.Adam]) -> KeyState:
    """The state of `save`; `optimiser` makes a new one for the leaves. Raises BadInput where the file isn't ours."""
    arrays = load_arrays(path, "a state of a key frame")
    try:
        leaves = {
            name[5:]: torch.from_numpy(array).to(device).requires_grad_()
            for name, array in arrays.items()
            if name.startswith("leaf.")
        }
        adam = optimiser(leaves)
        for group in adam.param_groups:
            head = f"adam.{group['name']}."
            moments = {n[len(head) :]: torch.from_numpy(a) for n, a in arrays.items() if n.startswith(head)}
            if moments:
                adam.state[group["params"][0]] = {
                    key: value.to(device) if value.ndim else value for key, value in moments.items()
                }
        rng = np.random.default_rng()
        rng.bit_generator.state = json.loads(str(arrays["rng"]))
        generator = torch.Generator()
        generator.set_state(torch.from_numpy(arrays["generator"]))
        order = tuple(int(v) for v in arrays["order"])
        return KeyState(int(arrays["done"]), leaves, adam, rng, generator, order)
    except UNREADABLE as error:
        raise not_ours(path, "a state of a key frame") from error
