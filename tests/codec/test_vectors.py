"""The shared segment vectors: both Python decoders read what was written, and refuse what is damaged by its kind."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from gscodec.base.errors import BadInput, LimitExceeded, Truncated, Unsupported
from gscodec.codec.decoder import Gop, decode_base, decode_segment
from gscodec.codec.payloads.video import decode_luma

from .test_reference import assert_same_frame, assert_same_integers, reference

FOLDER = Path(__file__).resolve().parents[2] / "spec" / "vectors" / "segment"
GOOD = sorted(path.stem for path in (FOLDER / "ok").glob("*.seg"))
KINDS: dict[str, str] = json.loads((FOLDER / "bad" / "kinds.json").read_text())
ERRORS = {"truncated": Truncated, "unsupported": Unsupported, "limit": LimitExceeded, "bad": BadInput}


def read_fast(part: str, name: str) -> Gop:
    """Through the fast decoder, on the base beside it where there is one."""
    base = FOLDER / part / f"{name}.base"
    payload = (FOLDER / part / f"{name}.seg").read_bytes()
    return decode_segment(payload, base=decode_base(base.read_bytes()) if base.exists() else None)


def read_plain(part: str, name: str, luma):  # type: ignore[no-untyped-def]
    """The same, through the reference decoder."""
    base = FOLDER / part / f"{name}.base"
    payload = (FOLDER / part / f"{name}.seg").read_bytes()
    shared = reference.decode_shared_base(base.read_bytes()) if base.exists() else None
    return reference.decode_segment(payload, luma, base=shared)


def stored_luma(name: str):  # type: ignore[no-untyped-def]
    """The pictures stored beside the segment, as if decoded."""

    def luma(pictures: list[bytes], width: int, height: int) -> list[np.ndarray]:
        data = zlib.decompress((FOLDER / "ok" / f"{name}.luma.zlib").read_bytes())
        return list(np.frombuffer(data, np.uint8).reshape(len(pictures), height, width))

    return luma


@pytest.mark.parametrize("name", GOOD)
def test_fast_decoder_reads_the_planes_that_were_written(name: str) -> None:
    gop = read_fast("ok", name)
    told = json.loads((FOLDER / "ok" / f"{name}.json").read_text())
    planes = {k: f"{zlib.crc32(v.astype('<i4').tobytes()):08x}" for k, v in gop.planes.named().items()}
    assert planes == told["crc32_of_int32_planes"]
    for t, values in told["first_values"].items():
        frame = gop.frame(int(t))
        for key, want in values.items():
            got = getattr(frame, key).reshape(-1)[: len(want)]
            reach = float(np.ptp(getattr(frame, key))) if len(want) else 0.0
            assert np.allclose(got, want, rtol=0, atol=max(reach, 1e-3) / 65536), key


@pytest.mark.parametrize("name", GOOD)
def test_reference_decoder_agrees_with_the_fast_one(name: str) -> None:
    fast, plain = read_fast("ok", name), read_plain("ok", name, stored_luma(name))
    assert_same_integers(fast.planes.named(), plain.planes())
    for t in range(fast.n_frames):
        assert_same_frame(fast.frame(t), plain.frame(t))


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_damaged_segments_are_refused_by_kind(name: str, kind: str) -> None:
    with pytest.raises(ERRORS[kind]) as fast:
        read_fast("bad", name)
    assert type(fast.value) is ERRORS[kind]
    with pytest.raises(reference.BadSegment) as plain:
        read_plain("bad", name, decode_luma)
    assert plain.value.kind == kind
