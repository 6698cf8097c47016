"""All that a test of an application needs: a server, a person, a clock and a ready client.

Rules:

1. The person is told beforehand what to do, or while they are asked (in the prompt or the watch):
   in virtual time a sign-in is over before anybody else could act.
2. Nothing is sent. A request to an endpoint that is not played is the test's mistake, and raises
   what no ``except Exception`` takes for trouble on the network.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Final, final
from urllib.parse import urlsplit

from attrs import evolve

from grantflow.core.client.client import Client
from grantflow.core.client.provider import Provider
from grantflow.core.flows.client_credentials import ClientCredentialsFlow
from grantflow.core.flows.device import DeviceFlow
from grantflow.core.flows.states import Authorized, DeviceState, Failed, Pending, SlowDown
from grantflow.core.values.errors import Denied
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply
from grantflow.core.values.token import DeviceAuthorization
from grantflow.shell.blocking import run
from grantflow.shell.ports import Transport
from grantflow.shell.sources.blocking import TokenSource
from grantflow.shell.stores import MemoryStore
from grantflow.testing.asynchronous import AsyncVirtualClock
from grantflow.testing.clock import VirtualClock
from grantflow.testing.script import Outage, Script
from grantflow.testing.server import Server
from grantflow.testing.simulation import ServerTransport


class NotPlayedError(BaseException):
    """A request went to an endpoint that the test does not play; like a failed test, not caught."""


@final
class ScriptedServer:
    """A server in this process, and the person at its page, who approves at once unless told.

    An application takes ``source``, or ``client`` with ``transport`` and ``clock``; an asynchronous
    one ``async_transport`` and ``async_clock``. ``shown`` keeps the codes that ``source`` showed,
    ``requests`` what was sent. Time starts now, unless ``clock`` says otherwise.

    >>> server = ScriptedServer()
    >>> server.approve(after=timedelta(seconds=12))
    >>> server.source.token().token_type, len(server.clock.slept)
    ('Bearer', 3)
    """

    def __init__(self, script: Script | None = None, *, clock: VirtualClock | None = None) -> None:
        self.clock: VirtualClock = clock or VirtualClock(wall=datetime.now(UTC))
        self.async_clock: AsyncVirtualClock = AsyncVirtualClock(self.clock)
        self.shown: list[DeviceAuthorization] = []
        self.requests: list[Request] = []
        now = self.clock.now()
        started = Server(script or Script(approve_after=timedelta()), epoch=now.wall - now.mono)
        self._transport = ServerTransport(started, self.clock)
        self._played: dict[str, str] = {}
        self._lock = threading.Lock()
        self.client: Client = Client(provider=self.provider, client_id="my-app", scope="read")
        self.source: TokenSource = TokenSource(
            self.client,
            store=MemoryStore(),
            transport=self.transport,
            clock=self.clock,
            prompt=self.shown.append,
        )

    @property
    def server(self) -> Server:
        """Return the server as it is now; ``server.counts`` tells what it was asked for."""
        return self._transport.server

    @property
    def script(self) -> Script:
        """What the server and the person do; the methods below change it, or set another."""
        return self.server.script

    @script.setter
    def script(self, script: Script) -> None:
        with self._lock:
            self._transport.server = evolve(self._transport.server, script=script)

    @property
    def issuer(self) -> str:
        """Return where it stands; its metadata is there as well."""
        return self.server.issuer

    @property
    def provider(self) -> Provider:
        """Return this server as a provider, for a client of the application's own."""
        return self.server.provider

    def transport(self, request: Request, /) -> Reply:
        """Answer a request: a ``Transport``. ``NotPlayedError`` at an unknown endpoint."""
        path, asked = self._played.get(request.url), request
        if path is not None:
            asked = evolve(request, url=self.issuer + path)
        elif not request.url.startswith(f"{self.issuer}/"):
            where = urlsplit(request.url)._replace(query="", fragment="").geturl()
            raise NotPlayedError(
                f"nothing plays {where} in this test: give the application the scripted server's"
                " provider, or tell the server to play yours: plays(provider)"
            )
        with self._lock:
            self.requests.append(request)
            return self._transport(asked)

    async def async_transport(self, request: Request, /) -> Reply:
        """Answer a request: an ``AsyncTransport``, on any event loop."""
        return self.transport(request)

    def plays(self, provider: Provider) -> None:
        """Answer at the endpoints of ``provider`` as well.

        ``ValueError`` where it spells its answers in a way that this server does not: then give
        the application ``provider`` of this server in its place.
        """
        played = _endpoints(provider)
        if not _understands(provider, played):
            raise ValueError(
                f"provider: {provider.name!r} has a spelling of its own, which the scripted server"
                " does not speak; give the application the scripted server's provider instead"
            )
        self._played |= played

    def approve(self, *, after: timedelta = timedelta()) -> None:
        """Have the person say yes, so long after the code was issued."""
        self.script = evolve(self.script, approve_after=after, deny_after=None)

    def deny(self, *, after: timedelta = timedelta()) -> None:
        """Have the person say no, so long after the code was issued."""
        self.script = evolve(self.script, approve_after=None, deny_after=after)

    def expire(self, *, after: timedelta | None = None) -> None:
        """Have the person stay away until the code ran out; ``after`` is the life of new codes."""
        lifetime = self.script.lifetime if after is None else after
        self.script = evolve(self.script, approve_after=None, deny_after=None, lifetime=lifetime)

    def slow_down(self, times: int = 1) -> None:
        """Answer the first polls of each code with ``slow_down``; each adds 5 s to the interval."""
        self.script = evolve(self.script, slow_downs=times)

    def fail(self, lasting: timedelta, reply: Reply | None = None) -> None:
        """Answer nothing but ``reply`` from now on, for so long; by default requests time out."""
        now = self.clock.now().mono
        outage = Outage(now, now + lasting, reply or Fault("timeout", "maybe", "scripted outage"))
        self.script = evolve(self.script, outages=(*self.script.outages, outage))


