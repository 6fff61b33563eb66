"""The tables of `gscodec bench train`, from the rows that are finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gscodec.bench.tables import markdown_table
from gscodec.bench.train_plan import V3, Row
from gscodec.bench.train_run import FIXED_QUALITY, Run, Stream

__all__ = ["Outcome", "correlation", "tables"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row: its run, its stream at FIXED_QUALITY, the PSNR it is compared at (None: not yet), its stream there,
    beside V3's the stream of the run that is made for the codec at the same PSNR, and its stream at a lower one."""

    row: Row
    run: Run
    fixed: Stream | None = None
    target: float | None = None
    equal: Stream | None = None
    ours: Stream | None = None
    lower: Stream | None = None


def tables(outcomes: Sequence[Outcome]) -> str:
    """All that have a row, one under the other."""
    parts = [_quality(outcomes), _worth(outcomes), _losses(outcomes), _estimates(outcomes)]
    return "\n\n".join(part for part in parts if part)


def _db(values: Sequence[float]) -> str:
    return f"{np.mean(values):.2f} / {min(values):.2f}"


def _stream(stream: Stream | None) -> list[str]:
    return ["", ""] if stream is None else [f"{stream.kb:.2f}", f"{stream.psnr:.2f}"]


def _quality(outcomes: Sequence[Outcome]) -> str:
    rows, on_gpu = [], any(o.run.gpu_mb for o in outcomes)
    for o in outcomes:
        if o.row.part != "quality" or o.fixed is None:
            continue
        following = o.run.seconds[1:]
        rows.append([
            o.row.capture, str(o.row.frames), o.row.name, _db(o.run.psnr), f"{o.fixed.psnr:.2f} / {o.fixed.worst:.2f}",
            f"{o.fixed.kb:.2f}", f"{o.run.still:.0%}", f"{o.run.seconds[0]:.0f}",
            f"{np.mean(following):.0f}" if following else "", f"{o.run.peak_mb:.0f}",
            *([f"{o.run.gpu_mb:.0f}"] if on_gpu else []),
        ])  # fmt: skip
    if not rows:
        return ""
    head = (
        "capture", "frames", "preset", "held out, dB (mean / lowest)", f"decoded at quality {FIXED_QUALITY:g}",
        "KB/frame", "held", "key frame, s", "each other, s", "peak MB", *(["GPU, peak MB"] if on_gpu else []),
    )  # fmt: skip
    return "Quality: whole picture on black, cameras kept from training.\n\n" + markdown_table(head, rows)


def _worth(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for o in outcomes:
        if o.row.part != "worth" or o.target is None or o.equal is None:
            continue
        ours = o.equal if o.ours is None else o.ours
        plain = _plain(outcomes, o)
        other = o.equal if o.ours is not None else (plain.equal if plain else None)
        rows.append([
            o.row.capture, str(o.row.frames), o.row.name, str(o.run.slots), _db(o.run.psnr), f"{o.target:.2f}",
            *_stream(o.equal), *_stream(o.ours), _share(ours, other), *_stream(o.lower),
            _share(o.lower, plain.lower if plain else None),
        ])  # fmt: skip
    if not rows:
        return ""
    head = (
        "capture", "frames", "training", "slots", "held out, dB (mean / lowest)", "compared at, dB", "KB/frame",
        "decoded, dB", "made for the codec, KB/frame", "decoded, dB", "share of the bytes", "lower: KB/frame",
        "decoded, dB", "share",
    )  # fmt: skip
    return (
        "Streams at the same held-out PSNR, decoded: half a decibel below the lower of the two trained ones, or where"
        " the better of the two lowest qualities is; and once more a whole decibel below. The share is of the training"
        " without what is made for the codec; in V3's row, ours of V3's.\n\n" + markdown_table(head, rows)
    )


def _share(of: Stream | None, other: Stream | None) -> str:
    return f"{of.kb / other.kb:.2f}" if of and other else ""


def _plain(outcomes: Sequence[Outcome], of: Outcome) -> Outcome | None:
    """The same capture trained without the codec's losses; None for that one itself."""
    alike = [o for o in outcomes if o.row.part == "worth" and o.row.capture == of.row.capture]
    plain = next((o for o in alike if not o.row.settings.codec and o.row.recipe != V3), None)
    return plain if plain is not of else None


def _losses(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for o in outcomes:
        if (
            o.row.part == "quality"
            or o.row.recipe == V3
            or o.fixed is None
            or o.equal is None
            or o.target is None
        ):
            continue
        if o.row.capture not in {p.row.capture for p in outcomes if p.row.part == "losses"}:
            continue
        rows.append([
            o.row.name, str(o.run.slots), _db(o.run.psnr), f"{o.run.still:.0%}", *_stream(o.fixed),
            f"{o.run.estimate / o.row.frames / 1000:.2f}", f"{o.target:.2f}", *_stream(o.equal),
        ])  # fmt: skip
    if not any(o.row.part == "losses" for o in outcomes) or not rows:
        return ""
    head = (
        "training", "slots", "held out, dB (mean / lowest)", "held", f"KB/frame at quality {FIXED_QUALITY:g}",
        "decoded, dB", "as the entropy loss sees it", "compared at, dB", "KB/frame", "decoded, dB",
    )  # fmt: skip
    return "What each of the codec's losses is worth.\n\n" + markdown_table(head, rows)


def correlation(outcomes: Sequence[Outcome]) -> float:
    """Pearson's, of the bytes that the entropy loss sees and the real ones at FIXED_QUALITY, over runs; NaN for few."""
    pairs = [(o.run.estimate, o.fixed.kb * o.row.frames) for o in outcomes if o.fixed is not None]
    if len(pairs) < 3:
        return float("nan")
    return float(np.corrcoef(np.array(pairs).T)[0, 1])


def _estimates(outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return ""
    capture = outcomes[0].row.capture
    measured = [
        o for o in outcomes if o.row.part != "quality" and o.row.capture == capture and o.fixed is not None
    ]
    alike = list(
        {(o.row.recipe, o.row.settings): o for o in measured}.values()
    )  # one may stand in two tables
    value = correlation(alike)
    if np.isnan(value):
        return ""
    return f"Bytes as the entropy loss sees them and real ones, {capture}: correlation {value:.3f} over {len(alike)} runs."
