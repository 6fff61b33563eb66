"""Hostile segments: whatever the bytes, a segment decodes or raises BadInput, and never anything else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gscodec.base.errors import BadInput
from gscodec.base.limits import Budget
from gscodec.codec.decoder import decode_base, decode_segment
from gscodec.codec.planes import Planes
from gscodec.codec.segment import SECTIONS, join_segment, split_segment

FOLDER = Path(__file__).resolve().parents[2] / "spec" / "vectors" / "segment" / "ok"
NAMES = (
    "moving",
    "restless",
    "parts",
    "still",
    "degree_2",
    "overflow",
    "shared",
    "shared_parts",
    "soft_parts",
    "shared_soft_parts",
    "births",
    "births_parts",
    "births_soft_parts",
)
MUTATIONS = 500  # of each segment
ROOM = 1 << 26


def base_of(name: str) -> Planes | None:
    """Of the segment whose base this one shares."""
    path = FOLDER / f"{name}.base"
    return decode_base(path.read_bytes()) if path.exists() else None


def attempt(payload: bytes, base: Planes | None = None) -> bool:
    """Whether the payload decodes to finite frames; BadInput is the only error that may come out."""
    try:
        gop = decode_segment(payload, base=base, budget=Budget(ROOM))
        frame = gop.frame(gop.n_frames - 1)
    except BadInput:
        return False
    return bool(np.isfinite(frame.quats).all())


def mutations(payload: bytes, seed: int) -> list[bytes]:
    """One to four bytes changed within one section's body; section lengths stay."""
    rng = np.random.default_rng(seed)
    sections, explicit, shared = split_segment(payload)
    filled = [name for name in SECTIONS if sections[name]]
    out = []
    for _ in range(MUTATIONS):
        name = filled[int(rng.integers(len(filled)))]
        body = bytearray(sections[name])
        for at in rng.integers(0, len(body), int(rng.integers(1, 5))):
            body[at] = int(rng.integers(256))
        out.append(join_segment(sections | {name: bytes(body)}, explicit_layout=explicit, shared=shared))
    return out


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", NAMES)
def test_mutated_segments_decode_or_are_bad_input(name: str) -> None:
    payload = (FOLDER / f"{name}.seg").read_bytes()
    base = base_of(name)
    results = [attempt(changed, base) for changed in mutations(payload, seed=len(name))]
    assert not all(results)


@pytest.mark.parametrize("name", NAMES)
def test_sections_cut_anywhere_never_hang_or_crash(name: str) -> None:
    sections, explicit, shared = split_segment((FOLDER / f"{name}.seg").read_bytes())
    base = base_of(name)
    for section in SECTIONS[:5]:
        for length in range(0, len(sections[section]), 1 + len(sections[section]) // 40):
            cut = sections | {section: sections[section][:length]}
            attempt(join_segment(cut, explicit_layout=explicit, shared=shared), base)


def test_random_bytes_behind_a_valid_head_are_bad_input() -> None:
    rng = np.random.default_rng(3)
    sections, _, _ = split_segment((FOLDER / "restless.seg").read_bytes())
    for _ in range(100):
        noise = {name: rng.bytes(400) for name in ("side", "position", "base", "coefficient")}
        attempt(join_segment(sections | noise))
