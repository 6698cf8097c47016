"""HTTP on 127.0.0.1: from bytes to request values, from replies to bytes.

Rules:

1. It answers only requests for a loopback name: a page elsewhere whose name was rebound to this
   machine gets nothing (421).
2. Nothing that a client sends is logged. A body is read up to 64 KiB, an idle connection is closed.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RD, socket
from socketserver import BaseServer, TCPServer
from typing import ClassVar, Final, Literal, TypeAlias, assert_never, final
from urllib.parse import parse_qsl

from grantflow.core.client.provider import endpoint_problem
from grantflow.core.values.pairs import Pairs
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply, Response
from grantflow.core.values.secret import Secret

LARGEST_BODY: Final = 64 * 1024
IDLE_SECONDS: Final = 30.0

_log: Final = logging.getLogger("grantflow")


@final
class Listener(ThreadingHTTPServer):
    """The listening socket, and a thread for each connection."""

    daemon_threads = True
    request_queue_size = 128
    # On Windows this option would let another process share the port.
    allow_reuse_address: bool = sys.platform != "win32"

    def __init__(
        self, reply: Callable[[Request], Reply], stopping: threading.Event, port: int
    ) -> None:
        self._connections: dict[threading.Thread, _Socket] = {}
        super().__init__(("127.0.0.1", port), partial(Connection, reply, stopping))

    def server_bind(self) -> None:
        """Bind the port, without asking a resolver for this machine's name as the base does."""
        TCPServer.server_bind(self)
        self.server_name: str = "127.0.0.1"
        self.server_port: int = self.socket.getsockname()[1]

    def process_request(self, request: _Socket, client_address: object) -> None:
        """Give a connection its thread, and remember both for the end."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        alive = {each: at for each, at in self._connections.items() if each.is_alive()}
        self._connections = alive | {thread: request}
        thread.start()

    def handle_error(self, request: _Socket, client_address: object) -> None:  # noqa: ARG002
        """Say where it went wrong, and not what was said: a message may quote a secret."""
        error = sys.exception()
        if error is None or isinstance(error, OSError):
            return  # the client went away
        frames = "".join(traceback.format_tb(error.__traceback__))
        _log.error("the loopback server failed: %s\n%s", type(error).__name__, frames)

    def stop(self) -> None:
        """Accept nothing any more, let every thread finish its answer, and wait for them."""
        self.shutdown()
        for connection in self._connections.values():
            if isinstance(connection, socket):
                with suppress(OSError):  # closed already
                    connection.shutdown(SHUT_RD)
        for thread in self._connections:
            thread.join(_STOP_SECONDS)
        self.server_close()


_Socket: TypeAlias = socket | tuple[bytes, socket]
_STOP_SECONDS: Final = 2.0


@final
class Connection(BaseHTTPRequestHandler):
    """One client's connection: from HTTP to request values, from replies to HTTP."""

    protocol_version = "HTTP/1.1"
    server_version = "grantflow"
    sys_version = ""
    timeout: ClassVar[float | None] = IDLE_SECONDS
    # Headers and body are two writes, and the second would wait 40 ms to be acknowledged.
    disable_nagle_algorithm = True
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"

    def __init__(
        self,
        reply: Callable[[Request], Reply],
        stopping: threading.Event,
        request: socket,
        client_address: object,
        server: BaseServer,
    ) -> None:
        self._reply = reply
        self._stopping = stopping
        super().__init__(request, client_address, server)

    def do_GET(self) -> None:
        """Answer a GET."""
        self._exchange("GET")

    def do_HEAD(self) -> None:
        """Answer like a GET, but for the body."""
        self._exchange("GET")

    def do_POST(self) -> None:
        """Answer a POST."""
        self._exchange("POST")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing: a request line may hold a code."""

    def _exchange(self, method: Literal["GET", "POST"]) -> None:
        body = self._body()
        if body is None:
            return
        hosts = self.headers.get_all("Host", [])
        # The one rule for endpoints holds here as well: http is for loopback only.
        if len(hosts) != 1 or endpoint_problem(f"http://{hosts[0]}") is not None:
            self.send_error(421, "Ask for 127.0.0.1 or localhost")
            return
        if not self.path.startswith("/"):
            self.send_error(400, "Ask for a path")
            return
        media = self.headers.get_content_type()
        form = _pairs(media, body) if method == "POST" and body else ()
        if form is None:
            self._send(_UNREADABLE)
            return
        headers = tuple(
            (name, Secret(value) if name.lower() in _SECRET_HEADERS else value)
            for name, value in self.headers.items()
        )
        encoding: Literal["form", "json"] = "json" if media == "application/json" else "form"
        url = f"http://{hosts[0]}{self.path}"
        match self._reply(Request(url, form, headers, encoding, method)):
            case Response() as response:
                self._send(response)
            case Fault():
                self.close_connection = True
            case other:
                assert_never(other)

    def _body(self) -> bytes | None:
        """Return the body, or ``None`` where there is none to be had and the client knows."""
        announced = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers:
            self.send_error(411)
            return None
        if not (announced.isascii() and announced.isdigit()):
            self.send_error(400, "Content-Length is no number")
            return None
        if len(announced) > _DIGITS or int(announced) > LARGEST_BODY:
            self.send_error(413, "A body of more than 64 KiB")
            # Closing over unread bytes resets the connection, and the answer is lost with it.
            self.rfile.read(min(int(announced[:_DIGITS]), _HEARD_OUT))
            return None
        body = self.rfile.read(int(announced))
        if len(body) < int(announced):
            self.close_connection: bool = True
            return None
        return body

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        length = {"content-length": str(len(response.body))}
        # A script may say anything; HTTP must still hold together.
        for name, value in (dict(response.headers) | length).items():
            self.send_header(name, value)
        if self._stopping.is_set():
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)


_DIGITS: Final = 9
_HEARD_OUT: Final = 1024 * 1024
_SECRET_HEADERS: Final = frozenset({"authorization", "cookie"})
_SECRET_PARAMETERS: Final = frozenset(
    {"client_assertion", "client_secret", "device_code", "refresh_token", "token"}
)
_UNREADABLE: Final = Response(
    400,
    {"Content-Type": "application/json", "Cache-Control": "no-store"},
    b'{"error": "invalid_request", "error_description": "neither a form nor a JSON object"}',
)


def _pairs(media: str, body: bytes) -> Pairs | None:
    """Read parameters; one without a value counts as omitted (RFC 6749 section 3.1)."""
    match media:
        case "application/x-www-form-urlencoded":
            return _guarded(parse_qsl(body.decode("utf-8", "replace")))
        case "application/json":
            return _guarded(_members(body))
        case _:
            return None


def _guarded(pairs: list[tuple[str, str]] | None) -> Pairs | None:
    if pairs is None:
        return None
    return tuple(
        (name, Secret(text) if name in _SECRET_PARAMETERS else text) for name, text in pairs
    )


def _members(body: bytes) -> list[tuple[str, str]] | None:
    """Read a JSON object of texts and lists of texts, the way ``Request.body()`` writes one."""
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    pairs: list[tuple[str, str]] = []
    for name, value in found.items():
        texts = value if isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in texts):
            return None
        pairs += [(name, text) for text in texts if text]
    return pairs