def _endpoints(provider: Provider) -> dict[str, str]:
    aliases = dict(provider.mtls_endpoint_aliases)
    named = {
        "token_endpoint": (provider.token_endpoint, "/token"),
        "poll_endpoint": (provider.poll_endpoint, "/token"),
        "refresh_endpoint": (provider.refresh_endpoint, "/token"),
        "device_authorization_endpoint": (provider.device_authorization_endpoint, "/device"),
        "revocation_endpoint": (provider.revocation_endpoint, "/revoke"),
        "introspection_endpoint": (provider.introspection_endpoint, "/introspect"),
        "userinfo_endpoint": (provider.userinfo_endpoint, "/userinfo"),
    }
    found = [
        (url, path)
        for name, (standard, path) in named.items()
        for url in (standard, aliases.get(name))
    ]
    return {url: path for url, path in found if url is not None}


_VERIFIER: Final = "a" * 43
"""Long enough for RFC 7636 section 4.1, and only used to try."""


def _understands(provider: Provider, played: dict[str, str]) -> bool:
    """Tell by trying whether a client of ``provider`` takes the scripted answers as they are."""
    if provider.flow != "device":
        return False
    client = Client(provider=provider, client_id="app")
    if provider.device_authorization_endpoint is None:
        flow = ClientCredentialsFlow(client)
        return isinstance(run(flow, *_stage(Script(), played)), Authorized)
    signing_in = DeviceFlow(client, verifier=_VERIFIER if provider.pkce else None)
    states: list[DeviceState] = []
    yes = Script(approve_after=timedelta(seconds=12), slow_downs=1)
    end = run(signing_in, *_stage(yes, played), states.append)
    waits = [state for state in states if isinstance(state, (Pending, SlowDown))]
    understood = all(state.faults == 0 for state in waits) and any(
        isinstance(state, SlowDown) for state in waits
    )
    no = Script(deny_after=timedelta())
    denied = run(signing_in, *_stage(no, played))
    return (
        understood
        and isinstance(end, Authorized)
        and isinstance(denied, Failed)
        and isinstance(denied.error, Denied)
    )


def _stage(script: Script, played: dict[str, str]) -> tuple[Transport, VirtualClock]:
    clock = VirtualClock()
    transport = ServerTransport(Server(script), clock)
    issuer = transport.server.issuer

    def send(request: Request) -> Reply:
        path = played.get(request.url)
        if path is None:
            return Fault("other", "no", "an endpoint of a kind that is not played")
        return transport(evolve(request, url=issuer + path))

    return send, clock
