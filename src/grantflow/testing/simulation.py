"""A flow against a scripted server in virtual time: nothing sleeps, nothing is sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Generic, TypeVar, assert_never, final

from attrs import frozen

from grantflow.core.flows.effects import Send
from grantflow.core.flows.flow import Flow, begin
from grantflow.core.flows.states import Authorized, Expired, Failed
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply
from grantflow.core.values.time import Instant, Moment
from grantflow.shell.signing.signed import signed
from grantflow.testing.clock import VirtualClock
from grantflow.testing.server.answer import answer
from grantflow.testing.server.value import Server

S = TypeVar("S")


@final
@frozen
class Tick(Generic[S]):
    """What a simulation looks like at one instant."""

    at: timedelta
    state: S
    server: Server


def simulate(flow: Flow[S], server: Server, *, roll: float = 0.0) -> Iterator[Tick[S]]:
    """Yield every state of a run against ``server``, from the start to the end.

    Time starts at zero; a request takes half of the script's latency to arrive, and its answer
    the other half to come back. What a request wants to have signed is signed on the way.

    >>> from grantflow.core.client.client import Client
    >>> from grantflow.core.flows.device import DeviceFlow
    >>> from grantflow.testing.script import Script
    >>> server = Server(Script(approve_after=timedelta(seconds=12)))
    >>> flow = DeviceFlow(Client(provider=server.provider, client_id="app"))
    >>> for tick in simulate(flow, server):
    ...     print(tick.at.seconds, type(tick.state).__name__)
    0 Started
    0 Pending
    5 Pending
    10 Pending
    15 Authorized
    """
    half = server.script.latency / 2
    at = Instant(timedelta())
    run = begin(flow, Moment(at, server.epoch, roll))
    while True:
        yield Tick(at, run.phase, server)
        match run.due:
            case Send() as send:
                arrival = Instant(max(at, send.not_before) + half)
                server, reply = _sent(server, send.request, arrival)
                at = Instant(arrival + half)
                run = run.receive(send, reply, Moment(at, server.epoch + at, roll))
            case Authorized() | Expired() | Failed():
                return
            case other:
                assert_never(other)


def _sent(server: Server, request: Request, arrival: Instant) -> tuple[Server, Reply]:
    after = server

    def send(ready: Request) -> Reply:
        nonlocal after
        after, reply = answer(server, ready, arrival)
        return reply

    reply = signed(send, _At(Moment(arrival, server.epoch + arrival)))(request)
    return after, reply


@final
@frozen
class _At:
    """A clock that stands."""

    moment: Moment

    def now(self) -> Moment:
        return self.moment


@final
class ServerTransport:
    """A ``Transport`` to a scripted server in this process, with no network between.

    ``server`` is the server as it is now, ``requests`` what was sent. Safe to share by threads.
    """

    def __init__(self, server: Server, clock: VirtualClock) -> None:
        self.server: Server = server
        self.requests: list[Request] = []
        self._clock = clock
        self._lock = threading.Lock()

    def __call__(self, request: Request, /) -> Reply:
        """Answer ``request``; the script's latency passes on the clock."""
        with self._lock:
            half = self.server.script.latency / 2
            self._clock.advance(half)
            self.requests.append(request)
            self.server, reply = answer(self.server, request, self._clock.now().mono)
            self._clock.advance(half)
        return reply
