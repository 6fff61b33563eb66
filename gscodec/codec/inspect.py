"""What a segment says of itself, without decoding it."""

from __future__ import annotations

from typing import Any

from gscodec.codec.segment import MODE_CODED, MODE_VIDEO, Model, split_segment

__all__ = ["describe_segment"]

BASES = ("none", "dct", "explicit")


def describe_segment(payload: bytes) -> dict[str, Any]:
    """Frames, slots, parts and whether they are soft, bases, planes and, where there is video, H.264 profile, level and atlas."""
    sections, _, shared = split_segment(payload)
    model = Model.read(sections["model"], shared=shared)
    modes = [mode for row in model.mode for mode in row]
    out: dict[str, Any] = {
        "frames": model.frames,
        "slots": model.slots,
        "parts": model.parts,
        "soft": model.soft,
        "bases": [f"{BASES[k]}:{n}" for k, n in zip(model.basis_kind, model.basis_count, strict=True)],
        "coded_planes": modes.count(MODE_CODED),
        "video_planes": modes.count(MODE_VIDEO),
        "section_bytes": {name: len(data) for name, data in sections.items()},
    }
    at = sections["video"].find(b"\0\0\1\x67")
    if model.video_planes() and at >= 0:
        profile, level = sections["video"][at + 4], sections["video"][at + 6]
        out["h264"] = f"profile {profile}, level {level / 10:g}"
        out["atlas"] = f"{model.atlas[0]}x{model.atlas[1]}"
    return out
