"""The websocket endpoint: runs one `ServerSide` a connection, reads segments, keeps to credits and limits."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from anyio import to_thread
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from gscodec.base.errors import BadInput
from gscodec.stream.messages import CLOSE_POLICY, CLOSE_UNSUPPORTED, SUBPROTOCOL, ProtocolError
from gscodec.stream.protocol import ServerSide

if TYPE_CHECKING:
    from collections.abc import Callable

    from gscodec.stream.media import Media
    from gscodec.stream.shelf import ServedFile

__all__ = ["Pusher", "origin_allowed"]

CLOSE_INTERNAL = 1011
CLOSE_TRY_LATER = 1013


@dataclass
class Pusher:
    """All websocket connections of a server; `counters` is shared with /metrics."""

    shelf: dict[str, ServedFile]
    open_media: Callable[[ServedFile], Media]
    allow_origin: tuple[str, ...]
    counters: Counter[str]
    per_address: int = 64
    open_deadline: float = 10.0  # seconds until the first message
    send_deadline: float = 45.0  # seconds one message may take: a reader slower than that is let go
    messages_per_second: float = 50.0
    burst: float = 200.0
    poll: float = 0.25  # seconds between looks at a growing file
    connections: Counter[str] = field(default_factory=Counter)

    async def endpoint(self, websocket: WebSocket) -> None:
        """Serve one connection from handshake to close."""
        served = self.shelf.get(websocket.path_params["name"])
        address = websocket.client.host if websocket.client else ""
        if served is None or not origin_allowed(websocket, self.allow_origin):
            self.counters["websockets_refused"] += 1
            await websocket.close(CLOSE_POLICY)  # before accept: the handshake is answered with 403
            return
        if self.connections[address] >= self.per_address:
            self.counters["websockets_refused"] += 1
            await websocket.close(CLOSE_TRY_LATER)
            return
        self.connections[address] += 1
        self.counters["websockets_opened"] += 1
        try:
            offered = SUBPROTOCOL in websocket.scope.get("subprotocols", [])
            await websocket.accept(subprotocol=SUBPROTOCOL if offered else None)
            await self._converse(websocket, served)
        finally:
            self.connections[address] -= 1
            if not self.connections[address]:
                del self.connections[address]
            self.counters["websockets_closed"] += 1

    async def _converse(self, websocket: WebSocket, served: ServedFile) -> None:
        try:
            media = await to_thread.run_sync(self.open_media, served)
        except BadInput as error:
            await _close(websocket, CLOSE_INTERNAL, str(error))
            return
        try:
            if not media.rungs:  # being written, and no segment is complete yet
                await _close(websocket, CLOSE_TRY_LATER, "not ready yet")
                return
            await _Conversation(self, websocket, served, media).run()
        except ProtocolError as error:
            self.counters["websockets_broken"] += 1
            await _close(websocket, error.close_code, error.message)
        except BadInput as error:  # a growing file that went away
            await _close(websocket, CLOSE_INTERNAL, error.message)
        except (WebSocketDisconnect, TimeoutError):
            with contextlib.suppress(RuntimeError):
                await _close(websocket, CLOSE_POLICY, "too slow")
        finally:
            await to_thread.run_sync(media.close)


class _Conversation:
    """One connection: a reading and a sending task around one protocol state."""

    def __init__(self, pusher: Pusher, websocket: WebSocket, served: ServedFile, media: Media) -> None:
        self.pusher, self.websocket, self.media = pusher, websocket, media
        self.side = ServerSide(served.name, media.header, media.rungs, complete=media.complete)
        self.changed = asyncio.Event()
        self.sending = asyncio.Lock()
        self.tokens = pusher.burst
        self.counted_at = asyncio.get_running_loop().time()

    async def run(self) -> None:
        async with asyncio.timeout(self.pusher.open_deadline):
            await self._receive_one()
        tasks = [asyncio.ensure_future(work()) for work in (self._receive, self._send, self._watch)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self) -> None:
        while True:
            await self._receive_one()

    async def _receive_one(self) -> None:
        message = await self.websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1005)
        self._count_message()
        text = message.get("text")
        if text is None:
            raise ProtocolError("binary messages are not read here", CLOSE_UNSUPPORTED)
        # the answers go out in the order of the changes they answer, before any segment of the new state
        async with self.sending:
            await self._put(self.side.receive(text))
        self.changed.set()

    def _count_message(self) -> None:
        now = asyncio.get_running_loop().time()
        refill = (now - self.counted_at) * self.pusher.messages_per_second
        self.tokens = min(self.pusher.burst, self.tokens + refill) - 1
        self.counted_at = now
        if self.tokens < 0:
            raise ProtocolError("too many messages")

    async def _send(self) -> None:
        while True:
            self.changed.clear()
            delivery = self.side.wanted()
            if delivery is None:
                await self.changed.wait()
                continue
            try:
                payload = await to_thread.run_sync(self.media.read, delivery.rung, delivery.row.gop)
            except BadInput as error:
                async with self.sending:
                    if delivery == self.side.wanted():
                        await self._put(self.side.fail("unreadable", error.message))
                continue
            async with self.sending:
                messages = self.side.deliver(delivery, payload)
                self.pusher.counters["segments_stale" if not messages else "segments_sent"] += 1
                await self._put(messages)

    async def _watch(self) -> None:
        """Tell the client when a growing file has grown; ends with the file's completion."""
        while not self.side.complete:
            await asyncio.sleep(self.pusher.poll)
            if await to_thread.run_sync(self.media.refresh):
                async with self.sending:
                    await self._put(self.side.grow(self.media.rungs, complete=self.media.complete))
                self.changed.set()

    async def _put(self, messages: list[str | bytes]) -> None:
        for message in messages:
            async with asyncio.timeout(self.pusher.send_deadline):
                if isinstance(message, str):
                    await self.websocket.send_text(message)
                else:
                    await self.websocket.send_bytes(message)
                    self.pusher.counters["bytes_pushed"] += len(message)


def origin_allowed(websocket: WebSocket, allowed: tuple[str, ...]) -> bool:
    """No Origin (not a browser), the page's own host, or one that was allowed by name."""
    origin = websocket.headers.get("origin")
    if origin is None or origin in allowed:
        return True
    return urlsplit(origin).netloc.lower() == websocket.headers.get("host", "").lower() != ""


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    if websocket.client_state is WebSocketState.CONNECTED:
        await websocket.close(code, reason.encode()[:120].decode(errors="ignore"))
