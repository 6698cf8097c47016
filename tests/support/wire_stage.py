"""Scripted answers over HTTP on this machine, and what was asked: for wires that are no OAuth."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, final
from urllib.parse import parse_qs

from attrs import field, frozen


@final
@frozen
class Asked:
    """A request as it came; header names are lower case."""

    method: str
    target: str
    headers: dict[str, str] = field(repr=False)
    body: str = field(repr=False)

    @property
    def form(self) -> dict[str, str]:
        """The parameters of the body; a test that sends one twice looks at ``body``."""
        return {name: texts[0] for name, texts in parse_qs(self.body).items()}


@final
@frozen
class Said:
    """An answer; a body that is no text is sent as JSON. ``status`` 0 hangs up, -1 says nothing."""

    status: int = 200
    body: object = ""
    headers: dict[str, str] = field(factory=dict[str, str])


HANGS_UP: Final = Said(0)
SILENT: Final = Said(-1)
PENDING: Final = Said(400, {"error": "authorization_pending"})
TOKEN: Final = Said(200, {"access_token": "at-1", "expires_in": 60})


@final
class Wire:
    """Gives the answers in turn, and the last one for ever; ``asked`` is what came in."""

    def __init__(self, answers: tuple[Said, ...], before: Callable[[], None]) -> None:
        self.answers = list(answers)
        self.asked: list[Asked] = []
        self.before = before
        self.over = threading.Event()
        self.url = ""
        self._lock = threading.Lock()

    def answer(self, asked: Asked) -> Said:
        self.before()
        with self._lock:
            self.asked.append(asked)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@final
class _Handler(BaseHTTPRequestHandler):
    def __init__(self, wire: Wire, *arguments: object) -> None:
        self.wire = wire
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._exchange()

    def do_POST(self) -> None:
        self._exchange()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def _exchange(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        said = self.wire.answer(Asked(self.command, self.path, headers, body))
        if said.status < 0:
            self.wire.over.wait(60)
        if said.status <= 0:
            return
        text = said.body if isinstance(said.body, str) else json.dumps(said.body)
        self.send_response(said.status)
        for name, value in {"Content-Type": "application/json", **said.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())


@contextmanager
def wired(
    *answers: Said,
    before: Callable[[], None] = lambda: None,
    context: ssl.SSLContext | None = None,
) -> Iterator[Wire]:
    """A server that gives these answers; ``before`` is called first for every request."""
    wire = Wire(answers, before)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, wire))
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if context is None else "https"
    wire.url = f"{scheme}://127.0.0.1:{server.server_port}/token"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield wire
    finally:
        wire.over.set()
        server.shutdown()
        server.server_close()
        thread.join(60)
