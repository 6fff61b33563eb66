"""10,000 seeded mutations of a small file raise only documented errors; half have their checksums made right again,
so that entropy, model and video decoders see them. How many reach each is counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gscodec.base.errors import GscodecError
from gscodec.base.limits import Budget
from gscodec.codec.decoder import decode_segment
from gscodec.codec.segment import SECTIONS, join_segment, split_segment
from gscodec.container.reader import Reader, SegmentEvent

from .builders import segment_bytes, write_file

MUTATIONS = 10_000
BUDGET = 64 << 20


def decode_all(payload: bytes) -> str:
    """How far a segment got: `decoded`, or the name of the error's section."""
    try:
        gop = decode_segment(payload, budget=Budget(BUDGET))
        gop.frame(gop.n_frames - 1)
    except GscodecError as error:
        return str(error.where.get("section", "model"))
    return "decoded"


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """One to four bytes changed, sometimes a piece cut out or repeated."""
    out = bytearray(data)
    kind = rng.integers(0, 10)
    for _ in range(int(rng.integers(1, 5))):
        out[int(rng.integers(len(out)))] = int(rng.integers(256))
    if kind == 0:
        at = int(rng.integers(len(out)))
        del out[at : at + int(rng.integers(1, 9))]
    elif kind == 1:
        at = int(rng.integers(len(out)))
        out[at:at] = out[at : at + int(rng.integers(1, 9))]
    return bytes(out)


def mutate_section(payload: bytes, rng: np.random.Generator) -> bytes:
    """A segment with one section mutated and its lengths made right again."""
    sections, layout, shared = split_segment(payload)
    filled = [name for name in SECTIONS if sections[name]]
    name = filled[int(rng.integers(len(filled)))]
    mutated = sections | {name: mutate(sections[name], rng)}
    return join_segment(mutated, explicit_layout=layout, shared=shared)


def test_mutated_files_raise_only_documented_errors(tmp_path: Path) -> None:
    data = write_file(tmp_path / "a.gsv", [(segment_bytes(), 3)])
    rng = np.random.default_rng(1)
    for _ in range(MUTATIONS // 2):
        reader = Reader()
        reader.feed(mutate(data, rng))
        try:
            for event in reader.events():
                if isinstance(event, SegmentEvent):
                    decode_all(event.payload)
            reader.close()
        except GscodecError:
            continue


@pytest.mark.filterwarnings("ignore")
def test_mutated_sections_reach_every_decoder_and_raise_only_documented_errors() -> None:
    rng = np.random.default_rng(2)
    reached: Counter[str] = Counter()
    sources = [segment_bytes(), segment_bytes(n=300, frames=6, video=True)]
    assert split_segment(sources[1])[0]["video"]
    for i in range(MUTATIONS // 2):
        reached[decode_all(mutate_section(sources[i % 8 == 0], rng))] += 1
    print(dict(reached))
    assert {"position", "base", "video", "decoded", "model"} <= reached.keys()
