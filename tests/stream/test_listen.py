"""What guards the listening socket: deadlines, limits, ports."""

from __future__ import annotations

import socket
from collections.abc import Callable

from gscodec.stream.listen import BackgroundServer, bind

Serve = Callable[..., BackgroundServer]
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def join(server: BackgroundServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def read_to_end(client: socket.socket) -> bytes:
    """All bytes until the server closes; a reset counts as closing."""
    got = b""
    try:
        while data := client.recv(4096):
            got += data
    except ConnectionResetError:
        pass
    return got


def answer(client: socket.socket) -> bytes:
    """The answer to REQUEST, to the end of its body."""
    got = b""
    while not got.endswith(b"\r\n\r\nok\n"):
        data = client.recv(4096)
        assert data, got
        got += data
    return got


def test_silent_and_dribbling_clients_are_dropped_at_the_deadline(serve: Serve) -> None:
    server = serve(header_deadline=0.3)
    silent, dribbling = join(server), join(server)
    dribbling.sendall(REQUEST[:-2])
    assert read_to_end(silent) == b""
    assert read_to_end(dribbling) == b""


def test_the_deadline_holds_for_the_second_request_too(serve: Serve) -> None:
    client = join(serve(header_deadline=0.3))
    client.sendall(REQUEST + REQUEST[:10])
    assert read_to_end(client).count(b"200 OK") == 1


def test_requests_within_the_deadline_share_a_connection(serve: Serve) -> None:
    client = join(serve())
    for _ in range(3):
        client.sendall(REQUEST)
        assert b"200 OK" in answer(client)
    client.close()


def test_connections_beyond_the_limit_of_an_address_are_dropped(serve: Serve) -> None:
    server = serve(per_address=2)
    kept = [join(server) for _ in range(2)]
    for client in kept:
        client.sendall(REQUEST)
        assert b"200 OK" in answer(client)
    assert read_to_end(join(server)) == b""
    for client in kept:
        client.close()


def test_an_oversize_head_is_refused(serve: Serve) -> None:
    client = join(serve())
    client.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000)
    assert b"200 OK" not in read_to_end(client)


def test_a_port_in_use_gives_the_next_one() -> None:
    first = bind("127.0.0.1", 0)
    port = first.getsockname()[1]
    second = bind("127.0.0.1", port)
    assert second.getsockname()[1] > port
    first.close()
    second.close()
