"""What an encode is asked to do. Defaults of the command line stand here, once."""

from __future__ import annotations

from dataclasses import dataclass

from gscodec.base.errors import Misuse
from gscodec.base.limits import MAX_FRAMES_PER_GOP

__all__ = [
    "DEFAULT_PAYLOAD",
    "DEFAULT_QUALITY",
    "DEVICES",
    "EncodeSettings",
    "KERNELS",
    "PAYLOADS",
    "PRESETS",
    "TOOLS",
    "target_psnr",
]

PRESETS = ("fast", "balanced", "best")
PAYLOADS = ("video", "compact", "auto")
KERNELS = ("classic", "compensated")
DEVICES = ("cpu", "cuda")
# What an encode can be made without, to measure what each is worth.
TOOLS = (
    "gauge",  # the spelling of a covariance follows the frame before
    "parts",  # what moves together is told once
    "soft parts",  # what bends moves by blends of nodes
    "sensitivity",  # a slot's steps are as fine as the picture needs
    "shared bases",  # several GOPs build on one base
    "births on shared bases",  # also where Gaussians are born and die
    "KLT",  # a group's temporal basis is its own where that is cheaper than the DCT
    "neighbour prediction",  # coefficients are predicted from those of neighbours
    "finer smooth channels",  # a channel that its neighbours tell is quantised finer, for next to nothing
    "dead zone",  # values round towards zero a little
)
DEFAULT_QUALITY = 60.0
DEFAULT_PAYLOAD = "compact"
MAX_GOP_FRAMES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeSettings:
    """Settings of one encode. `drop_hidden`: leave out what can't be seen from outside
    of a static scene that is looked at from there."""

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
    without: tuple[str, ...] = ()  # of TOOLS
    drop_hidden: bool = False

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
        if unknown := set(self.without) - set(TOOLS):
            raise Misuse(f"no such tool; known: {', '.join(TOOLS)}", without=", ".join(sorted(unknown)))
        if self.gop is not None and not 1 <= self.gop <= MAX_FRAMES_PER_GOP:
            raise Misuse(f"a GOP has 1 to {MAX_FRAMES_PER_GOP} frames", gop=self.gop)
        if self.seed < 0:
            raise Misuse("a seed is a whole number from 0 on", seed=self.seed)


def target_psnr(quality: float) -> float:
    """Foreground PSNR (dB) on the encoder's own views that a quality asks for: 2.5 dB for ten steps."""
    return 30.5 + 0.25 * quality
