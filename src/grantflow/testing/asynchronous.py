"""The scripted server and the virtual clock for async drivers, on asyncio and trio."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, TypeAlias, final

from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply
from grantflow.core.values.time import Instant, Moment
from grantflow.testing.clock import VirtualClock
from grantflow.testing.simulation import ServerTransport

if TYPE_CHECKING:
    from anyio import Event

_Sleeper: TypeAlias = tuple[Instant, int]


@final
class AsyncVirtualClock:
    """An ``AsyncClock`` whose sleeps take no time, for all tasks of one event loop.

    It jumps to the next moment that anybody waits for, once everybody who can go on had a turn, so
    tasks that sleep at the same time wake in the order of their moments. ``clock`` is the clock
    that it moves; several may move the same one.
    """

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.clock: VirtualClock = clock or VirtualClock()
        self._queue: list[_Sleeper] = []
        self._asleep: dict[_Sleeper, Event] = {}
        self._order = count()
        self._passing = False

    def now(self) -> Moment:
        """Read the clock."""
        return self.clock.now()

    async def sleep_until(self, at: Instant, /) -> None:
        """Return when the clock shows ``at``; one of those who sleep moves it for all."""
        if self.now().mono >= at:
            return
        # Loaded by who awaits: the other tools of this package need no event loop.
        from anyio import Event

        me = (at, next(self._order))
        heappush(self._queue, me)
        self._asleep[me] = Event()
        try:
            while self.now().mono < at:
                if self._passing:
                    await self._asleep[me].wait()
                    self._asleep[me] = Event()
                else:
                    await self._pass()
        finally:
            del self._asleep[me]
            if not self._passing:
                self._wake_next()

    async def _pass(self) -> None:
        from anyio.lowlevel import checkpoint

        self._passing = True
        try:
            await checkpoint()
        finally:
            self._passing = False
        following = self._next()
        if following is not None:
            self.clock.sleep_until(following[0])
        now = self.now().mono
        while (due := self._next()) is not None and due[0] <= now:
            self._asleep[heappop(self._queue)].set()

    def _wake_next(self) -> None:
        following = self._next()
        if following is not None:
            self._asleep[following].set()

    def _next(self) -> _Sleeper | None:
        """Return who sleeps shortest; who was cancelled is not in the queue any more."""
        while self._queue and self._queue[0] not in self._asleep:
            heappop(self._queue)
        return self._queue[0] if self._queue else None


@final
class AsyncServerTransport:
    """An ``AsyncTransport`` to a scripted server in this process, over its blocking twin."""

    def __init__(self, transport: ServerTransport) -> None:
        self.transport = transport

    async def __call__(self, request: Request, /) -> Reply:
        """Answer ``request``; it never waits, so it never blocks the loop."""
        return self.transport(request)
