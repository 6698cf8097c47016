"""Work that is not cut short by an interrupt: a request that spends something, and the save after.

An interrupt (Ctrl-C, or whatever else a signal handler raises) strikes the thread that waits, while
another one does the work.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Final, Generic, TypeVar, final

T = TypeVar("T")

_SPAN: Final = 0.1
LONGEST: Final = 60.0
"""Seconds for which an interrupt waits at most; the transports of grantflow end before that."""


@final
class Work(Generic[T]):
    """A job that another thread does, and the interrupt that came meanwhile."""

    def __init__(self, job: Callable[[], T]) -> None:
        self._job = job
        self._results: list[T] = []
        self._errors: list[BaseException] = []
        self._begun = threading.Lock()
        self._done = threading.Event()
        self.interrupt: BaseException | None = None

    def result(self) -> T:
        """Do the job and return what it returns, although an interrupt came: see ``interrupt``.

        One that comes before the job began is raised at once. So is a second one, and the first
        after ``LONGEST``: then the job goes on without anyone who waits.
        """
        context = copy_context()
        worker = threading.Thread(
            target=context.run, args=(self._work,), name="grantflow-send", daemon=True
        )
        try:
            worker.start()
            self._wait(math.inf)
        except BaseException as interrupt:
            # Whoever takes this first decides whether the job is done at all.
            if self._begun.acquire(blocking=False):
                raise
            self.interrupt = interrupt
            if not self._wait(time.monotonic() + LONGEST):
                raise
        if self._errors:
            raise self.interrupt or self._errors[0]
        return self._results[0]

    def _wait(self, until: float) -> bool:
        # In short spans: a signal that came just before such a wait is noticed only after it.
        while not self._done.wait(_SPAN):
            if time.monotonic() >= until:
                return False
        return True

    def _work(self) -> None:
        if not self._begun.acquire(blocking=False):
            return
        try:
            self._results.append(self._job())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            self._errors.append(error)
        finally:
            self._done.set()
