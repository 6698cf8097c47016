"""All that a test of an application needs: a server, a person, a clock and a ready client.

Rules:

1. The person is told beforehand what to do, or while they are asked (in the prompt or the watch):
   in virtual time a sign-in is over before anything else could act.
2. Nothing is sent. A request to an endpoint that is not played is the test's mistake, and raises
   what no ``except Exception`` takes for trouble on the network.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias, final
from urllib.parse import urlsplit

from attrs import evolve

from grantflow.core.client.client import Client
from grantflow.core.client.provider import Provider
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply
from grantflow.core.values.token import DeviceAuthorization
from grantflow.shell.sources.blocking import TokenSource
from grantflow.shell.stores import MemoryStore
from grantflow.testing.asynchronous import AsyncVirtualClock
from grantflow.testing.clock import VirtualClock
from grantflow.testing.dialect.translator import Translator, played_urls
from grantflow.testing.script import Endpoint, Outage, Script
from grantflow.testing.server.answer import answer, endpoint_of
from grantflow.testing.server.value import Server

Hook: TypeAlias = Callable[[Request, Reply], Reply | None]
"""Takes a request and the server's reply, and returns another reply, or ``None`` to keep it."""


class PlayError(BaseException):
    """A mistake of the test: an endpoint that it does not play, or a hook that raised.

    Like pytest's own failures it is no ``Exception``, so nothing takes it for a network error.
    """


@final
class ScriptedServer:
    """A server in this process, and the person at its page, who approves at once by default.

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
        self._server = Server(
            script or Script(approve_after=timedelta()), epoch=now.wall - now.mono
        )
        self._translators: list[Translator] = []
        self._hooks: list[tuple[Endpoint | None, Hook]] = []
        self._lock = threading.RLock()
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
        """Return the server as it is now; ``server.counts`` is how often it was asked for what."""
        return self._server

    @property
    def script(self) -> Script:
        """What the server and the person do; the methods below change it, or set another."""
        return self._server.script

    @script.setter
    def script(self, script: Script) -> None:
        with self._lock:
            kept = zip(self.script.outages, script.outages, strict=False)
            same = {place for place, (old, new) in enumerate(kept) if old is new}
            used = {at: n for at, n in self._server.outages_used.items() if at in same}
            self._server = evolve(self._server, script=script, outages_used=used)

    @property
    def issuer(self) -> str:
        """Return its address; its metadata is there as well."""
        return self._server.issuer

    @property
    def provider(self) -> Provider:
        """Return this server as a provider, for a client of the application's own."""
        return self._server.provider

    def transport(self, request: Request, /) -> Reply:
        """Answer a request: a ``Transport``. ``PlayError`` at an unknown endpoint."""
        translator = next((each for each in self._translators if each.plays(request)), None)
        if translator is None and not request.url.startswith(f"{self.issuer}/"):
            where = urlsplit(request.url)._replace(query="", fragment="").geturl()
            raise PlayError(
                f"nothing plays {where} in this test: give the application the scripted server's"
                " provider, or let the server play yours: plays(provider)"
            )
        with self._lock:
            self.requests.append(request)
            half = self.script.latency / 2
            self.clock.advance(half)
            if translator is None:
                reply = self._answer(request)
            else:
                reply = translator.exchange(request, lambda: self._server, self.clock, self._answer)
            self.clock.advance(half)
        return reply

    async def async_transport(self, request: Request, /) -> Reply:
        """Answer a request: an ``AsyncTransport``, on any event loop."""
        return self.transport(request)

    def plays(self, provider: Provider) -> None:
        """Answer at the endpoints of ``provider`` as well, in the format of its own answers."""
        translator = Translator(provider)
        with self._lock:
            self._translators.insert(0, translator)
            names = self._server.known_as | played_urls(provider)
            registers = provider.registration_endpoint is not None
            script = evolve(self.script, registration=self.script.registration or registers)
            self._server = evolve(self._server, script=script, known_as=names)

    def answers(self, hook: Hook, *, endpoint: Endpoint | None = None) -> None:
        """Let ``hook(request, reply)`` replace replies, at ``endpoint`` or everywhere.

        It sees the server's own reply, and returns another one, or ``None`` to keep it. Hooks
        are asked in the order in which they were set.
        """
        with self._lock:
            self._hooks.append((endpoint, hook))

    def approve(self, *, after: timedelta = timedelta(), person: str | None = None) -> None:
        """Approve new sign-ins ``after`` the code was issued, as ``person`` from now on."""
        who = self.script.person if person is None else person
        self.script = evolve(self.script, approve_after=after, deny_after=None, person=who)

    def deny(self, *, after: timedelta = timedelta()) -> None:
        """Deny new sign-ins ``after`` the code was issued."""
        self.script = evolve(self.script, approve_after=None, deny_after=after)

    def expire(self, *, after: timedelta | None = None) -> None:
        """Let codes expire without a decision; ``after`` is the lifetime of new codes."""
        lifetime = self.script.lifetime if after is None else after
        self.script = evolve(self.script, approve_after=None, deny_after=None, lifetime=lifetime)

    def slow_down(self, times: int = 1, *, interval: timedelta | None = None) -> None:
        """Answer the first polls of each code with ``slow_down``; each adds 5 s to the interval.

        ``interval`` is named in the answer, and is then the least that the server wants.
        """
        self.script = evolve(self.script, slow_downs=times, slow_down_interval=interval)

    def fail(
        self,
        lasting: timedelta | None = None,
        reply: Reply | None = None,
        *,
        endpoint: Endpoint | None = None,
        times: int | None = None,
        acted: bool = False,
    ) -> None:
        """Answer with ``reply``, by default a timeout, from now on: ``lasting``, or ``times``.

        ``endpoint`` is where, everywhere by default. With ``acted`` the server does what was
        asked, and only its answer is lost.
        """
        now = self.clock.now().mono
        outage = Outage(
            now,
            None if lasting is None else now + lasting,
            reply or Fault("timeout", "maybe", "scripted outage"),
            acted,
            endpoint=endpoint,
            times=times,
        )
        self.script = evolve(self.script, outages=(*self.script.outages, outage))

    def _answer(self, request: Request) -> Reply:
        endpoint = endpoint_of(self._server, request)
        self._server, reply = answer(self._server, request, self.clock.now().mono)
        for where, hook in self._hooks:
            if where in (None, endpoint):
                try:
                    reply = hook(request, reply) or reply
                except Exception as error:
                    raise PlayError(f"answers: the hook raised {type(error).__name__}") from error
        return reply
