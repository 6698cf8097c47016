"""The async driver of a session: perform what is due once, then tell what happened.

What is cut short when nobody waits any more, and what is not:

1. Waiting costs nothing to leave: for the lock, for the next poll or attempt, and for a person
   within a poll that the server holds (``Request.wait``). The lock is asked for again and again, so
   no thread waits for it.
2. A request that spends nothing may be left: for a device code, or with the client's own secret.
3. A refresh or a poll that has left is waited for. It may bring the only token that works from now
   on, which is saved. So are saving and removing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar, assert_never, final

import anyio
from attrs import frozen

from grantflow.core.acquisition.machine import Acquisition
from grantflow.core.acquisition.states import (
    Acquired,
    AcquisitionEvent,
    AcquisitionState,
    Delete,
    Effect,
    Mark,
    NotAcquired,
    ReadCache,
    Replied,
    Save,
    TakeLock,
)
from grantflow.core.flows.effects import Send
from grantflow.shell.aio.driver import AsyncClock, AsyncTransport
from grantflow.shell.ports import Claim
from grantflow.shell.sources.acquire import TOLD_AFTER, Happened, StoredEntry, busy, lock_pauses

T = TypeVar("T")
V = TypeVar("V")


class Patience(Protocol):
    """Waits for as long as it makes sense, and raises when it does not any more."""

    async def __call__(self, wait: Callable[[], Awaitable[V]], /) -> V:
        """Wait."""
        ...


class InStore(Protocol):
    """Does something in the store, in a thread where the store may block."""

    async def __call__(self, job: Callable[[], T], /) -> T:
        """Do it to its end, whatever is cancelled meanwhile."""
        ...


@final
@frozen
class AsyncPorts:
    """What a session needs from outside.

    ``show`` sees every state; ``waiting`` is called once another owner has held the lock for a
    second.
    """

    entry: StoredEntry
    in_store: InStore
    transport: AsyncTransport
    clock: AsyncClock
    show: Callable[[AcquisitionState], None]
    patiently: Patience
    waiting: Callable[[], None]


async def settle(session: Acquisition, ports: AsyncPorts) -> Acquired | NotAcquired:
    """Run a session to its end; the key's lock is held from the claim until the entry is closed."""
    state = session.start(ports.clock.now())
    while True:
        ports.show(state)
        due = session.due(state)
        if isinstance(due, (Acquired, NotAcquired)):
            return due
        state = session.step(state, await _performed(due, ports))


async def _performed(due: Effect, ports: AsyncPorts) -> AcquisitionEvent:
    match due:
        case ReadCache():
            happened = await ports.in_store(ports.entry.read)
        case TakeLock(wait=wait):
            happened = await _lock(ports, wait=wait)
        case Mark(token=token):
            happened = await ports.in_store(lambda: ports.entry.mark(token))
        case Save(token=token):
            happened = await ports.in_store(lambda: ports.entry.save(token))
        case Delete():
            happened = await ports.in_store(ports.entry.delete)
        case Send(request=request, not_before=not_before, spends=spends):
            await ports.patiently(lambda: ports.clock.sleep_until(not_before))
            if spends is not None and request.wait is None:
                reply = await ports.transport(request)
            else:
                reply = await ports.patiently(lambda: ports.transport(request))
            return Replied(reply, ports.clock.now())
        case _:
            assert_never(due)
    return happened(ports.clock.now())


async def _lock(ports: AsyncPorts, *, wait: bool) -> Happened:
    pauses, since, told = lock_pauses(), anyio.current_time(), False
    while True:
        happened = await ports.in_store(lambda: ports.entry.lock(wait=False))
        if not (wait and happened is busy):
            return happened
        if not told and anyio.current_time() - since >= TOLD_AFTER:
            told = True
            ports.waiting()
        await ports.patiently(partial(anyio.sleep, next(pauses)))


async def claimed(entry: StoredEntry, in_store: InStore, patiently: Patience) -> Claim:
    """Take the lock of an entry, and wait for it; raises ``StoreError``."""
    pauses = lock_pauses()
    while True:
        claim = await in_store(lambda: entry.claimed(wait=False))
        if claim is not None:
            return claim
        await patiently(partial(anyio.sleep, next(pauses)))
