"""Writes vectors/segment: small segments with what a decoder must make of them, and damaged ones with the error's kind.

Run from the repository's root: python -m spec.make_segment_vectors. Beside each NAME.seg of ok/ lies NAME.json (CRC-32 of
every plane as little-endian int32; the first values of some frames) and, where there is video, NAME.luma.zlib (the
decoded luma of all pictures, back to back), for readers without an H.264 decoder. A segment that shares the base of
another has that one beside it as NAME.base. bad/kinds.json names the error kinds. What is
there already is left as it is, whatever today's encoder would write; bad/version_1.seg was written by version 1.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from gscodec.base.errors import BadInput, LimitExceeded, Truncated, Unsupported
from gscodec.codec.decoder import decode_base, decode_segment
from gscodec.codec.encoder import Tools, encode_tracks
from gscodec.codec.model.channels import channel_count
from gscodec.codec.model.steps import sensitive_steps
from gscodec.codec.payloads.video import decode_luma, split_pictures
from gscodec.codec.segment import Model, join_segment, split_segment
from gscodec.codec.shared import SharedBase, shared_steps, shared_tracks
from tests.codec.builders import make_frames, make_tracks_of, sensitivity_of

FOLDER = Path(__file__).parent / "vectors" / "segment"
FIRST = 24  # values kept of each attribute


def encoded(
    n: int, frames: int, degree: int = 0, *, video: bool = False, jitter: float = 0.0, moving: bool = True
) -> bytes:
    tracks = make_tracks_of(make_frames(n, frames, degree, jitter=jitter, moving=moving))
    return encode_tracks(tracks, sensitive_steps(tracks, 0.2), tools=Tools(video=video)).payload


def stray(n: int, frames: int) -> bytes:
    """Video with a slot whose jumps overflow its levels, beside coded planes."""
    told = make_frames(n, frames, jitter=0.003)
    for t in range(frames):
        told[t].means[n // 2] += 0.4 * (t % 2)
    tracks = make_tracks_of(told, parts=False)
    return encode_tracks(tracks, sensitive_steps(tracks, 0.2), tools=Tools(video=True)).payload


def on_base(
    n: int, *counts: int, degree: int = 0, video: bool = False, moving: bool = True, jitter: float = 0.0
) -> tuple[bytes, list[bytes]]:
    """(a segment of `counts[0]` frames, segments of the later counts on its base)."""
    frames = make_frames(n, sum(counts), degree, jitter=jitter, moving=moving)
    tracks = make_tracks_of(frames[: counts[0]])
    steps = sensitive_steps(tracks, 0.2)
    first = encode_tracks(tracks, steps)
    shared = SharedBase(first.planes.base_only(), first.rows, steps.coef_unit, 0.2, 0.0)
    later, at = [], counts[0]
    for count in counts[1:]:
        mine = shared_tracks(frames[at : at + count], np.arange(n), shared, {}, use_gauge=True)
        told = encode_tracks(mine, shared_steps(shared, mine, 0.2), shared.planes, Tools(video=video))
        later.append(told.payload)
        at += count
    return first.payload, later


def soft(
    n: int, frames: int, degree: int = 0, *, nodes: int = 7, one_place: bool = False
) -> tuple[bytes, bytes, bytes]:
    """(a segment with soft parts, one on its base with nodes of its own, one on its base without parts)."""
    told = make_frames(n, 2 * frames, degree, jitter=0.001)
    tracks = make_tracks_of(told[:frames], nodes=nodes)
    assert tracks.motion is not None
    if one_place:
        tracks.motion = replace(tracks.motion, centres=np.tile(tracks.motion.centres[:1], (nodes, 1)))
    steps = sensitive_steps(tracks, 0.2)
    plain = Tools(video=False)
    first = encode_tracks(tracks, steps, tools=plain)
    shared = SharedBase(first.planes.base_only(), first.rows, steps.coef_unit, 0.2, 0.0)
    mine = shared_tracks(told[frames:], np.arange(n), shared, {}, use_gauge=True)
    with_nodes, without = (
        encode_tracks(one, shared_steps(shared, one, 0.2), shared.planes, plain).payload
        for one in (mine, replace(mine, motion=None))
    )
    return first.payload, with_nodes, without


def with_births(
    n: int,
    frames: int,
    degree: int = 0,
    *,
    lost: int,
    jitter: float = 0.0,
    nodes: int = 0,
    moving: bool = True,
    video: bool = False,
) -> tuple[bytes, bytes]:
    """(a segment of the first Gaussians, one on its base from which `lost` of them are gone and as many are new)."""
    told = make_frames(n + lost, 2 * frames, degree, jitter=jitter, moving=moving)
    rows = np.random.default_rng(3).permutation(n + lost)
    tracks = make_tracks_of([frame.take(rows[:n]) for frame in told[:frames]], nodes=nodes)
    steps = sensitive_steps(tracks, 0.2)
    first = encode_tracks(tracks, steps)
    shared = SharedBase(first.planes.base_only(), first.rows, steps.coef_unit, 0.2, 0.0)
    later = [frame.take(rows[lost:]) for frame in told[frames:]]
    mine = shared_tracks(
        later, np.arange(lost, n + lost), shared, {0: sensitivity_of(later[0])}, use_gauge=True
    )
    later_steps = shared_steps(shared, mine, 0.2)
    return first.payload, encode_tracks(mine, later_steps, shared.planes, Tools(video=video)).payload


def empty(frames: int) -> bytes:
    """No slots: MODEL alone."""
    model = Model(frames, 0, 1)
    model.base_unit = model.coef_unit = np.ones(channel_count(1), np.float32)
    model.mode = model.beta = [[] for _ in range(channel_count(1))]
    return join_segment({"model": model.write()})


def with_layout(payload: bytes, places: np.ndarray) -> bytes:
    sections, _, shared = split_segment(payload)
    sections["video"] = places.astype("<u4").tobytes() + sections["video"]
    return join_segment(sections, explicit_layout=True, shared=shared)


def good() -> Iterator[tuple[str, bytes]]:
    """Segments with a base of their own."""
    yield "empty", empty(1)
    yield "empty_moving", empty(3)
    yield "one_slot", encoded(1, 3)
    yield "one_slot_still", encoded(1, 1)
    yield "still", encoded(150, 1, 1)
    yield "still_degree_3", encoded(40, 1, 3)
    yield "moving", encoded(120, 6)
    yield "restless", encoded(100, 6, jitter=0.01)
    yield "harmonics", encoded(70, 4, 3)
    yield "degree_2", encoded(40, 3, 2)
    yield "parts", encoded(260, 5, 1, jitter=0.001)
    yield "soft_parts", soft(260, 5)[0]
    yield "soft_parts_harmonics", soft(90, 4, 2, nodes=5)[0]
    yield "soft_parts_at_one_place", soft(120, 4, one_place=True)[0]
    yield "overflow", stray(300, 5)
    video = encoded(300, 5, video=True, moving=False, jitter=0.003)
    yield "video", video
    yield "explicit_layout", with_layout(video, np.random.default_rng(5).permutation(300))


def good_shared() -> Iterator[tuple[str, bytes, bytes]]:
    """(name, segment, the segment whose base it shares)."""
    base, (later, one) = on_base(150, 4, 5, 1, jitter=0.003)
    yield "shared", later, base
    yield "shared_one_frame", one, base
    base, (later,) = on_base(260, 5, 5, degree=1, jitter=0.001)
    yield "shared_parts", later, base
    base, later, without = soft(200, 5)
    yield "shared_soft_parts", later, base
    yield "shared_no_parts_on_soft_ones", without, base
    base, (later,) = on_base(300, 3, 4, video=True, moving=False, jitter=0.003)
    yield "shared_video", later, base
    base, (later,) = on_base(60, 1, 3, degree=3)
    yield "shared_still_base", later, base
    base, later = with_births(150, 4, lost=20, jitter=0.003)
    yield "births", later, base
    base, later = with_births(260, 5, 1, lost=40, jitter=0.001)
    yield "births_parts", later, base
    base, later = with_births(200, 4, lost=30, jitter=0.001, nodes=7)
    yield "births_soft_parts", later, base
    base, later = with_births(80, 1, 1, lost=12)
    yield "births_one_frame", later, base
    base, later = with_births(300, 5, lost=20, jitter=0.003, moving=False, video=True)
    yield "births_video", later, base
    yield "births_explicit_layout", with_layout(later, np.random.default_rng(6).permutation(320)), base


def changed(payload: bytes, change: Callable[[Model, dict[str, bytes]], None]) -> bytes:
    """The segment after its model or sections were changed."""
    sections, explicit, shared = split_segment(payload)
    model = Model.read(sections["model"], shared=shared)
    change(model, sections)
    return join_segment(sections | {"model": model.write()}, explicit_layout=explicit, shared=shared)


def set_model(name: str, value: object) -> Callable[[Model, dict[str, bytes]], None]:
    return lambda model, _: setattr(model, name, value)


def hard_parts(count: int) -> Callable[[Model, dict[str, bytes]], None]:
    def change(model: Model, _: dict[str, bytes]) -> None:
        model.soft, model.parts = False, count

    return change


def cut(name: str) -> Callable[[Model, dict[str, bytes]], None]:
    def change(_: Model, sections: dict[str, bytes]) -> None:
        sections[name] = sections[name][: len(sections[name]) // 2]

    return change


def empty_section(name: str) -> Callable[[Model, dict[str, bytes]], None]:
    return lambda _, sections: sections.update({name: b""})


def nan_unit(model: Model, _: dict[str, bytes]) -> None:
    model.base_unit[4] = np.nan


def no_basis(model: Model, _: dict[str, bytes]) -> None:
    model.basis_kind[0] = 0


def one_picture_more(_: Model, sections: dict[str, bytes]) -> None:
    sections["video"] = bytes([sections["video"][0] + 1]) + sections["video"][1:]


def bad() -> Iterator[tuple[str, str, bytes]]:
    """(name, kind, bytes)."""
    moving, video = encoded(60, 4, jitter=0.01), encoded(300, 5, video=True, moving=False, jitter=0.003)
    yield "nothing", "truncated", b""
    yield "later_version", "unsupported", b"\x03" + moving[1:]
    yield "unknown_flag", "unsupported", moving[:1] + b"\x04" + moving[2:]
    yield "cut_short", "truncated", moving[: len(moving) // 2]
    yield "left_over", "bad", moving + b"\x00"
    yield "long_number", "bad", moving[:2] + b"\xff" * 6 + moving[2:]
    for name in ("position", "base", "side", "coefficient"):
        yield f"cut_{name}", "truncated", changed(moving, cut(name))
    yield "too_many_frames", "limit", changed(empty(1), set_model("frames", 257))
    yield "no_frames", "limit", changed(empty(1), set_model("frames", 0))
    yield "too_many_slots", "limit", changed(empty(1), set_model("slots", (1 << 22) + 1))
    yield "degree_4", "bad", changed(empty(1), set_model("sh_degree", 4))
    yield "unit_is_no_number", "bad", changed(moving, nan_unit)
    yield "coefficients_without_basis", "bad", changed(moving, no_basis)
    yield "atlas_of_other_size", "bad", changed(video, set_model("atlas", (32, 34)))
    yield "atlas_too_large", "limit", changed(video, set_model("atlas", (4096, 34)))
    yield "gain_zero", "bad", changed(video, set_model("gain", 0))
    yield "pictures_miscounted", "bad", changed(video, one_picture_more)
    yield "layout_repeats", "bad", with_layout(video, np.zeros(300, np.int64))
    soft_parts, _, _ = soft(90, 4)
    yield "soft_parts_too_few", "bad", changed(soft_parts, set_model("parts", 4))
    yield "soft_parts_cut_side", "truncated", changed(soft_parts, cut("side"))
    yield "soft_parts_far_away", "bad", changed(soft_parts, set_model("place_shift", 20))
    yield "too_many_parts", "bad", changed(soft_parts, hard_parts(65))
    yield "version_1", "unsupported", (FOLDER / "bad" / "version_1.seg").read_bytes()
    _, (later,) = on_base(60, 4, 4, jitter=0.01)
    yield "shared_without_a_base", "bad", later


def bad_shared() -> Iterator[tuple[str, str, bytes, bytes]]:
    """(name, kind, segment, the segment whose base it is given)."""
    base, (later,) = on_base(60, 4, 4, jitter=0.01)
    yield "base_of_other_slots", "bad", later, encoded(61, 4, jitter=0.01)
    yield "base_of_other_degree", "bad", later, encoded(60, 4, 1, jitter=0.01)
    yield "base_with_a_shared_base", "bad", later, later
    yield "base_cut_short", "truncated", later, changed(base, cut("base"))
    yield "base_with_other_parts", "bad", *with_parts(base, later)
    base_of_soft, on_soft, _ = soft(90, 4)
    yield "hard_parts_on_soft_ones", "bad", changed(on_soft, hard_parts(7)), base_of_soft
    yield "shared_cut_coefficient", "truncated", changed(later, cut("coefficient")), base
    yield "shared_too_many_coefficients", "bad", changed(later, one_basis_too_long), base
    base, later = with_births(150, 4, lost=20, jitter=0.003)
    yield "births_cut_position", "truncated", changed(later, cut("position")), base
    yield "births_cut_base", "truncated", changed(later, cut("base")), base
    yield "births_without_positions", "truncated", changed(later, empty_section("position")), base
    yield "births_too_many", "bad", changed(later, set_model("slots", 100000)), base


def with_parts(base: bytes, later: bytes) -> tuple[bytes, bytes]:
    """The later segment with parts whose base has none, or other ones."""
    parts = Model.read(split_segment(base)[0]["model"]).parts + 1

    def change(model: Model, _: dict[str, bytes]) -> None:
        model.parts, model.part_unit = parts, (1.0, 1.0)

    return changed(later, change), base


def one_basis_too_long(model: Model, _: dict[str, bytes]) -> None:
    """One coefficient more than frames."""
    model.basis_kind[0], model.basis_count[0] = 1, model.frames + 1
    for c in range(3):
        model.mode[c], model.beta[c] = [0] * (model.frames + 1), []


def kind_of(error: BadInput) -> str:
    kinds = {Truncated: "truncated", Unsupported: "unsupported", LimitExceeded: "limit"}
    return kinds.get(type(error), "bad")


def luma_of(payload: bytes) -> bytes | None:
    sections, explicit, shared = split_segment(payload)
    model = Model.read(sections["model"], shared=shared)
    video = model.video_planes()
    if not video:
        return None
    data, at = sections["video"], 4 * model.slots * explicit
    units = split_pictures(data, at, data[at])  # fewer than 128 pictures: the count is one byte
    return b"".join(picture.tobytes() for picture in decode_luma(units, *model.atlas))


def write_good(name: str, payload: bytes, base: bytes | None = None) -> None:
    if (FOLDER / "ok" / f"{name}.seg").exists():
        return
    gop = decode_segment(payload, base=None if base is None else decode_base(base))
    planes = {k: f"{zlib.crc32(v.astype('<i4').tobytes()):08x}" for k, v in gop.planes.named().items()}
    values = {}
    for t in sorted({0, gop.n_frames - 1}):
        frame = gop.frame(t)
        values[t] = {
            key: [float(f"{v:.9g}") for v in getattr(frame, key).reshape(-1)[:FIRST]]
            for key in ("means", "quats", "scales", "opacities", "sh")
        }
    told = {"crc32_of_int32_planes": planes, "first_values": values}
    (FOLDER / "ok" / f"{name}.seg").write_bytes(payload)
    if base is not None:
        (FOLDER / "ok" / f"{name}.base").write_bytes(base)
    (FOLDER / "ok" / f"{name}.json").write_text(json.dumps(told) + "\n")
    luma = luma_of(payload)
    if luma is not None:
        (FOLDER / "ok" / f"{name}.luma.zlib").write_bytes(zlib.compress(luma, 9))


def check_bad(name: str, kind: str, payload: bytes, base: bytes | None) -> None:
    try:
        decode_segment(payload, base=None if base is None else decode_base(base))
    except BadInput as error:
        if kind_of(error) != kind:
            raise SystemExit(f"{name}: {error} is {kind_of(error)}, not {kind}") from error
    else:
        raise SystemExit(f"{name} decodes")


def write_bad() -> None:
    kinds = {}
    alone = ((name, kind, payload, None) for name, kind, payload in bad())
    for name, kind, payload, base in [*alone, *bad_shared()]:
        check_bad(name, kind, payload, base)
        kinds[name] = kind
        if (FOLDER / "bad" / f"{name}.seg").exists():
            continue
        (FOLDER / "bad" / f"{name}.seg").write_bytes(payload)
        if base is not None:
            (FOLDER / "bad" / f"{name}.base").write_bytes(base)
    (FOLDER / "bad" / "kinds.json").write_text(json.dumps(kinds, indent=1) + "\n")


def main() -> None:
    for part in ("ok", "bad"):
        (FOLDER / part).mkdir(parents=True, exist_ok=True)
    for name, payload in good():
        write_good(name, payload)
    for name, payload, base in good_shared():
        write_good(name, payload, base)
    write_bad()


if __name__ == "__main__":
    main()
