"""The scripted server and the virtual clock for async drivers, on any event loop."""

from __future__ import annotations

from typing import final

from grantflow.core.request import Request
from grantflow.core.values import Instant, Moment, Reply
from grantflow.testing.clock import VirtualClock
from grantflow.testing.simulation import ServerTransport


@final
class AsyncVirtualClock:
    """An ``AsyncClock`` whose sleeps take no time; ``clock`` is the clock that it moves."""

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.clock: VirtualClock = clock or VirtualClock()

    def now(self) -> Moment:
        """Read the clock."""
        return self.clock.now()

    async def sleep_until(self, at: Instant, /) -> None:
        """Move the clock to ``at``, at once."""
        self.clock.sleep_until(at)


@final
class AsyncServerTransport:
    """An ``AsyncTransport`` to a scripted server in this process, over its blocking twin."""

    def __init__(self, transport: ServerTransport) -> None:
        self.transport = transport

    async def __call__(self, request: Request, /) -> Reply:
        """Answer ``request``; it never waits, so it never blocks the loop."""
        return self.transport(request)
