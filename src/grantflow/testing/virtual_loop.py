"""An event loop that calls back, in virtual time: for ``TimerDriver`` and what is built on it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Final, final

from grantflow.core.values.time import Instant
from grantflow.shell.timer import WORKER
from grantflow.testing.clock import VirtualClock

_PATIENCE: Final = 60.0
"""Seconds of real time that a transport may take: one of a test answers at once."""


@final
class VirtualLoop:
    """A ``Loop`` whose timers fire at once: ``run_until`` moves ``clock`` from one to the next.

    A ``TimerDriver`` sends on a worker thread, so the loop waits for what is being sent before it
    lets time pass. ``early`` fires timers that much too soon, as those of toolkits with whole
    milliseconds do.

    >>> clock = VirtualClock()
    >>> loop, fired = VirtualLoop(clock), []
    >>> loop.call_later(timedelta(minutes=1), lambda: fired.append(clock.now().mono))
    >>> loop.run_until(lambda: bool(fired))
    >>> fired
    [datetime.timedelta(seconds=60)]
    """

    def __init__(self, clock: VirtualClock, *, early: timedelta = timedelta()) -> None:
        self.clock = clock
        self._early = early
        self._timers: list[tuple[timedelta, int, Callable[[], None]]] = []
        self._posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._order = count()

    def call_later(self, wait: timedelta, call: Callable[[], None], /) -> None:
        """Call when ``wait`` is over, on the thread of ``run_until``."""
        # A timer cannot be early for ever: the driver sets another for the rest.
        early = self._early if wait > 2 * self._early else timedelta()
        at = self.clock.now().mono + max(wait - early, timedelta())
        heappush(self._timers, (at, next(self._order), call))

    def post(self, call: Callable[[], None], /) -> None:
        """Call soon, on the thread of ``run_until``; safe from any thread."""
        self._posted.put(call)

    @property
    def timers(self) -> int:
        """Return how many timers are set."""
        return len(self._timers)

    def run_until(self, done: Callable[[], bool]) -> None:
        """Run what is posted and due until ``done()``; ``TimeoutError`` if nothing comes."""
        while not done():
            self._next()()

    def _next(self) -> Callable[[], None]:
        """Return the next call; the clock is moved to a timer only when nothing is under way."""
        deadline = time.monotonic() + _PATIENCE
        while self._posted.empty() and time.monotonic() < deadline:
            workers = [each for each in threading.enumerate() if each.name == WORKER]
            if workers:
                workers[0].join(_PATIENCE)
            elif self._timers and self._posted.empty():
                at, _, call = heappop(self._timers)
                self.clock.sleep_until(Instant(at))
                return call
            elif self._posted.empty():
                break
        try:
            return self._posted.get_nowait()
        except queue.Empty:
            raise TimeoutError("no timer is set, and nothing was posted") from None
