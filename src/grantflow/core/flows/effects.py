"""What a flow is, and the one effect that it has."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, final
from typing import Final as Constant

from attrs import evolve, field, frozen

from grantflow.core.flows.events import Event, Received
from grantflow.core.flows.states import Final, Started, Waiting
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply
from grantflow.core.values.time import Instant, Moment

P = TypeVar("P", covariant=True)

Spends: TypeAlias = Literal["code", "refresh_token"]
"""What a request may use up."""


@final
@frozen
class Send:
    """Wait until ``not_before``, send ``request`` once, and read the reply with ``read``.

    Waiting and sending are one effect, so there is no timer event, and ``read`` travels with the
    request, so a driver knows no endpoint. ``read`` never raises, whatever the bytes.

    ``spends`` says what the request may use up: a device or authorization ``code``, or a
    ``refresh_token``. A driver that is interrupted finishes such a request and saves what it
    brought; any other request may be abandoned at any time.
    """

    request: Request
    not_before: Instant
    read: Callable[[Reply, Moment], Received] = field(repr=False, eq=False)
    spends: Spends | None = field(default=None, kw_only=True)


Due: TypeAlias = Send | Final
"""What a driver does next: perform the ``Send``, or return the final state."""

_SHORTEST: Constant = timedelta(seconds=1)


def limited(request: Request, state: Started | Waiting[object]) -> Request:
    """Return a request that takes no longer than the run has left, and a second at least."""
    if state.deadline is None:
        return request
    return evolve(request, timeout=max(state.deadline - state.not_before, _SHORTEST))


class Flow(Protocol[P]):
    """Three pure functions that are a protocol: where it starts, what is due, what follows.

    ``P`` is the type of its phases (``DeviceState``, ``GrantState``). What ``due`` and ``step``
    take is a state that this flow returned: a phase, or a ``Wrapper`` around one.
    """

    def start(self, now: Moment, /) -> P:
        """Return the first state."""
        ...

    def due(self, state: Any, /) -> Due:  # type: ignore[explicit-any]
        """Return what is due in this state: one ``Send``, or the end. A function of the state."""
        ...

    def step(self, state: Any, event: Event, /) -> P:  # type: ignore[explicit-any]
        """Return the state after an event. Total: any event may come in any state."""
        ...
