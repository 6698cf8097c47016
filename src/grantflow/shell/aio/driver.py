"""The async driver of a flow: perform what is due once, then tell the run what happened.

A run is a value and saves nothing, so it may be cancelled at any time. A reply that was under way
is lost then; ``AsyncTokenSource`` loses none.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar, assert_never, final

import anyio

from grantflow.core.flows.effects import Send
from grantflow.core.flows.flow import Flow, Run, begin
from grantflow.core.flows.states import Authorized, Expired, Failed
from grantflow.core.flows.states import Final as Ending
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply, Response
from grantflow.core.values.time import Instant, Moment
from grantflow.shell.aio.threads import run_in_thread
from grantflow.shell.blocking import default_transport as blocking_transport
from grantflow.shell.clock import SystemClock
from grantflow.shell.ports import Transport
from grantflow.shell.signing.signed import raised, wants_signature, without_echo

if TYPE_CHECKING:
    from grantflow.core.client.identity import Grant
    from grantflow.shell.discovery import Discovered, DiscoveredResource
    from grantflow.shell.http.httpx import AsyncHttpxTransport
    from grantflow.shell.signing.signer import Signer

S = TypeVar("S")
T = TypeVar("T")

AsyncTransport: TypeAlias = Callable[[Request], Awaitable[Response | Fault]]
"""Sends a request once. It never raises for trouble on the network: it returns a ``Fault``."""


class AsyncClock(Protocol):
    """Both clocks, and waiting without blocking."""

    def now(self) -> Moment:
        """Read the clocks and roll the dice, once."""
        ...

    async def sleep_until(self, at: Instant, /) -> None:
        """Return when the monotonic clock shows ``at``, at once if it does already."""
        ...


@final
class AsyncSystemClock:
    """The clocks of this machine, waiting by the event loop."""

    def __init__(self) -> None:
        self._clock = SystemClock()

    def now(self) -> Moment:
        """Read the clocks and roll the dice, once."""
        return self._clock.now()

    async def sleep_until(self, at: Instant, /) -> None:
        """Sleep until the monotonic clock shows ``at``; a sleep may end a hair early."""
        while (left := at - self._clock.now().mono) > timedelta():
            await anyio.sleep(left.total_seconds())


async def run(
    flow: Flow[S],
    transport: AsyncTransport | None = None,
    clock: AsyncClock | None = None,
    watch: Callable[[S], None] | None = None,
) -> Ending:
    """Run a flow to its end and return its final state; as ``grantflow.run``, with ``await``.

    ``transport`` is ``httpx2`` by default, else ``httpx``, else ``requests`` in a thread.
    """
    time = clock or AsyncSystemClock()
    return await resume(begin(flow, time.now()), transport, time, watch)


async def resume(
    going: Run[S],
    transport: AsyncTransport | None = None,
    clock: AsyncClock | None = None,
    watch: Callable[[S], None] | None = None,
) -> Ending:
    """Go on with a run, such as one that ``load_run`` read, to its end; arguments as of ``run``."""
    if transport is None:
        async with default_transport() as own:
            return await resume(going, own, clock, watch)
    time = clock or AsyncSystemClock()
    send = signed(transport, time)
    while True:
        if watch is not None:
            watch(going.phase)
        match going.due:
            case Send() as due:
                await time.sleep_until(due.not_before)
                reply = await send(due.request)
                going = going.receive(due, reply, time.now())
            case (Authorized() | Expired() | Failed()) as final_state:
                return final_state
            case other:
                assert_never(other)


async def discover(issuer: str, transport: AsyncTransport | None = None) -> Discovered:
    """Ask ``issuer`` for its metadata; as ``grantflow.discover``, with ``await``."""
    from grantflow.shell.discovery import requests  # paid for by who discovers

    return await _asked(requests(issuer), transport)


async def discover_resource(
    url: str, transport: AsyncTransport | None = None, *, grant: Grant = "device"
) -> DiscoveredResource:
    """Ask the resource at ``url``; as ``grantflow.discover_resource``, with ``await``."""
    from grantflow.shell.discovery import resource_requests

    return await _asked(resource_requests(url, grant), transport)


async def _asked(going: Generator[Request, Reply, T], transport: AsyncTransport | None) -> T:
    request = next(going)  # a URL that is none is reported before anything is opened
    if transport is None:
        async with default_transport() as own:
            return await _answered(going, request, own)
    return await _answered(going, request, transport)


async def _answered(
    going: Generator[Request, Reply, T], request: Request, transport: AsyncTransport
) -> T:
    send = signed(transport, AsyncSystemClock())
    while True:
        reply = await send(request)
        try:
            request = going.send(reply)
        except StopIteration as end:
            found: T = end.value
            return found


def signed(transport: AsyncTransport, clock: AsyncClock) -> AsyncTransport:
    """Return a transport that signs each request that asks for it (``signing.signed``).

    It does so in a thread: the key may be in an HSM, and the assertion come from another service.
    """
    read = _Stopped(clock.now())
    signer: Signer | None = None

    async def sign(request: Request) -> Request | Fault:
        nonlocal signer
        if signer is None:
            from grantflow.shell.signing.signer import Signer

            signer = Signer(read)
        read.moment = clock.now()
        ready = signer
        return await run_in_thread(lambda: ready(request))

    async def send(request: Request) -> Reply:
        ready = await sign(request) if wants_signature(request) else request
        if isinstance(ready, Fault):
            return ready
        try:
            return without_echo(request, ready, await transport(ready))
        except Exception as error:  # noqa: BLE001 - its promise was to raise none
            return raised(error)

    return send


@final
class _Stopped:
    """A clock that was read on the event loop, for a thread."""

    def __init__(self, moment: Moment) -> None:
        self.moment = moment

    def now(self) -> Moment:
        return self.moment


def in_thread(transport: Transport) -> AsyncTransport:
    """Return an async transport that calls a blocking one in a worker thread.

    A caller that is cancelled leaves the request to end by itself. At most 40 are under way.
    """

    async def send(request: Request) -> Reply:
        return await run_in_thread(lambda: transport(request))

    return send


@asynccontextmanager
async def default_transport() -> AsyncIterator[AsyncTransport]:
    """Give a transport over httpx2, else over httpx, else over requests in a thread."""
    # Loading a library takes longer than an event loop may stand still, once.
    loaded = sys.modules.get("grantflow.shell.http.httpx") is not None
    own = _over_httpx() if loaded else await run_in_thread(_over_httpx)
    if own is None:
        yield in_thread(blocking_transport())
        return
    try:
        yield own
    finally:
        await own.aclose()


def _over_httpx() -> AsyncHttpxTransport | None:
    try:
        from grantflow.shell.http.httpx import AsyncHttpxTransport, library

        library()
    except ImportError:
        return None
    return AsyncHttpxTransport()
