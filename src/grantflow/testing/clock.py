"""A clock that moves only when it is waited for."""

from __future__ import annotations

import threading
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Final, final

from grantflow.core.values.time import Instant, Moment

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""The wall time at which virtual time starts by default."""

_MOST_KEPT: Final = 10_000
"""Waits that a clock remembers: a long simulation must not fill the memory."""


@final
class VirtualClock:
    """A ``Clock`` whose sleeps take no time: ``sleep_until`` moves it forward and returns.

    Safe to share among threads.

    >>> clock = VirtualClock()
    >>> clock.sleep_until(Instant(timedelta(minutes=15)))
    >>> clock.now().wall.isoformat(), clock.slept
    ('2026-01-01T00:15:00+00:00', [datetime.timedelta(seconds=900)])
    """

    def __init__(self, *, wall: datetime = EPOCH, roll: float = 0.0) -> None:
        self._started = wall
        self._mono = timedelta()
        self._roll = roll
        self._lock = threading.Lock()
        self._slept: deque[timedelta] = deque(maxlen=_MOST_KEPT)

    @property
    def slept(self) -> list[timedelta]:
        """Return the waits that had to be waited for, in order: the last 10,000."""
        return list(self._slept)

    def now(self) -> Moment:
        """Read the clock."""
        return Moment(Instant(self._mono), self._started + self._mono, self._roll)

    def sleep_until(self, at: Instant, /) -> None:
        """Move the clock to ``at``, at once; a moment that has passed changes nothing."""
        with self._lock:
            if at > self._mono:
                self._slept.append(at - self._mono)
                self._mono = at

    def advance(self, span: timedelta) -> None:
        """Let time pass while nobody sleeps, for example during a request."""
        with self._lock:
            self._mono += span
