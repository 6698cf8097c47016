"""The same driver for asyncio: perform what is due once, then tell the run what happened.

python own_async_driver.py    signs in three times at once, at a scripted server
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from own_driver import send, show

from grantflow import (
    Authorized,
    Client,
    DeviceFlow,
    Expired,
    Failed,
    Fault,
    Flow,
    Instant,
    Moment,
    Request,
    Response,
    Send,
    SystemClock,
    begin,
)
from grantflow.testing import Script, serve

if TYPE_CHECKING:
    from grantflow.aio import AsyncClock, AsyncTransport

S = TypeVar("S")


async def drive(
    flow: Flow[S], transport: AsyncTransport, clock: AsyncClock, watch: Callable[[S], None]
) -> Authorized | Expired | Failed:
    """Run a flow to its end; to give up, cancel the task."""
    run = begin(flow, clock.now())
    watch(run.phase)
    while isinstance(due := run.due, Send):
        await clock.sleep_until(due.not_before)
        reply = await transport(due.request)
        run = run.receive(due, reply, clock.now())
        watch(run.phase)
    return due


async def send_in_thread(request: Request) -> Response | Fault:
    """Send a request once, while the event loop goes on."""
    return await asyncio.to_thread(send, request)


class LoopClock:
    """This machine's clocks; waiting leaves the event loop to others."""

    def __init__(self) -> None:
        self._clock = SystemClock()

    def now(self) -> Moment:
        """Read the clocks, and roll the dice."""
        return self._clock.now()

    async def sleep_until(self, at: Instant, /) -> None:
        """Return when the monotonic clock shows ``at``; a sleep may end a hair early."""
        while (left := at - self.now().mono) > timedelta():
            await asyncio.sleep(left.total_seconds())


async def main() -> None:
    """Sign in three times at once; the person approves after two seconds."""
    script = Script(approve_after=timedelta(seconds=2), interval=timedelta(seconds=1))
    with serve(script) as server:
        client = Client(provider=server.provider, client_id="own-async-driver", scope="read")
        flow = DeviceFlow(client)
        await asyncio.gather(*(drive(flow, send_in_thread, LoopClock(), show) for _ in range(3)))


if __name__ == "__main__":
    asyncio.run(main())
