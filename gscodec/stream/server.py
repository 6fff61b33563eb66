"""The server: player page or catalogue, files by HTTP Range, push over websocket, health and counters."""

from __future__ import annotations

import mimetypes
import sys
from collections import Counter
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from anyio import to_thread
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from gscodec.base.errors import BadInput
from gscodec.stream import page
from gscodec.stream.media import open_media
from gscodec.stream.options import ServeOptions
from gscodec.stream.push import Pusher
from gscodec.stream.ranges import Unsatisfiable, choose_slice
from gscodec.stream.shelf import OpenFile, ServedFile, scan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from gscodec.stream.media import Media

__all__ = ["make_app", "run", "serve"]

READ_BYTES = 1 << 18
CSP = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
    "connect-src 'self' ws: wss:; img-src 'self' data: blob:; media-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'none'"
)


class _App:
    """The routes of one server and what they share."""

    def __init__(
        self, paths: Iterable[str | Path], options: ServeOptions, opener: Callable[[ServedFile], Media]
    ) -> None:
        self.options = options
        self.shelf = scan(paths)
        self.counters: Counter[str] = Counter()
        self.static = {p.name: p for p in sorted(options.web.iterdir())} if options.web.is_dir() else {}
        self.pusher = Pusher(
            self.shelf, opener, options.allow_origin, self.counters, options.websockets_per_address
        )

    def starlette(self) -> Starlette:
        methods = ["GET", "HEAD"]
        app = Starlette(
            routes=[
                Route("/", self.root, methods=methods),
                Route("/healthz", self.healthz, methods=methods),
                Route("/metrics", self.metrics, methods=methods),
                Route("/config.json", self.config, methods=methods),
                Route("/watch/config.json", self.config, methods=methods),
                Route("/watch/{name}", self.watch, methods=methods),
                Route("/v/{file}", self.video, methods=["GET", "HEAD", "OPTIONS"]),
                WebSocketRoute("/ws/{name}", self.pusher.endpoint),
                Route("/{asset}", self.asset, methods=methods),
            ]
        )
        app.router.redirect_slashes = False
        app.add_middleware(_SecurityHeaders, allowed=frozenset(self.options.allow_origin))
        return app

    async def root(self, request: Request) -> Response:
        if len(self.shelf) == 1:
            return await self._player(request)
        return HTMLResponse(page.catalogue(self.shelf.values()), headers={"cache-control": "no-cache"})

    async def healthz(self, request: Request) -> Response:
        # the guide page of --lan asks across origins whether this server's certificate is trusted
        headers = {"cache-control": "no-store", "cross-origin-resource-policy": "cross-origin"}
        return PlainTextResponse("ok\n", headers=headers)

    async def metrics(self, request: Request) -> Response:
        self.counters["websockets_now"] = sum(self.pusher.connections.values())
        lines = [
            f"# TYPE gscodec_{name} {'gauge' if name.endswith('_now') else 'counter'}\ngscodec_{name} {value}\n"
            for name, value in sorted(self.counters.items())
        ]
        return PlainTextResponse("".join(lines), media_type="text/plain; version=0.0.4")

    async def config(self, request: Request) -> Response:
        files = [
            {
                "name": file.name,
                "title": file.title,
                "src": f"/v/{quote(file.name, safe='')}.gsv",
                "ws": f"/ws/{quote(file.name, safe='')}",
            }
            for file in self.shelf.values()
        ]
        return JSONResponse({"files": files}, headers={"cache-control": "no-cache"})

    async def watch(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name in self.static and name != "index.html":  # what index.html asks for relative to itself
            return await self._static(request, name)
        return await self._player(request) if name in self.shelf else _not_found()

    async def asset(self, request: Request) -> Response:
        name = request.path_params["asset"]
        if name == "favicon.ico" and name not in self.static:  # browsers ask for it unbidden
            return Response(status_code=204)
        return await self._static(request, name) if name in self.static else _not_found()

    async def video(self, request: Request) -> Response:
        served = self.shelf.get(request.path_params["file"].removesuffix(".gsv"))
        if served is None or not request.path_params["file"].endswith(".gsv"):
            return _not_found()
        if request.method == "OPTIONS":
            return Response(status_code=204)
        try:
            opened = await to_thread.run_sync(served.open)
        except BadInput as error:
            return PlainTextResponse(f"{error.message}\n", 404)
        self.counters["http_requests"] += 1
        return self._ranged(request, opened, "application/octet-stream")

    async def _player(self, request: Request) -> Response:
        if "index.html" in self.static:
            return await self._static(request, "index.html")
        body = "<p>This installation lacks its player. In a checkout: <code>make player</code>.</p>"
        return HTMLResponse(page.note("The player is not built", body), 503)

    async def _static(self, request: Request, name: str) -> Response:
        opened = await to_thread.run_sync(ServedFile(name, self.static[name]).open)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return self._ranged(request, opened, "text/javascript" if name.endswith(".js") else kind)

    def _ranged(self, request: Request, opened: OpenFile, media_type: str) -> Response:
        headers = {
            "accept-ranges": "bytes",
            "last-modified": formatdate(opened.modified, usegmt=True),
            "cache-control": "no-store" if opened.growing else "no-cache",
        }
        if opened.etag is not None:
            headers["etag"] = opened.etag
            if opened.etag in [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]:
                opened.handle.close()
                return Response(status_code=304, headers=headers)
        try:
            asked = request.headers.get("range")
            part = choose_slice(opened.size, asked, request.headers.get("if-range"), opened.etag)
        except Unsatisfiable:
            opened.handle.close()
            headers["content-range"] = f"bytes */{opened.size}"
            return PlainTextResponse("range not satisfiable\n", 416, headers)
        headers["content-length"] = str(part.stop - part.start)
        if part.partial:
            headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{opened.size}"
        status = 206 if part.partial else 200
        if request.method == "HEAD":
            opened.handle.close()
            return Response(status_code=status, headers=headers, media_type=media_type)
        body = self._read(opened, part.start, part.stop)
        return _ClosingResponse(opened, body, status, headers, media_type)

    async def _read(self, opened: OpenFile, start: int, stop: int) -> AsyncIterator[bytes]:
        opened.handle.seek(start)
        while start < stop:
            data = await to_thread.run_sync(opened.handle.read, min(READ_BYTES, stop - start))
            if not data:  # cut short while being served: the length promised cannot be kept
                raise BadInput("file shrank while it was served", file=opened.handle.name)
            start += len(data)
            self.counters["http_bytes"] += len(data)
            yield data


class _ClosingResponse(StreamingResponse):
    """A stream that closes its file however it ends: done, client gone, or never begun."""

    def __init__(
        self,
        opened: OpenFile,
        body: AsyncIterator[bytes],
        status: int,
        headers: dict[str, str],
        media_type: str,
    ) -> None:
        super().__init__(body, status, headers, media_type)
        self.opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.opened.handle.close()


class _SecurityHeaders:
    """ASGI middleware: the same protective headers on every answer, CORS for origins allowed by name."""

    def __init__(self, app: ASGIApp, allowed: frozenset[str]) -> None:
        self.app = app
        self.allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Headers(scope=scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add(MutableHeaders(scope=message), scope, request)
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _add(self, headers: MutableHeaders, scope: Scope, request: Headers) -> None:
        headers["content-security-policy"] = CSP
        headers["x-content-type-options"] = "nosniff"
        headers["referrer-policy"] = "no-referrer"
        headers.setdefault("cross-origin-resource-policy", "cross-origin" if self.allowed else "same-origin")
        host = request.get("host", "").rsplit(":", 1)[0]
        if scope["scheme"] == "https" or host in ("localhost", "127.0.0.1", "[::1]"):
            headers["cross-origin-opener-policy"] = (
                "same-origin"  # elsewhere browsers ignore it, with a warning
            )
        if self.allowed:
            headers.append("vary", "Origin")
        origin = request.get("origin")
        if origin in self.allowed:
            headers["access-control-allow-origin"] = str(origin)
            headers["access-control-allow-headers"] = "Range, If-Range"
            headers["access-control-expose-headers"] = "Content-Range, ETag, Accept-Ranges, Content-Length"


def _not_found() -> Response:
    return PlainTextResponse("not found\n", 404)


def make_app(
    paths: Iterable[str | Path],
    options: ServeOptions = ServeOptions(),
    *,
    opener: Callable[[ServedFile], Media] = open_media,
) -> Starlette:
    """The ASGI app that serves `paths`; raises Misuse where there is nothing to serve."""
    return _App(paths, options, opener).starlette()


def run(paths: Sequence[str | Path], options: ServeOptions = ServeOptions()) -> int:
    """Serve `paths` until SIGINT or SIGTERM; returns the exit code (0)."""
    from gscodec.stream.listen import bind, configure, serve_until_stopped

    app = make_app(paths, options)
    if options.lan:
        from gscodec.stream import lan

        return lan.run(app, options)
    listener = bind(options.host, options.port)
    port = listener.getsockname()[1]
    if options.port and port != options.port:
        print(f"Port {options.port} is in use: using {port}.", file=sys.stderr)
    host = options.host if ":" not in options.host else f"[{options.host}]"
    if not options.quiet:
        print(f"http://{host}:{port}/", flush=True)
        print("Ctrl-C stops.", file=sys.stderr)
    serve_until_stopped([(configure(app, options.header_deadline, options.per_address), listener)])
    return 0


serve = run
