"""What a server may be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["ServeOptions"]

WEB = Path(__file__).parent.parent / "web"  # the built player


@dataclass(frozen=True)
class ServeOptions:
    """What `gscodec serve` may be asked for; the limits are here so that tests and hosts can set them."""

    host: str = "127.0.0.1"
    port: int = 8000
    lan: bool = False
    allow_origin: tuple[str, ...] = ()
    quiet: bool = False
    header_deadline: float = 10.0  # seconds for a request's head
    per_address: int = 256  # HTTP connections of one address
    websockets_per_address: int = 64
    web: Path = WEB
    config_folder: Path | None = None  # of the local authority; None: the user's own
