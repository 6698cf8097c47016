"""The blocking driver of a session: perform what is due once, then tell what happened."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import TypeAlias, assert_never, final

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
    Locked,
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
from grantflow.shell.ports import (
    Clock,
    LockedError,
    Store,
    StoreError,
    Transport,
    TryingStore,
)


@final
@frozen
class Ports:
    """What a session needs from outside; ``show`` sees every state."""

    store: Store
    app_key: str
    transport: Transport
    clock: Clock
    show: Callable[[AcquisitionState], None]


def acquire(session: Acquisition, ports: Ports) -> Acquired | NotAcquired:
    """Run a session to its end; the key's lock is held from the claim until then."""
    with ExitStack() as held:
        custody = Custody(ports.store, ports.app_key, held)
        state = session.start(ports.clock.now())
        while True:
            ports.show(state)
            due = session.due(state)
            if isinstance(due, (Acquired, NotAcquired)):
                return due
            state = session.step(state, _performed(due, ports, custody))


def _performed(
    due: ReadCache | TakeLock | Send | Save | Delete, ports: Ports, custody: Custody
) -> AcquisitionEvent:
    match due:
        case Send(request=request, not_before=not_before):
            ports.clock.sleep_until(not_before)
            reply = ports.transport(request)
            return Replied(reply, ports.clock.now())
        case ReadCache() | TakeLock() | Save() | Delete():
            return custody.perform(due)(ports.clock.now())
        case _:
            assert_never(due)


Told: TypeAlias = Callable[[Moment], AcquisitionEvent]
"""What a store did, once somebody says when."""


@final
class Custody:
    """A store during one session: claimed at most once, until ``held`` ends.

    All of it happens on one thread, for locks are bound to theirs.
    """

    def __init__(self, store: Store, app_key: str, held: ExitStack) -> None:
        self._store = store
        self._app_key = app_key
        self._held = held
        self._tried = False

    def perform(self, due: ReadCache | TakeLock | Save | Delete) -> Told:
        """Do once what a session has due in the store."""
        match due:
            case ReadCache(key):
                return self._looked(key)
            case TakeLock(key, wait):
                return self._claimed(key, wait=wait)
            case Save(key, token):
                try:
                    self._store.save(key, token)
                except StoreError as error:
                    problem = SaveFailed(f"the token could not be saved: {error}")
                    return lambda _: problem
                return lambda _: Saved()
            case Delete(key):
                try:
                    self._store.forget(key)
                except StoreError as error:
                    return partial(Deleted, problem=f"the token could not be removed: {error}")
                return Deleted
            case _:
                assert_never(due)

    def _looked(self, key: str) -> Told:
        # Others may do in ``claim`` what makes a token good, so they are claimed first.
        if not isinstance(self._store, TryingStore):
            return partial(CacheRead, None, None)
        try:
            return partial(CacheRead, self._store.read(key), self._store.read(self._app_key))
        except StoreError as error:
            return _unusable(error)

    def _claimed(self, key: str, *, wait: bool) -> Told:
        first, self._tried = not self._tried, True
        try:
            if first:
                stored = self._held.enter_context(self._lock(key, wait=wait))
            else:
                stored = self._store.read(key)
            return partial(Locked, stored, self._store.read(self._app_key))
        except LockedError:
            return lambda _: Busy()
        except StoreError as error:
            return _unusable(error)

    def _lock(self, key: str, *, wait: bool) -> AbstractContextManager[Token | None]:
        if not wait and isinstance(self._store, TryingStore):
            return self._store.try_claim(key)
        return self._store.claim(key)


def _unusable(error: StoreError) -> Told:
    return partial(StoreFailed, f"the store cannot be used: {error}")
