"""The scripted authorization server on a port of this machine, with a page for a person.

``answer`` and ``visit`` decide; here are only one lock, the time, and a thread that listens.
"""

from __future__ import annotations

import secrets
import threading
from datetime import timedelta
from types import TracebackType
from typing import Self, final
from urllib.parse import urlsplit

from attrs import evolve

from grantflow.core.client.provider import Provider
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply
from grantflow.shell.clock import SystemClock
from grantflow.testing.clock import VirtualClock
from grantflow.testing.loopback import page
from grantflow.testing.loopback.http import Listener
from grantflow.testing.script import Script
from grantflow.testing.server.answer import answer, decided
from grantflow.testing.server.value import Server, SignIn, Verdict


def serve(
    server: Server | Script | None = None, *, port: int = 0, clock: VirtualClock | None = None
) -> Loopback:
    """Start a scripted server on ``port`` of this machine, by default any free one.

    Its time is real, unless ``clock`` is given; the script's latency is then not waited for. Its
    codes cannot be guessed, whatever the seed was. ``OSError`` if the port is taken.

    >>> from grantflow import Client, ClientCredentialsFlow, run
    >>> with serve() as loopback:
    ...     client = Client(provider=loopback.provider, client_id="app")
    ...     type(run(ClientCredentialsFlow(client))).__name__
    'Authorized'
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"port: a number from 0 to 65535 is needed, not {port}")
    started = Server(server) if isinstance(server, Script) else server or Server()
    return Loopback(started, port, clock)


@final
class Loopback:
    """A server that runs until ``close()``, or until the end of a ``with`` block."""

    def __init__(self, server: Server, port: int, clock: VirtualClock | None) -> None:
        self._clock = clock or SystemClock()
        now = self._clock.now()
        self._started = timedelta() if clock else now.mono
        self._half = timedelta() if clock else server.script.latency / 2
        self._lock = threading.Lock()
        self._key = secrets.token_urlsafe(32)
        self._requests = 0
        self._stopping = threading.Event()
        self._listener = Listener(self._reply, self._stopping, port)
        self._server = evolve(
            server,
            issuer=f"http://127.0.0.1:{self._listener.server_port}",
            epoch=now.wall - (now.mono - self._started),
            seed=secrets.token_hex(),
        )
        self._thread = threading.Thread(
            target=self._listener.serve_forever,
            # How long close() may take; serve_forever asks that often whether it shall stop.
            kwargs={"poll_interval": 0.05},
            name="grantflow-loopback",
            daemon=True,
        )
        self._thread.start()

    @property
    def issuer(self) -> str:
        """Return its address: ``http://127.0.0.1:PORT``."""
        return self._server.issuer

    @property
    def provider(self) -> Provider:
        """Return this server as a provider, for a ``Client``."""
        return self._server.provider

    @property
    def server(self) -> Server:
        """Return the server as it is now."""
        return self._server

    @property
    def requests(self) -> int:
        """Return how many requests came in, those for pages included."""
        return self._requests

    def approve(self, user_code: str, *, person: str | None = None) -> None:
        """Approve as ``person``, by default the script's; ``LookupError`` if none waits for it."""
        self._decide(user_code, "approved", person)

    def deny(self, user_code: str) -> None:
        """Deny; ``LookupError`` if no sign-in waits under this code."""
        self._decide(user_code, "denied", None)

    def close(self) -> None:
        """Stop: finish what is being answered, close every connection. Safe to call twice."""
        self._stopping.set()
        self._listener.stop()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _at(self) -> timedelta:
        return self._clock.now().mono - self._started

    def _decide(self, user_code: str, verdict: Verdict, person: str | None) -> None:
        with self._lock:
            found = page.waiting(self._server, user_code, self._at())
            if not isinstance(found, SignIn):
                raise LookupError(f"user_code: no sign-in waits under {user_code!r}: {found}")
            self._server = decided(self._server, user_code, verdict, person)

    def _reply(self, request: Request) -> Reply:
        self._stopping.wait(self._half.total_seconds())
        with self._lock:
            self._requests += 1
            self._server, reply = self._answered(request)
        self._stopping.wait(self._half.total_seconds())
        return reply

    def _answered(self, request: Request) -> tuple[Server, Reply]:
        match urlsplit(request.url).path, request.method:
            case "/", "GET":
                return self._server, page.front(self._server.issuer)
            case "/activate", _:
                return page.visit(self._server, request, self._at(), key=self._key)
            case _:
                return answer(self._server, request, self._at())
