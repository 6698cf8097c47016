"""One flight for all who wait: threads that ask at the same time share one answer."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, Generic, TypeVar, final
from weakref import WeakSet

T = TypeVar("T")

_within: Final[ContextVar[tuple[object, ...]]] = ContextVar("grantflow flights", default=())


def check_not_within(flight: object) -> None:
    """Raise ``RuntimeError`` where the caller is part of a flight that it would wait for."""
    if any(each is flight for each in _within.get()):
        raise RuntimeError(
            "this token source was asked from within its own callback (prompt, watch, client, "
            "token, transport or a log handler): it would wait for itself for ever"
        )


def enter(flight: object) -> None:
    """Mark this context, and those made from it, as a part of a flight."""
    _within.set((*_within.get(), flight))


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
        self.reset()

    def reset(self) -> None:
        """Begin without a flight: in a forked child, its thread is not there."""
        self._lock = threading.Lock()
        self._current: InFlight[T] | None = None
        _every.add(self)

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
            check_not_within(joined)
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
        before = _within.set((*_within.get(), own))
        try:
            own.answer = fly()
            return own.answer
        finally:
            _within.reset(before)
            with self._lock:
                self._current = None
            own.landed.set()


_every: Final[WeakSet[SingleFlight[Any]]] = WeakSet()  # type: ignore[explicit-any]


def _reset_all() -> None:
    for each in list(_every):
        each.reset()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_reset_all)
