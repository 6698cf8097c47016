"""Which event leads from which state to which, as tables; the diagrams are drawn from them.

An event that a row does not name leads to ``Failed``: a driver that mixes up replies ends with a
reason, not with an exception. Final states absorb every event. The exploration of the state space
holds the edges that it observes equal to the ones that are declared here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from grantflow.core.flows.events import (
    CodeExpired,
    CodeIssued,
    Event,
    GaveUp,
    Received,
    Rejected,
    SlowDownAsked,
    StillPending,
    TokenIssued,
    Unanswered,
)
from grantflow.core.flows.states import (
    Authorized,
    Expired,
    Failed,
    Pending,
    SlowDown,
    Started,
    State,
)
from grantflow.core.values.errors import Cancelled, InvalidResponse

StateType: TypeAlias = type[State[object]]
Row: TypeAlias = Mapping[type[Event], frozenset[StateType]]
Edges: TypeAlias = Mapping[StateType, Row]


def _to(*states: StateType) -> frozenset[StateType]:
    return frozenset(states)


_FAILS: Final[Row] = {Rejected: _to(Failed), GaveUp: _to(Failed)}

DEVICE: Final[Edges] = {
    Started: {
        CodeIssued: _to(Pending, Expired),
        Unanswered: _to(Started, Expired, Failed),
        **_FAILS,
    },
    Pending: {
        TokenIssued: _to(Authorized),
        StillPending: _to(Pending, Expired),
        SlowDownAsked: _to(SlowDown, Expired),
        Unanswered: _to(Pending, Expired, Failed),
        CodeExpired: _to(Expired),
        **_FAILS,
    },
    SlowDown: {
        TokenIssued: _to(Authorized),
        StillPending: _to(Pending, Expired),
        SlowDownAsked: _to(SlowDown, Expired),
        Unanswered: _to(SlowDown, Expired, Failed),
        CodeExpired: _to(Expired),
        **_FAILS,
    },
}
"""The device flow."""

_ATTEMPT: Final[Row] = {
    TokenIssued: _to(Authorized),
    SlowDownAsked: _to(SlowDown, Expired, Failed),
    Unanswered: _to(Pending, Expired, Failed),
    **_FAILS,
}

TOKEN_REQUEST: Final[Edges] = {Started: _ATTEMPT, Pending: _ATTEMPT, SlowDown: _ATTEMPT}
"""Client credentials, refresh, registration, and any other single token request."""


def failed(event: Received) -> Failed:
    """Return the end that an event leads to if its state has no use for it.

    >>> from datetime import timedelta
    >>> from grantflow.core.values.time import Instant
    >>> failed(GaveUp(Instant(timedelta())))
    Failed(error=Cancelled())
    """
    match event:
        case Rejected(_, error):
            return Failed(error)
        case GaveUp():
            return Failed(Cancelled())
        case _:
            return Failed(InvalidResponse(f"unexpected event: {type(event).__name__}"))


def declared(edges: Edges, state: StateType, event: type[Event]) -> frozenset[StateType]:
    """Return the states that may follow.

    >>> [each.__name__ for each in declared(DEVICE, Pending, TokenIssued)]
    ['Authorized']
    >>> [each.__name__ for each in declared(DEVICE, Pending, CodeIssued)]
    ['Failed']
    >>> [each.__name__ for each in declared(DEVICE, Expired, TokenIssued)]
    ['Expired']
    """
    row = edges.get(state)
    return _to(state) if row is None else row.get(event, _to(Failed))
