"""The blocking driver of a session: perform what is due once, then tell what happened."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import assert_never, final

from attrs import frozen

from grantflow.core.effects import Send
from grantflow.core.errand import (
    Claim,
    Claimed,
    Forget,
    Forgotten,
    Heard,
    Kept,
    NotClaimed,
    NotKept,
    Ready,
    Save,
    SessionEvent,
    SessionState,
    Stuck,
)
from grantflow.core.session import Session
from grantflow.shell.ports import Clock, Store, StoreError, Transport


@final
@frozen
class Ports:
    """What a session needs from outside; ``show`` sees every state."""

    store: Store
    app_key: str
    transport: Transport
    clock: Clock
    show: Callable[[SessionState], None]


def settle(session: Session, ports: Ports) -> Ready | Stuck:
    """Run a session to its end; the key's lock is held from the claim until then."""
    with ExitStack() as held:
        state = session.start(ports.clock.now())
        claimed = False
        while True:
            ports.show(state)
            due = session.due(state)
            if isinstance(due, (Ready, Stuck)):
                return due
            state = session.step(state, _performed(due, ports, None if claimed else held))
            claimed = True  # the first thing that a session does, if it does anything


def _performed(
    due: Claim | Send | Save | Forget, ports: Ports, unclaimed: ExitStack | None
) -> SessionEvent:
    match due:
        case Claim(key):
            return _claimed(ports, key, unclaimed)
        case Send(request=request, not_before=not_before):
            ports.clock.sleep_until(not_before)
            reply = ports.transport(request)
            return Heard(reply, ports.clock.now())
        case Save(key, token):
            try:
                ports.store.save(key, token)
            except StoreError as error:
                return NotKept(f"the token could not be saved: {error}")
            return Kept()
        case Forget(key):
            try:
                ports.store.forget(key)
            except StoreError as error:
                return Forgotten(ports.clock.now(), f"the token could not be removed: {error}")
            return Forgotten(ports.clock.now())
        case _:
            assert_never(due)


def _claimed(ports: Ports, key: str, unclaimed: ExitStack | None) -> Claimed | NotClaimed:
    try:
        if unclaimed is None:
            stored = ports.store.read(key)
        else:
            stored = unclaimed.enter_context(ports.store.claim(key))
        return Claimed(stored, ports.store.read(ports.app_key), ports.clock.now())
    except StoreError as error:
        return NotClaimed(f"the store cannot be used: {error}", ports.clock.now())
