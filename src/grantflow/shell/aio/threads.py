"""Waiting for threads without blocking the event loop.

The threads are grantflow's own and not the workers of the event loop: those are few, and if all of
them waited for a token, nobody would be left to fetch it. They are daemons, for one that waits for
a file's lock cannot be interrupted, and must not keep a process from ending.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import TypeVar

import anyio

from grantflow.shell.aio.loops import running_loop

T = TypeVar("T")


async def run_in_thread(job: Callable[[], T]) -> T:
    """Do a job in a thread; whoever is cancelled meanwhile leaves it to end by itself."""
    return await answered(started(job, "grantflow"))


def started(job: Callable[[], T], name: str) -> Future[T]:
    """Begin a job in a thread of its own."""
    future: Future[T] = Future()
    Thread(target=do, args=(job, future), name=name, daemon=True).start()
    return future


def do(job: Callable[[], T], future: Future[T]) -> None:
    """Do a job, and tell the future how it went."""
    try:
        future.set_result(job())
    except BaseException as error:  # noqa: BLE001 - it is raised where the job was given
        future.set_exception(error)


async def answered(future: Future[T]) -> T:
    """Wait for a thread's answer; whoever is cancelled meanwhile may ask again."""
    await _arrival(future).wait()
    return future.result()


async def wait_shielded(future: Future[T]) -> T:
    """Wait for a thread's answer, whatever is cancelled meanwhile."""
    await surely(_arrival(future))
    return future.result()


async def surely(event: anyio.Event) -> None:
    """Wait for an event that is bound to come, whatever is cancelled meanwhile."""
    cancelled = anyio.get_cancelled_exc_class()
    with anyio.CancelScope(shield=True):
        while not event.is_set():
            with suppress(cancelled):  # asyncio's own ``Task.cancel`` heeds no shield
                await event.wait()


def _arrival(future: Future[T]) -> anyio.Event:
    arrived, loop = anyio.Event(), running_loop()
    if future.done():
        arrived.set()
    else:
        future.add_done_callback(lambda _: loop.post(arrived.set))
    return arrived
