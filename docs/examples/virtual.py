"""Virtual time for calls that block: each has a thread, and one of them runs at a time.

``Town`` is the time. A call that sleeps hands over to whoever is due next, so an hour of ten
thousand processes takes seconds, and always happens in the same order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from heapq import heappop, heappush
from itertools import count
from random import Random
from threading import Lock, Thread, stack_size
from typing import Final, Literal, overload

from grantflow import StoreError, Token
from grantflow.stores import Claim

LOOKS: Final = 0.025
LATER_LOOKS: Final = 0.15
LONG: Final = 15.0
"""Seconds between two looks at a lock in Redis, on average: at first, and after a long wait."""
REFUSED: Final = timedelta(seconds=1)
"""Until a Redis that refuses connections is given up."""
SMALL: Final = 256 * 1024
"""Bytes of stack for a thread: there may be as many as processes."""


class Town:
    """The time, and everybody who sleeps."""

    def __init__(self, at: timedelta) -> None:
        self.at = at
        self._numbers = count()
        self._due: list[tuple[timedelta, int, Callable[[], None]]] = []
        self._back = _shut()
        self._running: _Worker | None = None
        self._idle: list[_Worker] = []

    def later(self, at: timedelta, job: Callable[[], None]) -> None:
        """Do at a time what does not sleep."""
        heappush(self._due, (at, next(self._numbers), job))

    def begin(self, job: Callable[[], None]) -> None:
        """Do now what may sleep, in a thread."""
        worker = self._idle.pop() if self._idle else _Worker(self._ended)
        worker.job = job
        self._go(worker)

    def sleep_until(self, at: timedelta) -> None:
        """Let the others go on; a moment that has passed is no sleep."""
        if at > self.at:
            self.later(at, self.park())
            self.wait()

    def park(self) -> Callable[[], None]:
        """Return what wakes the thread that runs; it has to ``wait`` then."""
        worker = self._awake()
        return lambda: self._go(worker)

    def wait(self) -> None:
        """Sleep until somebody wakes this thread."""
        worker = self._awake()
        self._back.release()
        worker.gate.acquire()

    def run(self) -> None:
        """Let everything happen that is due, and end the threads."""
        while self._due:
            self.at, _, job = heappop(self._due)
            job()
        for worker in self._idle:
            worker.job = None
            worker.gate.release()
            worker.join()

    def _awake(self) -> _Worker:
        if self._running is None:
            raise RuntimeError("only a call that was begun may sleep")
        return self._running

    def _go(self, worker: _Worker) -> None:
        self._running = worker
        worker.gate.release()
        self._back.acquire()
        self._running = None

    def _ended(self, worker: _Worker) -> None:
        self._idle.append(worker)
        self._back.release()


class _Worker(Thread):
    def __init__(self, ended: Callable[[_Worker], None]) -> None:
        super().__init__(daemon=True)
        self.gate = _shut()
        self.job: Callable[[], None] | None = None
        self._ended = ended
        before = stack_size(SMALL)
        self.start()
        stack_size(before)

    def run(self) -> None:
        while True:
            self.gate.acquire()
            if self.job is None:
                return
            self.job()
            self._ended(self)


def _shut() -> Lock:
    lock = Lock()
    lock.acquire()
    return lock


class Shared:
    """A ``Store`` of many processes: a lock, and what it takes to look into it.

    With ``looks``, who waits for the lock looks for it now and then, as in Redis; else the next one
    is woken, as the operating system does. With ``down`` it cannot be used.
    """

    def __init__(self, town: Town, dice: Random, *, looks: bool) -> None:
        self.looked = 0.0
        self.ask = timedelta()
        self.down = False
        self._town = town
        self._dice = dice
        self._looks = looks
        self.tokens: dict[str, Token] = {}
        self._taken = False
        self._queue: deque[Callable[[], None]] = deque()

    @overload
    def claim(self, key: str, /, wait: Literal[True] = ...) -> AbstractContextManager[Claim]: ...

    @overload
    def claim(self, key: str, /, wait: bool) -> AbstractContextManager[Claim | None]: ...

    def claim(self, key: str, /, wait: bool = True) -> AbstractContextManager[Claim | None]:
        """Hold the lock; ``None`` without ``wait`` where another owner has it."""
        return self._claimed(key, wait=wait)

    @contextmanager
    def _claimed(self, key: str, *, wait: bool) -> Iterator[Entry | None]:
        self._asked()
        if self._taken and not wait:
            self._town.sleep_until(self._town.at + self.ask / 4)
            yield None
            return
        self._take()
        try:
            self._town.sleep_until(self._town.at + self.ask)
            yield Entry(self, key)
        finally:
            self._give()

    def read(self, key: str, /) -> Token | None:
        """Return what is stored."""
        self._asked()
        self._town.sleep_until(self._town.at + self.ask / 4)
        return self.tokens.get(key)

    def put(self, key: str, token: Token) -> None:
        """Store a token."""
        self._asked()
        self._town.sleep_until(self._town.at + self.ask)
        self.tokens[key] = token

    def _asked(self) -> None:
        if self.down:
            self._town.sleep_until(self._town.at + REFUSED)
            raise StoreError("the store is down")

    def _take(self) -> None:
        if not self._taken:
            self._taken = True
            return
        began = self._town.at
        self._queue.append(self._town.park())
        self._town.wait()
        waited = (self._town.at - began).total_seconds()
        if self._looks:
            self.looked += min(waited, LONG) / LOOKS + max(0.0, waited - LONG) / LATER_LOOKS

    def _give(self) -> None:
        if not self._queue:
            self._taken = False
            return
        gap = 0.0
        if self._looks:  # whoever looks first
            self._queue.rotate(self._dice.randrange(len(self._queue)))
            gap = self._dice.expovariate(len(self._queue) / LOOKS)
        self._town.later(self._town.at + timedelta(seconds=gap), self._queue.popleft())


class Entry:
    """What is under a key, while its lock is held."""

    def __init__(self, store: Shared, key: str) -> None:
        self._store = store
        self._key = key

    @property
    def token(self) -> Token | None:
        """What is stored."""
        return self._store.tokens.get(self._key)

    def save(self, token: Token, /) -> None:
        """Store a token."""
        self._store.put(self._key, token)

    def forget(self) -> None:
        """Remove what is stored."""
        self._store.tokens.pop(self._key, None)
