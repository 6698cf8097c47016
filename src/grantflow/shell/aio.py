"""The async driver, for asyncio and trio: perform what is due once, then tell what happened.

Rules:

1. Cancellation leaves nothing half done: a run is a value, and a token that has come is saved
   before the cancellation is heard.
2. Nothing here blocks the event loop: what blocks (a store, ``requests``) goes to a thread.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Protocol, TypeAlias, TypeVar, assert_never, final

import anyio

from grantflow.core.effects import Send
from grantflow.core.flow import Flow, begin
from grantflow.core.request import Request
from grantflow.core.states import Authorized, Expired, Failed
from grantflow.core.states import Final as Ending
from grantflow.core.values import Fault, Instant, Moment, Reply, Response
from grantflow.shell.clock import SystemClock
from grantflow.shell.ports import Transport
from grantflow.shell.signing import Signer

S = TypeVar("S")

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

    ``transport`` is ``httpx`` by default, or ``requests`` in a thread where httpx is not there.
    """
    if transport is None:
        async with default_transport() as own:
            return await run(flow, own, clock, watch)
    time = clock or AsyncSystemClock()
    sign = Signer(time)
    going = begin(flow, time.now())
    while True:
        if watch is not None:
            watch(going.state)
        match going.due:
            case Send() as due:
                await time.sleep_until(due.not_before)
                ready = sign(due.request)
                reply = ready if isinstance(ready, Fault) else await transport(ready)
                going = going.heard(due, reply, time.now())
            case (Authorized() | Expired() | Failed()) as final_state:
                return final_state
            case other:
                assert_never(other)


def in_thread(transport: Transport) -> AsyncTransport:
    """Return an async transport that calls a blocking one in a worker thread."""

    async def send(request: Request) -> Reply:
        return await anyio.to_thread.run_sync(transport, request)

    return send


@asynccontextmanager
async def default_transport() -> AsyncIterator[AsyncTransport]:
    """Give a transport over httpx, else over requests in a thread."""
    try:
        from grantflow.shell.http.over_httpx import AsyncHttpxTransport
    except ImportError:
        from grantflow.shell.http.over_requests import RequestsTransport

        yield in_thread(RequestsTransport())
        return
    own = AsyncHttpxTransport()
    try:
        yield own
    finally:
        await own.aclose()
