"""Servers that say exactly what a test wants them to, byte for byte."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, TypeAlias, final

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

Speak: TypeAlias = Callable[[socket.socket, bytes], object]
"""What is done with a connection after a request came; the connection is kept for ``KEEP``."""

KEEP: Final = "keep"


@final
class Heard:
    """Where a server listens, and what came in, one entry for each connection."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connections: list[list[bytes]] = []

    @property
    def requests(self) -> list[bytes]:
        return [each for connection in self.connections for each in connection]


def whole_request(stream: socket.socket) -> bytes:
    data = b""
    while more := stream.recv(65536):
        data += more
        head, found, body = data.partition(b"\r\n\r\n")
        lengths = [
            line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        ]
        if data[:1] == b"\x16":  # a TLS client that came to the wrong door
            break
        if found and len(body) >= int(lengths[0].split(b":")[1] if lengths else 0):
            break
    return data


@contextmanager
def listening(
    speak: Speak, context: ssl.SSLContext | None = None, path: str = "/token"
) -> Iterator[Heard]:
    """A server that reads a request, then does what ``speak`` does."""
    server = socket.create_server(("127.0.0.1", 0))
    scheme = "http" if context is None else "https"
    heard = Heard(f"{scheme}://127.0.0.1:{server.getsockname()[1]}{path}")

    def talk(connection: socket.socket) -> None:
        with connection, suppress(OSError, ValueError):
            stream = connection if context is None else context.wrap_socket(connection, True)
            with stream:
                seen: list[bytes] = []
                heard.connections.append(seen)
                while request := whole_request(stream):
                    seen.append(request)
                    if speak(stream, request) != KEEP:
                        return

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


def saying(data: bytes) -> Speak:
    return lambda connection, _: connection.sendall(data)


def answering(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> Speak:
    """An answer, after which the connection is kept."""
    told = "".join(f"{each}\r\n" for each in headers)
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{told}\r\n"

    def speak(connection: socket.socket, _: bytes) -> str:
        connection.sendall(head.encode("latin-1") + body)
        return KEEP

    return speak


def dripping(before: bytes, drop: bytes, seconds: float) -> Speak:
    """A byte now and then, until the client has had enough or ``seconds`` are over."""

    def speak(connection: socket.socket, _: bytes) -> None:
        connection.sendall(before)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            connection.sendall(drop)
            time.sleep(0.05)

    return speak


BOMB: Final = gzip.compress(bytes(64 * 2**20), mtime=0)
"""64 MiB in 64 kB."""
