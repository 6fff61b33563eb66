"""What an encode is asked to do. Defaults of the command line stand here, once."""

from __future__ import annotations

from dataclasses import dataclass

from gscodec.base.errors import Misuse

__all__ = [
    "DEFAULT_PAYLOAD",
    "DEFAULT_QUALITY",
    "DEVICES",
    "EncodeSettings",
    "KERNELS",
    "PAYLOADS",
    "PRESETS",
    "target_psnr",
]

PRESETS = ("fast", "balanced", "best")
PAYLOADS = ("video", "compact", "auto")
KERNELS = ("classic", "compensated")
DEVICES = ("cpu", "cuda")
DEFAULT_QUALITY = 60.0
DEFAULT_PAYLOAD = "video"
MAX_GOP_FRAMES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeSettings:
    """Settings of one encode. `gauge`, `parts`, `sensitivity`, `share` (one base for several GOPs): codec tools,
    switched off only to measure them. `drop_hidden`: leave out what can't be seen of a static scene."""

    quality: float = DEFAULT_QUALITY  # 0..100, see target_psnr
    preset: str = "balanced"
    payload: str = DEFAULT_PAYLOAD
    gop: int | None = None  # frames; None: one second or MAX_GOP_FRAMES, whichever is shorter
    fps: float | None = None  # None: the sequence's
    up: tuple[float, float, float] | None = None
    kernel: str = "classic"
    device: str = "cpu"
    seed: int = 0
    workers: int = 1
    gauge: bool = True
    parts: bool = True
    sensitivity: bool = True
    share: bool = True
    drop_hidden: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.quality <= 100:
            raise Misuse("quality is a number from 0 to 100", quality=self.quality)
        for name, value, known in (
            ("preset", self.preset, PRESETS),
            ("payload", self.payload, PAYLOADS),
            ("kernel", self.kernel, KERNELS),
            ("device", self.device, DEVICES),
        ):
            if value not in known:
                raise Misuse(f"unknown {name}; known: {', '.join(known)}", **{name: value})
        if self.gop is not None and self.gop < 1:
            raise Misuse("a GOP has at least one frame", gop=self.gop)


def target_psnr(quality: float) -> float:
    """Foreground PSNR (dB) on the encoder's own views that a quality asks for: 2.5 dB for ten steps."""
    return 30.5 + 0.25 * quality
