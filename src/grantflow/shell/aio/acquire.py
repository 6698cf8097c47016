"""The async driver of a session: perform what is due once, then tell what happened.

What is cut short when nobody waits any more, and what is not:

1. Waiting costs nothing to leave: for the lock, for the next poll or attempt, and for a person
   within a poll that the server holds (``Request.wait``).
2. A request that spends nothing may be left: for a device code, or with the client's own secret.
3. A refresh or a poll that has left is waited for. It may bring the only token that works from now
   on, which is saved. So are saving and removing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar, assert_never, final

from attrs import frozen

from grantflow.core.acquisition.machine import Acquisition
from grantflow.core.acquisition.states import (
    Acquired,
    AcquisitionEvent,
    AcquisitionState,
    Delete,
    NotAcquired,
    ReadCache,
    Replied,
    Requesting,
    Save,
    TakeLock,
)
from grantflow.core.flows.client_credentials import ClientCredentialsFlow
from grantflow.core.flows.effects import Send
from grantflow.core.flows.states import Started
from grantflow.shell.aio.driver import AsyncClock, AsyncTransport
from grantflow.shell.aio.tenure import Tenure
from grantflow.shell.aio.threads import answered, wait_shielded

V = TypeVar("V")


class Patience(Protocol):
    """Waits for as long as it makes sense, and raises when it does not any more."""

    async def __call__(self, wait: Callable[[], Awaitable[V]], /) -> V:
        """Wait."""
        ...


@final
@frozen
class AsyncPorts:
    """What a session needs from outside; ``show`` sees every state."""

    tenure: Tenure
    transport: AsyncTransport
    clock: AsyncClock
    show: Callable[[AcquisitionState], None]
    patiently: Patience


async def settle(session: Acquisition, ports: AsyncPorts) -> Acquired | NotAcquired:
    """Run a session to its end; the key's lock is held from the claim until the tenure ends."""
    state = session.start(ports.clock.now())
    while True:
        ports.show(state)
        due = session.due(state)
        if isinstance(due, (Acquired, NotAcquired)):
            return due
        state = session.step(state, await _performed(due, state, ports))


async def _performed(
    due: ReadCache | TakeLock | Send | Save | Delete, state: AcquisitionState, ports: AsyncPorts
) -> AcquisitionEvent:
    match due:
        case ReadCache() | TakeLock():
            looked = ports.tenure.look(due)
            told = await ports.patiently(lambda: answered(looked))
            return told(ports.clock.now())
        case Save() | Delete():
            told = await wait_shielded(ports.tenure.write(due))
            return told(ports.clock.now())
        case Send(request=request, not_before=not_before):
            await ports.patiently(lambda: ports.clock.sleep_until(not_before))
            if _spends(state, due):
                reply = await ports.transport(request)
            else:
                reply = await ports.patiently(lambda: ports.transport(request))
            return Replied(reply, ports.clock.now())
        case _:
            assert_never(due)


def _spends(state: AcquisitionState, send: Send) -> bool:
    """Tell whether a request may use up what cannot be had again."""
    if not isinstance(state, Requesting) or send.request.wait is not None:
        return False
    if isinstance(state.run.flow, ClientCredentialsFlow):
        return False
    # A first request for a device code spends nothing; a first refresh does.
    return state.old is not None or not isinstance(state.run.state, Started)
