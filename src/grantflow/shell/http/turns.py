"""Who may send: four at a time, and up to a hundred where that takes longer than half a second.

A few connections that are there already serve many flows: a new one costs a handshake, which takes
longer than waiting for one mostly does. A request that a server holds open waits for no turn.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from threading import Semaphore
from typing import Final, final

FEW: Final = 4
MOST: Final = 100
PATIENCE: Final = 0.5


@final
class Turns:
    """The turns of threads."""

    def __init__(self) -> None:
        self._few = Semaphore(FEW)
        self._more = Semaphore(MOST - FEW)

    @contextmanager
    def one(self, *, held: bool) -> Iterator[None]:
        """Wait for a turn, and have it."""
        if held:
            yield
            return
        turns = self._few
        if not turns.acquire(timeout=PATIENCE):
            turns = self._more
            turns.acquire()
        try:
            yield
        finally:
            turns.release()


@final
class AsyncTurns:
    """The turns of tasks."""

    def __init__(self) -> None:
        import anyio

        self._anyio = anyio
        self._few = anyio.Semaphore(FEW)
        self._more = anyio.Semaphore(MOST - FEW)

    @asynccontextmanager
    async def one(self, *, held: bool) -> AsyncIterator[None]:
        """Wait for a turn, and have it."""
        if held:
            yield
            return
        turns = self._few
        with self._anyio.move_on_after(PATIENCE) as patience:
            await turns.acquire()
        if patience.cancelled_caught:
            turns = self._more
            await turns.acquire()
        try:
            yield
        finally:
            turns.release()
