"""A server on loopback that says what it is told to, answer by answer, and keeps what it heard."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from ssl import SSLContext
from typing import TypeAlias, final
from urllib.parse import parse_qsl, urlsplit

from attrs import field, frozen

Body: TypeAlias = "Mapping[str, object] | list[object] | bytes"


@final
@frozen
class Says:
    """An answer; ``None`` as the status hangs up without one."""

    status: int | None
    body: Body = b""
    headers: dict[str, str] = field(factory=dict[str, str])


@final
@frozen
class Heard:
    method: str
    path: str
    host: str
    """Where a tunnel was asked to lead, if this was one."""
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> object:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


@final
class Wire:
    """The script: for each path the answers in order, the last one for ever.

    A function decides by what it hears, or holds the answer back.
    """

    def __init__(self, tls: SSLContext | None = None) -> None:
        self.heard: list[Heard] = []
        self._script: dict[str, list[Says | Callable[[Heard], Says]]] = {}
        self._lock = threading.Lock()
        self._scheme = "http" if tls is None else "https"
        self._server = _Server(("127.0.0.1", 0), partial(_Connection, self))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def script(self, path: str, answers: Iterable[Says | Callable[[Heard], Says]]) -> None:
        self._script[path] = list(answers)

    def at(self, path: str) -> list[Heard]:
        return [each for each in self.heard if each.path == path]

    def hear(self, heard: Heard) -> Says:
        with self._lock:
            self.heard.append(heard)
            answers = self._script.get(heard.path, [Says(404)])
            said = answers.pop(0) if len(answers) > 1 else answers[0]
        return said(heard) if callable(said) else said

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def wire(tls: SSLContext | None = None) -> Iterator[Wire]:
    made = Wire(tls)
    try:
        yield made
    finally:
        made.close()


@final
class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a process that ended hangs up
            super().handle_error(request, client_address)


@final
class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout: float | None = 10  # pyright: ignore[reportIncompatibleVariableOverride]
    disable_nagle_algorithm = True  # or every answer waits for the client's delayed ACK

    def __init__(
        self, wire: Wire, request: socket, address: object, server: ThreadingHTTPServer
    ) -> None:
        self._wire = wire
        super().__init__(request, address, server)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_POST(self) -> None:
        self._talk("POST")

    def do_GET(self) -> None:
        self._talk("GET")

    def do_CONNECT(self) -> None:
        self._talk("CONNECT")

    def _talk(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = urlsplit(self.path if method != "CONNECT" else f"//{self.path}/")
        headers = {name.lower(): value for name, value in self.headers.items()}
        said = self._wire.hear(
            Heard(method, parts.path, parts.netloc, dict(parse_qsl(parts.query)), headers, body)
        )
        if said.status is None:
            self.close_connection = True
            return
        text = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
        self.send_response(said.status)
        for name, value in {"Content-Length": str(len(text)), **said.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)
