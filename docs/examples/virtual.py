"""Virtual time for many processes, and stores that they share: their locks and what these take."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import timedelta
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Final, TypeAlias

from grantflow import Token

LOOKS: Final = 0.025
LATER_LOOKS: Final = 0.15
LONG: Final = 15.0
"""Seconds between two looks at a lock in Redis, on average: at first, and after a long wait."""

Process: TypeAlias = Generator[timedelta | None, None, None]
"""It yields until when it sleeps; with ``None``, until somebody wakes it."""


class Time:
    """Virtual time: it jumps to whatever comes next."""

    def __init__(self) -> None:
        self.at = timedelta()
        self._numbers = count()
        self._asleep: list[tuple[timedelta, int, Process]] = []
        self._awake: list[Process] = []

    @property
    def running(self) -> Process:
        """Return the process that runs now."""
        return self._awake[-1]

    def wake(self, process: Process, at: timedelta) -> None:
        """Let a process go on at a time."""
        heappush(self._asleep, (at, next(self._numbers), process))

    def run(self) -> None:
        """Run until every process has ended, or sleeps with nobody to wake it."""
        while self._asleep:
            self.at, _, process = heappop(self._asleep)
            self._awake.append(process)
            for until in process:
                if until is not None:
                    self.wake(process, until)
                break
            self._awake.pop()


@dataclass
class Place:
    """A store, and its lock; ``ask`` is what one question takes, ``None`` where it is down."""

    time: Time
    dice: Random
    ask: timedelta | None = timedelta()
    looks: bool = False
    token: Token | None = None
    asked: float = 0.0
    _held: bool = False
    _queue: deque[Process] = field(default_factory=deque[Process])

    def claim(self) -> Process:
        """Wait for the lock."""
        if self._held:
            self._queue.append(self.time.running)
            began = self.time.at
            yield None
            waited = (self.time.at - began).total_seconds()
            if self.looks:
                self.asked += min(waited, LONG) / LOOKS + max(0.0, waited - LONG) / LATER_LOOKS
        self._held = True

    def release(self) -> None:
        """Give the lock to the next: at once, or to whoever looks first."""
        if not self._queue:
            self._held = False
            return
        gap = 0.0
        if self.looks:
            self._queue.rotate(self.dice.randrange(len(self._queue)))
            gap = self.dice.expovariate(len(self._queue) / LOOKS)
        self.time.wake(self._queue.popleft(), self.time.at + timedelta(seconds=gap))
