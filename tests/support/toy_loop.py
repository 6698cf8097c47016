"""An event loop for timer drivers, in virtual time."""

from __future__ import annotations

import heapq
import queue
from collections.abc import Callable
from datetime import timedelta
from itertools import count

from grantflow.testing import VirtualClock


class ToyLoop:
    """An event loop that calls back, in virtual time."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._timers: list[tuple[timedelta, int, Callable[[], None]]] = []
        self._posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._order = count()
        self.posts = 0

    def call_later(self, wait: timedelta, call: Callable[[], None], /) -> None:
        # A hair early on purpose, as a toolkit's whole milliseconds may be.
        early = timedelta(milliseconds=1) if wait > timedelta(milliseconds=5) else timedelta()
        at = self._clock.now().mono + wait - early
        heapq.heappush(self._timers, (at, next(self._order), call))

    def post(self, call: Callable[[], None], /) -> None:
        self.posts += 1
        self._posted.put(call)

    def until(self, done: Callable[[], bool]) -> None:
        while not done():
            if self._timers:
                at, _, call = heapq.heappop(self._timers)
                self._clock.advance(max(at - self._clock.now().mono, timedelta()))
                call()
            else:
                self._posted.get(timeout=10)()
