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

from grantflow.core.client_credentials import ClientCredentialsFlow
from grantflow.core.effects import Send
from grantflow.core.errand import (
    Claim,
    Forget,
    Heard,
    Look,
    Obtaining,
    Ready,
    Save,
    SessionEvent,
    SessionState,
    Stuck,
)
from grantflow.core.session import Session
from grantflow.core.states import Started
from grantflow.shell.aio.driver import AsyncClock, AsyncTransport
from grantflow.shell.aio.tenure import Tenure
from grantflow.shell.aio.threads import answered, surely_answered

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
    show: Callable[[SessionState], None]
    patiently: Patience


async def settle(session: Session, ports: AsyncPorts) -> Ready | Stuck:
    """Run a session to its end; the key's lock is held from the claim until the tenure ends."""
    state = session.start(ports.clock.now())
    while True:
        ports.show(state)
        due = session.due(state)
        if isinstance(due, (Ready, Stuck)):
            return due
        state = session.step(state, await _performed(due, state, ports))


async def _performed(
    due: Look | Claim | Send | Save | Forget, state: SessionState, ports: AsyncPorts
) -> SessionEvent:
    match due:
        case Look() | Claim():
            looked = ports.tenure.look(due)
            told = await ports.patiently(lambda: answered(looked))
            return told(ports.clock.now())
        case Save() | Forget():
            told = await surely_answered(ports.tenure.write(due))
            return told(ports.clock.now())
        case Send(request=request, not_before=not_before):
            await ports.patiently(lambda: ports.clock.sleep_until(not_before))
            if _spends(state, due):
                reply = await ports.transport(request)
            else:
                reply = await ports.patiently(lambda: ports.transport(request))
            return Heard(reply, ports.clock.now())
        case _:
            assert_never(due)


def _spends(state: SessionState, send: Send) -> bool:
    """Tell whether a request may use up what cannot be had again."""
    if not isinstance(state, Obtaining) or send.request.wait is not None:
        return False
    if isinstance(state.run.flow, ClientCredentialsFlow):
        return False
    # A first request for a device code spends nothing; a first refresh does.
    return state.old is not None or not isinstance(state.run.state, Started)
