"""One flight for all who wait: threads that ask at the same time share one answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar, final

T = TypeVar("T")


@final
class InFlight(Generic[T]):
    """An answer that is on its way."""

    def __init__(self) -> None:
        self.landed: threading.Event = threading.Event()
        self.answer: T | None = None


@final
class SingleFlight(Generic[T]):
    """Lets one caller fly and the others wait; whoever comes later flies anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: InFlight[T] | None = None

    def share(self, fly: Callable[[], T]) -> T:
        """Return the answer of the flight under way, or of one's own.

        A flight that crashed (the process was interrupted in it) has no answer: one of those who
        waited flies next.
        """
        while True:
            with self._lock:
                joined = self._current
                own = InFlight[T]()
                if joined is None:
                    self._current = own
            if joined is None:
                return self._flown(own, fly)
            joined.landed.wait()
            if joined.answer is not None:
                return joined.answer

    def alone(self, fly: Callable[[], T]) -> T | None:
        """Fly if nobody else does; else return ``None`` at once."""
        with self._lock:
            if self._current is not None:
                return None
        return self.share(fly)

    def _flown(self, own: InFlight[T], fly: Callable[[], T]) -> T:
        try:
            own.answer = fly()
            return own.answer
        finally:
            with self._lock:
                self._current = None
            own.landed.set()
