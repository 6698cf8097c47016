"""The blocking driver of an acquisition: perform what is due once, then tell what happened.

A request that spends something is sent on a thread of its own, and what it brings is saved there,
so an interrupt of the thread that waits loses nothing: it is raised after that. A second one is
raised at once. Everything else is left at once.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from contextvars import copy_context
from functools import partial
from typing import Final, TypeAlias, assert_never, final

from attrs import frozen

from grantflow.core.acquisition.machine import Acquisition
from grantflow.core.acquisition.states import (
    Acquired,
    AcquisitionEvent,
    AcquisitionState,
    Busy,
    CacheRead,
    Delete,
    Deleted,
    Effect,
    Locked,
    Mark,
    NotAcquired,
    ReadCache,
    Replied,
    Save,
    Saved,
    SaveFailed,
    StoreFailed,
    TakeLock,
)
from grantflow.core.flows.effects import Send
from grantflow.core.values.time import Moment
from grantflow.core.values.token import Token
from grantflow.shell.finish import Work
from grantflow.shell.ports import Claim, Clock, Store, StoreError, Transport


def _unobserved() -> None:
    pass


@final
@frozen
class Ports:
    """What an acquisition needs from outside.

    ``show`` sees every state; ``waiting`` is called once another owner has held the lock for a
    second, on a thread of its own.
    """

    store: Store
    app_key: str
    transport: Transport
    clock: Clock
    show: Callable[[AcquisitionState], None]
    waiting: Callable[[], None] = _unobserved


def acquire(session: Acquisition, ports: Ports) -> Acquired | NotAcquired:
    """Run an acquisition to its end; the key's lock is held from the claim until then."""
    with closing(StoredEntry(ports.store, session.key, ports.app_key)) as entry:
        state = session.start(ports.clock.now())
        while True:
            ports.show(state)
            due = session.due(state)
            if isinstance(due, (Acquired, NotAcquired)):
                return due
            if isinstance(due, Send):
                ports.clock.sleep_until(due.not_before)
                if due.spends is not None and due.request.wait is None:
                    state = _spent(session, state, due, ports, entry)
                    continue
            state = session.step(state, _performed(due, ports, entry))


def _spent(
    session: Acquisition, state: AcquisitionState, due: Effect, ports: Ports, entry: StoredEntry
) -> AcquisitionState:
    """Return the state after a request that spends something and the saves that follow."""
    work = Work(partial(_passed, session, state, due, ports, entry))
    *passed, last = work.result()
    for each in passed:
        ports.show(each)
    if work.interrupt is not None:
        ports.show(last)
        raise work.interrupt
    return last


def _passed(
    session: Acquisition,
    state: AcquisitionState,
    due: Effect | Acquired | NotAcquired,
    ports: Ports,
    entry: StoredEntry,
) -> list[AcquisitionState]:
    passed: list[AcquisitionState] = []
    with entry.busy():
        while not isinstance(due, (Acquired, NotAcquired)):
            state = session.step(state, _performed(due, ports, entry))
            passed.append(state)
            due = session.due(state)
            if not isinstance(due, (Mark, Save, Delete)):
                break
    return passed


def _performed(due: Effect, ports: Ports, entry: StoredEntry) -> AcquisitionEvent:
    match due:
        case Send(request=request):
            reply = ports.transport(request)
            return Replied(reply, ports.clock.now())
        case ReadCache():
            happened = entry.read()
        case TakeLock(wait=wait):
            happened = entry.lock(wait=wait, waiting=ports.waiting)
        case Mark(token=token):
            happened = entry.mark(token)
        case Save(token=token):
            happened = entry.save(token)
        case Delete():
            happened = entry.delete()
        case _:
            assert_never(due)
    return happened(ports.clock.now())


Happened: TypeAlias = Callable[[Moment], AcquisitionEvent]
"""What a store did, once it is known when."""


def busy(_: Moment) -> Busy:
    """Another owner has the lock."""
    return Busy()


