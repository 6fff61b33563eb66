"""What `gscodec bench train` trains, as data: captures, frames, presets and which of the codec's losses are off."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gscodec.base.errors import Misuse
from gscodec.train.settings import CODEC_LOSSES, TrainSettings, preset

__all__ = ["OURS", "ROWS", "V3", "Row", "rows_of"]

OURS, V3 = "ours", "V3"
SHORT = "fast"  # preset of what is only compared
ABLATED = "capture-fox"
LOW = 20.0  # quality at which streams are compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One training run and what its row is called. `part`: the table."""

    part: str
    capture: str
    name: str
    frames: int
    settings: TrainSettings
    recipe: str = OURS
    downscale: float = 1.0
    hold_out: int | None = None


def _quality(
    capture: str,
    frames: int,
    downscale: float = 1.0,
    hold_out: int | None = None,
    gaussians: int | None = None,
) -> Row:
    return Row(
        part="quality", capture=capture, name="balanced" + (f", {gaussians:,} slots" if gaussians else ""),
        frames=frames, settings=preset("balanced", preview_every=0, gaussians=gaussians), downscale=downscale,
        hold_out=hold_out,
    )  # fmt: skip


def _compared(capture: str, frames: int, downscale: float = 1.0) -> tuple[Row, ...]:
    """With and without what is made for the codec, with all of it but `price`, and V3's recipe.

    The codec and the iterations are the same, and the slots that training begins with; `price` alone takes some.
    """
    made = Row(
        part="worth", capture=capture, name="made for the codec", frames=frames, settings=preset(SHORT, preview_every=0, quality=LOW),
        downscale=downscale,
    )  # fmt: skip
    plain = replace(made, name="without", settings=replace(made.settings, codec=()))
    free = replace(made.settings, codec=_all_but("price"))
    kept = replace(made, name="made for it, all slots kept", settings=free)
    v3 = replace(plain.settings, sh_degree=0)  # as it is released; the key frame is ours
    return made, plain, kept, replace(plain, name="V3's recipe and layout", recipe=V3, settings=v3)


def _all_but(loss: str) -> tuple[str, ...]:
    return tuple(name for name in CODEC_LOSSES if name != loss)


def _without(loss: str) -> Row:
    settings = preset(SHORT, preview_every=0, quality=LOW, codec=_all_but(loss))
    return Row(part="losses", capture=ABLATED, name=f"without {loss}", frames=8, settings=settings)


ROWS = (
    *_compared("capture-fox", 8),
    *_compared("capture-trio", 6, downscale=2.0),  # fits the time of two cores
    *(_without(loss) for loss in CODEC_LOSSES),
    _quality("capture-fox", 24),
    _quality("snowmiku", 1, hold_out=8, downscale=2.0),
    _quality("capture-trio", 10),
)

GPU_ROWS = (_quality("capture-trio", 60, gaussians=100_000),)  # days on two cores


def rows_of(parts: tuple[str, ...], captures: tuple[str, ...] | None, device: str = "cpu") -> tuple[Row, ...]:
    """Those of the parts and captures asked for; None: all captures. Raises Misuse where a capture has no row."""
    every = ROWS + (GPU_ROWS if device == "cuda" else ())
    names = list(dict.fromkeys(r.capture for r in every))
    if unknown := set(captures or ()) - set(names):
        raise Misuse(f"the captures measured are {', '.join(names)}", captures=", ".join(sorted(unknown)))
    known = [r for r in every if captures is None or r.capture in captures]
    chosen = [r for r in known if r.part in parts]
    if "losses" in parts and "worth" not in parts:  # what they are compared with
        both = [r for r in known if r.part == "worth" and r.capture == ABLATED][:2]
        chosen = both + chosen
    return tuple(chosen)
