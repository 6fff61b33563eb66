"""`--payload auto`: the first GOP both ways; the smaller stays, if a player can decode it in time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gscodec.codec.gop import GopJob, GopResult, encode_gop
from gscodec.codec.segment import split_segment

__all__ = ["Choice", "choose_payload", "decode_seconds"]

# Of the player's decoder and its rebuilding of frames, for a context-coded byte (`gscodec bench decode`, one core).
# A constant and not a clock: the same input must give the same file.
SECONDS_A_BYTE = 1.0e-6
REAL_TIME_SHARE = 1.0  # of one worker; players have two, so half of them is left for a slower machine


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen payload, its first GOP, and why, in a sentence."""

    payload: str
    result: GopResult
    why: str


def decode_seconds(segment: bytes) -> float:
    """Expected seconds to decode a segment in the player: its context-coded bytes; video is the browser's work."""
    sections, _, _ = split_segment(segment)
    return SECONDS_A_BYTE * sum(
        len(part) for name, part in sections.items() if name not in ("model", "video")
    )


def choose_payload(job: GopJob, fps: float) -> Choice:
    """Encode `job`, the first GOP, as `compact` and as `video`, and choose."""
    tried = {
        name: encode_gop(replace(job, settings=replace(job.settings, payload=name)))
        for name in ("compact", "video")
    }
    frames = len(job.frames)
    kb = {name: len(result.payload) / frames / 1000 for name, result in tried.items()}
    load = {name: decode_seconds(result.payload) / frames * fps for name, result in tried.items()}
    best = min(kb, key=lambda name: kb[name])
    other = "video" if best == "compact" else "compact"
    if load[best] > REAL_TIME_SHARE and load[other] < load[best]:
        best, other = other, best
    sizes = f"{kb[best]:.2f} KB a frame against {kb[other]:.2f} as {other}"
    work = f"about {100 * load[best]:.0f} % of a core against {100 * load[other]:.0f} % to decode"
    return Choice(best, tried[best], f"payload {best}: {sizes}, {work}")
