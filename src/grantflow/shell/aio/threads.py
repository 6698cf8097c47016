"""Doing in a thread what would block the event loop.

The threads are not counted among the event loop's own: those are few, and if all of them waited for
a token, none would be left to fetch it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

import anyio
from anyio.lowlevel import RunVar

T = TypeVar("T")

_STORE_THREADS: Final = 16
_MOST_THREADS: Final = 40
_STORE: Final = RunVar[anyio.CapacityLimiter]("grantflow stores")
_OTHER: Final = RunVar[anyio.CapacityLimiter]("grantflow")


async def run_in_thread(job: Callable[[], T]) -> T:
    """Do a job in a thread; a caller that is cancelled meanwhile leaves it to end by itself."""
    return await anyio.to_thread.run_sync(
        job, limiter=_limiter(_OTHER, _MOST_THREADS), abandon_on_cancel=True
    )


async def run_in_store_thread(job: Callable[[], T]) -> T:
    """Do a job of a store in one of 16 threads, to its end; it does not wait for a lock."""
    return await anyio.to_thread.run_sync(job, limiter=_limiter(_STORE, _STORE_THREADS))


async def run_here(job: Callable[[], T]) -> T:
    """Do a job at once, on the event loop: it never blocks."""
    return job()


async def surely(event: anyio.Event) -> None:
    """Wait for an event that is bound to come, whatever is cancelled meanwhile."""
    cancelled = anyio.get_cancelled_exc_class()
    with anyio.CancelScope(shield=True):
        while not event.is_set():
            with suppress(cancelled):  # asyncio's own ``Task.cancel`` heeds no shield
                await event.wait()


def _limiter(variable: RunVar[anyio.CapacityLimiter], most: int) -> anyio.CapacityLimiter:
    """Return the event loop's limiter of a kind."""
    found = variable.get(None)
    if found is None:
        found = anyio.CapacityLimiter(most)
        variable.set(found)
    return found
