"""A resource server on real sockets and a token source in virtual time, for the adapters."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import cast, final
from urllib.parse import parse_qs, urlsplit

from attrs import field, frozen

from grantflow import Client, ClientSecretBasic, Fault, MemoryStore, TokenSource
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply
from grantflow.shell.aio import AsyncTokenSource
from grantflow.testing import (
    AsyncVirtualClock,
    Script,
    Server,
    ServerTransport,
    VirtualClock,
)
from tests.support.blocking_async import Awaited, at_once

INVALID = 'Bearer realm="api", error="invalid_token"'
SCOPE = 'Bearer error="insufficient_scope", scope="write"'


@final
@frozen
class Seen:
    """A request as a resource server saw it, and what it answered."""

    where: str
    method: str
    path: str
    headers: dict[str, str] = field(repr=False)
    body: bytes
    status: int


@final
@frozen
class Said:
    status: int = 200
    headers: dict[str, str] = field(factory=dict[str, str])
    body: bytes = b"hello"


@final
class Resource:
    """A protected resource. What is asked of it is in the query of its URLs:

    ``open`` lets anybody in; ``say=STATUS`` and ``challenge=TEXT`` are the answer to whoever came
    in, ``refuse=STATUS`` to whoever did not; ``to=URL`` is the target of a redirect; ``cookie`` is
    set by every refusal.
    """

    def __init__(self, name: str, header: str, seen: list[Seen]) -> None:
        self.name = name
        self.header = header.lower()
        self.refused: set[str] = set()
        self.seen = seen
        self.connections: set[object] = set()
        self.before: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Connection, self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def hear(
        self, method: str, path: str, headers: dict[str, str], body: bytes, came: object
    ) -> Said:
        self.before()
        with self._lock:
            said = self._said(path, headers)
            self.connections.add(came)
            self.seen.append(
                Seen(self.name, method, urlsplit(path).path, headers, body, said.status)
            )
        return said

    def _said(self, path: str, headers: dict[str, str]) -> Said:
        asked = {
            name: values[0]
            for name, values in parse_qs(urlsplit(path).query, keep_blank_values=True).items()
        }
        credentials = headers.get(self.header)
        challenge = {"WWW-Authenticate": asked.get("challenge", INVALID)}
        if "cookie" in asked:
            challenge["Set-Cookie"] = f"{asked['cookie']}=set; Path=/"
        if "open" not in asked and (credentials is None or credentials in self.refused):
            return Said(int(asked.get("refuse", 401)), challenge, b"who?" * 1000)
        status = int(asked.get("say", 302 if "to" in asked else 200))
        extra = {"Location": asked["to"]} if "to" in asked else {}
        return Said(status, extra | (challenge if status == 401 or "challenge" in asked else {}))

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@final
class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(
        self, resource: Resource, request: socket, client: object, server: ThreadingHTTPServer
    ) -> None:
        self._resource = resource
        super().__init__(request, client, server)

    def do_GET(self) -> None:
        headers = {name.lower(): text for name, text in self.headers.items()}
        body = self._body()
        said = self._resource.hear(self.command, self.path, headers, body, self.client_address)
        self.send_response(said.status)
        for name, text in said.headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(said.body)))
        self.end_headers()
        self.wfile.write(said.body)

    def do_POST(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@final
class Stage:
    """A source of tokens, the server that issues them, and resource servers that take them."""

    def __init__(
        self,
        header: str = "Authorization",
        script: Script | None = None,
        awaits: str | None = None,
    ) -> None:
        self.clock = VirtualClock()
        self.issuer = ServerTransport(Server(script or Script()), self.clock)
        self.client = Client(
            provider=self.issuer.server.provider,
            client_id="app",
            authentication=ClientSecretBasic("s3cret-word"),
        )
        self.store = MemoryStore()
        self.down = False
        self.awaiting = self._awaiting()
        # The same source for those who cannot await.
        awaited = None if awaits is None else cast("TokenSource", Awaited(self.awaiting, awaits))
        self.source = awaited or self.another()
        self.header = header.lower()
        self.seen: list[Seen] = []
        self.api = Resource("api", header, self.seen)
        self.other = Resource("other", header, self.seen)

    def another(self) -> TokenSource:
        """A source over the same store."""
        return TokenSource(
            self.client,
            "client_credentials",
            store=self.store,
            transport=self._send,
            clock=self.clock,
            interactive=False,
        )

    def _awaiting(self) -> AsyncTokenSource:
        return AsyncTokenSource(
            self.client,
            "client_credentials",
            store=self.store,
            transport=at_once(self._send),
            clock=AsyncVirtualClock(self.clock),
            interactive=False,
        )

    def _send(self, request: Request) -> Reply:
        if self.down:
            return Fault("refused", "no", "down")
        return self.issuer(request)

    @property
    def issued(self) -> int:
        """How many tokens the server gave."""
        return self.issuer.server.counts.get("client_credentials", 0)

    def refuse(self, spelled: str = "Bearer {}") -> str:
        """Have the resource refuse the current token; returns its header."""
        text = spelled.format(self.source.token().access_token.reveal())
        self.api.refused.add(text)
        self.other.refused.add(text)
        return text

    def trace(self) -> list[tuple[str, str, str, int | None, int]]:
        """Every request: where, method, path, the number of its token, status."""
        told = self.bore()
        order = list(dict.fromkeys(text for text in told if text is not None))
        return [
            (
                each.where,
                each.method,
                each.path,
                None if text is None else order.index(text),
                each.status,
            )
            for each, text in zip(self.seen, told, strict=True)
        ]

    def bore(self) -> list[str | None]:
        """The header of each request, in order."""
        return [each.headers.get(self.header) for each in self.seen]

    def statuses(self) -> list[int]:
        return [each.status for each in self.seen]

    def close(self) -> None:
        self.api.close()
        self.other.close()


@contextmanager
def staged(
    header: str = "Authorization", script: Script | None = None, awaits: str | None = None
) -> Iterator[Stage]:
    """Give a stage; with ``awaits``, an event loop, its source is the one that awaits."""
    stage = Stage(header, script, awaits)
    try:
        yield stage
    finally:
        stage.close()
