"""uvicorn with what it lacks for the open network: a deadline for request heads, limits per address, small
send buffers, and an orderly stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from gscodec.base.errors import Misuse
from gscodec.stream.messages import MAX_INCOMING_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from starlette.applications import Starlette

__all__ = ["BackgroundServer", "bind", "configure", "serve_until_stopped"]

SEND_BUFFER_BYTES = 1 << 17  # 128 KiB: measured, 0.44 MiB in flight to a stalled reader instead of 3.9
STALL_MILLISECONDS = 45_000  # a peer that acknowledges nothing for this long is gone
PORTS_TO_TRY = 50
GRACE_SECONDS = 5


def _guarded(deadline: float, per_address: int) -> type[H11Protocol]:
    """An H11Protocol that drops a connection whose request head is not complete `deadline` seconds after the
    connection opened or the last response ended, and the connections of an address beyond `per_address`."""
    open_connections: Counter[str] = Counter()

    class GuardedProtocol(H11Protocol):
        _timer: asyncio.TimerHandle | None = None
        _address: str | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._address = self.client[0] if self.client else ""
            open_connections[self._address] += 1
            if open_connections[self._address] > per_address:
                transport.abort()
                return
            self._arm()

        def connection_lost(self, exc: Exception | None) -> None:
            self._leave()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            before = self.scope
            super().data_received(data)
            if self.scope is not before and not (self.cycle and self.cycle.response_complete):
                self._disarm()  # a head is complete: its response is on its way

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.cycle.response_complete and not self.transport.is_closing():
                self._arm()

        def handle_websocket_upgrade(self, event: Any) -> None:
            self._leave()  # from here on the websocket protocol has its own limits
            super().handle_websocket_upgrade(event)

        def _arm(self) -> None:
            self._disarm()
            self._timer = self.loop.call_later(deadline, self.transport.abort)

        def _disarm(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _leave(self) -> None:
            self._disarm()
            if self._address is not None:
                open_connections[self._address] -= 1
                if open_connections[self._address] <= 0:
                    del open_connections[self._address]
                self._address = None

    return GuardedProtocol


def configure(
    app: Starlette,
    header_deadline: float = 10.0,
    per_address: int = 256,
    tls: tuple[str, str] | None = None,
) -> uvicorn.Config:
    """uvicorn's settings for `app`; `tls` is (certificate file, key file)."""
    return uvicorn.Config(
        app,
        http=_guarded(header_deadline, per_address),
        ws="websockets-sansio",
        ws_max_size=MAX_INCOMING_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        h11_max_incomplete_event_size=1 << 15,
        timeout_graceful_shutdown=GRACE_SECONDS,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        ssl_certfile=tls[0] if tls else None,
        ssl_keyfile=tls[1] if tls else None,
    )


def bind(host: str, port: int) -> socket.socket:
    """A listening socket on `port`, or the next free one; 0 lets the system choose. Raises Misuse where none is."""
    family, _, _, _, _ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    last: OSError | None = None
    for candidate in range(port, port + PORTS_TO_TRY) if port else (0,):
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: inherited by the connections, as the buffer size is
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALL_MILLISECONDS)
        try:
            listener.bind((host, candidate))
            listener.listen(256)
        except OSError as error:
            listener.close()
            last = error
            continue
        return listener
    raise Misuse(f"cannot listen: {last.strerror if last else 'no port'}", host=host, port=port)


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: who runs it decides when it stops."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve_until_stopped(listeners: Sequence[tuple[uvicorn.Config, socket.socket]]) -> None:
    """Run the servers side by side until SIGINT or SIGTERM, then let them end in order. Main thread only."""
    servers = [(_Server(config), listener) for config, listener in listeners]

    def stop(number: int, _: FrameType | None) -> None:
        for server, _listener in servers:
            server.force_exit = (
                server.should_exit and number == signal.SIGINT
            )  # a second Ctrl-C does not wait
            server.should_exit = True

    async def serve_all() -> None:
        await asyncio.gather(*(server.serve(sockets=[listener]) for server, listener in servers))

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        asyncio.run(serve_all())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class BackgroundServer:
    """A server in a thread of its own, for `demo` and tests: `with BackgroundServer(config, socket) as s: s.port`."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        self._server = _Server(config)
        self._listener = listener
        self._thread = threading.Thread(target=self._run, name="gscodec-server", daemon=True)
        self.port: int = listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()  # the socket listens already: connections made from now on wait in its queue
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listener]))
