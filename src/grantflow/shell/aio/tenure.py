"""A thread that has a store for one session: it enters the claim, works in it, and leaves it.

A lock belongs to the thread that took it, and is held for as long as a person takes to sign in.
Rules:

1. One job at a time, in order. When it is left, it does the job under way, and lets go.
2. Who waits for a lock cannot be interrupted. So a thread that is left meanwhile goes on waiting,
   and lets go of the lock the moment that it gets it, unless somebody adopts it before: those who
   come and go while another process has the lock need one thread, not one each.
3. Where an event loop was closed over everybody's head, nobody is there to leave, and the thread
   lets go by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock
from types import TracebackType
from typing import Final, Self, TypeVar, final

from grantflow.core.acquisition.states import Delete, ReadCache, Save, TakeLock
from grantflow.shell.aio.loops import running_loop
from grantflow.shell.aio.threads import do, started, wait_shielded
from grantflow.shell.ports import Store
from grantflow.shell.sources.acquire import Custody, Told

T = TypeVar("T")
_LOOKS_UP: Final = 1.0
"""After so many seconds without a job, to see whether the event loop is still there."""


@final
class Tenure:
    """A thread with a store.

    The end of ``async with`` leaves it, and waits until it let go of the lock, but not until it
    got the lock.
    """

    def __init__(self, store: Store, app_key: str) -> None:
        self._loop = running_loop()
        self._held = ExitStack()
        self._custody = Custody(store, app_key, self._held)
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._claiming: Future[Told] | None = None
        self._mutex = Lock()
        self._left = False
        self._over = False
        self._ended = started(self._work, "grantflow-claim")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._mutex:
            self._left = True
        self._jobs.put(lambda: None)
        # Where the event loop is torn down, nobody can wait.
        if not self.claiming and kind is not GeneratorExit:
            await wait_shielded(self._ended)

    @property
    def claiming(self) -> bool:
        """Tell whether it waits for the lock."""
        return self._claiming is not None and not self._claiming.done()

    def look(self, due: ReadCache | TakeLock) -> Future[Told]:
        """Read, or claim and read; what an adopted thread waits for is not begun again."""
        if isinstance(due, ReadCache):
            return self.do(partial(self._custody.perform, due))
        if self._claiming is None or self._claiming.done():
            self._claiming = self.do(partial(self._custody.perform, due))
        return self._claiming

    def write(self, due: Save | Delete) -> Future[Told]:
        """Do what a session has due."""
        return self.do(partial(self._custody.perform, due))

    def do(self, job: Callable[[], T]) -> Future[T]:
        """Do a job, under the lock if it is held."""
        future: Future[T] = Future()
        self._jobs.put(partial(do, job, future))
        return future

    def adopt(self) -> bool:
        """Take over a thread that was left; ``False`` where it has let go already."""
        with self._mutex:
            self._loop = running_loop()
            self._left = self._over
            return not self._over

    def _work(self) -> None:
        with self._held:
            while not self._over:
                with suppress(Empty):
                    self._jobs.get(timeout=_LOOKS_UP)()
                with self._mutex:
                    self._over = self._left or self._loop.ended