@contextmanager
def _after_a_second(tell: Callable[[], None]) -> Iterator[None]:
    timer = threading.Timer(TOLD_AFTER, copy_context().run, (tell,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


TOLD_AFTER: Final = 1.0
"""Seconds of waiting for another owner after which somebody is told."""
_SHORTEST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 0.25


def lock_pauses() -> Iterator[float]:
    """Yield how many seconds to wait before asking for a lock again: not all at one moment."""
    longest = _SHORTEST_PAUSE
    while True:
        yield random.uniform(longest / 2, longest)  # noqa: S311 - not a secret
        longest = min(longest * 1.5, _LONGEST_PAUSE)


@final
class StoredEntry:
    """The entry of one acquisition in its store; claimed at most once, until it is closed.

    Its methods may be called on any thread, one at a time.
    """

    def __init__(self, store: Store, key: str, app_key: str) -> None:
        self._store = store
        self._key = key
        self._app_key = app_key
        self._claim: Claim | None = None
        self._held = ExitStack()
        self._changing = threading.Lock()
        self._in_use = False
        self._left = False

    def read(self) -> Happened:
        """Read what is stored, without the lock."""
        try:
            return partial(CacheRead, self._store.read(self._key), self._app_token())
        except StoreError as error:
            return _unusable(error)

    def lock(self, *, wait: bool, waiting: Callable[[], None] = _unobserved) -> Happened:
        """Take the lock, unless it is held already, and read."""
        held_before = self._claim is not None
        try:
            claim = self.claimed(wait=False)
            if claim is None and wait:
                with _after_a_second(waiting):
                    claim = self.claimed(wait=True)
            if claim is None:
                return busy
            # A sibling that lost the lock, or never took it, may have written since.
            stored = self._store.read(self._key) if held_before else claim.token
            return partial(Locked, stored, self._app_token())
        except StoreError as error:
            return _unusable(error)

    def mark(self, token: Token) -> Happened:
        """Store a token that is there already, with another mark."""
        try:
            self._write(token)
        except StoreError as error:
            return _unusable(error)
        return lambda _: Saved()

    def save(self, token: Token) -> Happened:
        """Store a token."""
        try:
            self._write(token)
        except StoreError as error:
            failed = SaveFailed(str(error))
            return lambda _: failed
        return lambda _: Saved()

    def _write(self, token: Token) -> None:
        claim = self.claimed(wait=getattr(self._store, "blocking", True))
        if claim is None:
            raise StoreError("another owner has the lock")
        claim.save(token)

    def delete(self) -> Happened:
        """Remove what is stored; a store that kept a late token aside puts that in its place."""
        try:
            recover: Callable[[], Token | None] | None = getattr(self._claim, "recover", None)
            late = None if recover is None else recover()
            if late is not None:
                return partial(Deleted, late=late)
            if self._claim is not None:
                self._claim.forget()
        except StoreError as error:
            return partial(Deleted, reason=str(error))
        return Deleted

    def close(self) -> None:
        """Let go of the lock, after what is ``busy`` with the entry."""
        with self._changing:
            if self._in_use:
                self._left = True
                return
        self._claim = None
        self._held.close()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Use the entry on another thread, which keeps the lock if this one leaves."""
        self._in_use = True
        try:
            yield
        finally:
            with self._changing:
                self._in_use = False
            if self._left:
                self.close()

    def claimed(self, *, wait: bool) -> Claim | None:
        """Take the lock, unless it is held already; raises ``StoreError``."""
        if self._claim is None:
            with ExitStack() as attempt:
                self._claim = attempt.enter_context(self._store.claim(self._key, wait))
                if self._claim is not None:
                    self._held = attempt.pop_all()
        return self._claim

    def _app_token(self) -> Token | None:
        return self._store.read(self._app_key)


def _unusable(error: StoreError) -> Happened:
    return partial(StoreFailed, str(error))
