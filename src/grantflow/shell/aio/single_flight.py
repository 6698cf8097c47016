"""One flight for all who wait, among the tasks of an event loop.

Rules:

1. A flight is a task of its own: whoever waits for it may be cancelled, and the others notice
   nothing.
2. Who leaves last ends the flight, and waits until it has ended. What it waits for ``patiently`` is
   cut short then; all else goes on to its end, so that nothing is half done.
3. So a flight never outlives those who wait for it, unless their event loop is torn down.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, Self, TypeAlias, TypeVar, final

import anyio

from grantflow.shell.aio.loops import Loop, running_loop
from grantflow.shell.aio.threads import surely
from grantflow.shell.single_flight import check_not_within, enter

T = TypeVar("T")
V = TypeVar("V")


@final
class AbandonedError(Exception):
    """Nobody waits for this flight any more."""


@final
class InFlight(Generic[T]):
    """An answer that is on its way, and those who wait for it."""

    def __init__(self) -> None:
        self.answer: T | None = None
        self.crash: BaseException | None = None
        self.task: object = None
        self.let_go: Callable[[], None] = lambda: None
        """What frees its locks, where its event loop was closed and it can do nothing any more."""
        self._waiting = 1  # who begins it
        self._landed = anyio.Event()
        self._patience: anyio.CancelScope | None = None

    def joined(self) -> Self:
        """Return it with one more who waits."""
        self._waiting += 1
        return self

    async def wait(self) -> None:
        """Return when it has landed; who is cancelled meanwhile leaves."""
        cancelled = anyio.get_cancelled_exc_class()
        try:
            await self._landed.wait()
        except (cancelled, KeyboardInterrupt):
            if self._left_by_all():
                await surely(self._landed)
            raise

    async def patiently(self, wait: Callable[[], Awaitable[V]]) -> V:
        """Wait for as long as somebody waits for this flight; raises ``AbandonedError``."""
        if self._waiting:
            with anyio.CancelScope() as self._patience:
                try:
                    return await wait()
                finally:
                    self._patience = None
        raise AbandonedError

    async def fly(self, errand: Errand[T]) -> None:
        """Run an errand to its end, and tell those who wait."""
        cancelled = anyio.get_cancelled_exc_class()
        enter(self)
        try:
            self.answer = await errand(self)
        except (AbandonedError, cancelled):  # cancelled: the event loop ends, and all with it
            pass
        except GeneratorExit:  # the event loop was dropped
            return
        except BaseException as error:  # noqa: BLE001 - it is raised where the flight began
            self.crash = error
        self._landed.set()

    def _left_by_all(self) -> bool:
        self._waiting -= 1
        if self._waiting == 0 and self._patience is not None:
            self._patience.cancel()
        return self._waiting == 0


Errand: TypeAlias = Callable[[InFlight[T]], Awaitable[T]]


@final
class SingleFlight(Generic[T]):
    """Lets one task fly and the others of its event loop wait; whoever comes later flies anew."""

    def __init__(self) -> None:
        self._current: dict[Loop, InFlight[T]] = {}

    async def share(self, errand: Errand[T]) -> T:
        """Return the answer of the flight under way, or of one's own.

        A flight that crashed has no answer: who began it gets the error, and one of those who
        waited flies next.
        """
        while True:
            loop = running_loop()
            self._drop_ended()
            joined = self._current.get(loop)
            if joined is not None:
                check_not_within(joined)
            flight = self._begun(loop, errand) if joined is None else joined.joined()
            await flight.wait()
            if flight.answer is not None:
                return flight.answer
            if joined is None and flight.crash is not None:
                raise flight.crash

    async def alone(self, errand: Errand[T]) -> T | None:
        """Fly if nobody else does; else return ``None`` at once."""
        return None if running_loop() in self._current else await self.share(errand)

    def _drop_ended(self) -> None:
        # An event loop that was closed over a flight ends none of it: what it holds is let go here.
        for loop, flight in list(self._current.items()):
            if loop.ended and self._current.pop(loop, None) is not None:
                flight.let_go()

    def _begun(self, loop: Loop, errand: Errand[T]) -> InFlight[T]:
        flight = self._current[loop] = InFlight()

        async def fly() -> None:
            try:
                await flight.fly(errand)
            finally:
                self._current.pop(loop, None)

        flight.task = loop.spawn(fly)
        return flight
