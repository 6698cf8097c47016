"""The six states of every flow.

A state says everything: what is due next is a function of it alone, so it can be compared, kept,
resumed and rendered. Rules:

1. In the device flow ``Pending`` and ``SlowDown`` wait for a person and hold the device
   authorization; in token requests they wait for the next attempt and hold ``None``.
2. ``SlowDown`` means that the server's last answer asked for a lower rate. The longer interval is
   in the data, so the state may become ``Pending`` again without losing it.
3. ``Expired`` means that the time ran out: the code's in the device flow, else the budget.
4. ``Authorized``, ``Expired`` and ``Failed`` absorb every event.
5. What an extension needs beside them (a DPoP nonce, the first of two steps) is in a ``Wrapper``
   around one of the six, so no field here serves one extension only. ``phase`` unwraps it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Generic, TypeAlias, TypeVar, cast, final

from attrs import evolve, frozen

from grantflow.core.values.errors import Error, InteractionRequired
from grantflow.core.values.response import Fault
from grantflow.core.values.time import Instant
from grantflow.core.values.token import DeviceAuthorization, Token

A = TypeVar("A", covariant=True)
P = TypeVar("P", covariant=True)
S = TypeVar("S")


@final
@frozen
class Started:
    """Nothing has been answered yet. ``deadline`` ends the run's own time budget, if it has one."""

    not_before: Instant
    faults: int = 0
    deadline: Instant | None = None


@frozen
class Waiting(Generic[A]):
    """What ``Pending`` and ``SlowDown`` have in common.

    The next request leaves at ``not_before`` or later, and the ones after it ``interval`` apart.
    ``polls`` counts the polls (or attempts) that are over, ``faults`` the unanswered ones in a row,
    ``unreadable`` those among them whose trouble does not pass by itself.
    """

    authorization: A
    interval: timedelta
    not_before: Instant
    polls: int = 0
    faults: int = 0
    deadline: Instant | None = None
    unreadable: int = 0


@final
@frozen
class Pending(Waiting[A]):
    """Waiting for the person (device flow), or for the next attempt (token requests)."""


@final
@frozen
class SlowDown(Waiting[A]):
    """The same, after the server asked for fewer requests."""


@final
@frozen
class Authorized:
    """Signed in. ``dropped`` names optional members of the answer that could not be used."""

    token: Token
    dropped: tuple[str, ...] = ()


@final
@frozen
class Expired:
    """The time ran out. ``fault`` is the trouble that used it up, if the last reply was trouble."""

    fault: Fault | None = None


@final
@frozen
class Failed:
    """Ended without a token, for the reason in ``error``."""

    error: Error


Final: TypeAlias = Authorized | Expired | Failed
"""Where a flow ends."""

State: TypeAlias = Started | Pending[A] | SlowDown[A] | Authorized | Expired | Failed
"""Every state, generic in the authorization that the two waiting ones hold."""

DeviceState: TypeAlias = State[DeviceAuthorization]
GrantState: TypeAlias = State[None]
AnyState: TypeAlias = DeviceState | GrantState

Problem: TypeAlias = Expired | Failed | InteractionRequired
"""Why there is no token."""


@frozen
class Wrapper(Generic[P]):
    """The state of a flow around another flow: the other one's state, and more.

    Derive from it, and ``phase`` finds the state that watchers and displays see.
    """

    inner: P | Wrapper[P]


def phase(state: S | Wrapper[S]) -> S:
    """Return the one of the six states that a state is in, whatever is wrapped around it.

    >>> phase(Wrapper(Wrapper(Expired())))
    Expired(fault=None)
    """
    return phase(state.inner) if isinstance(state, Wrapper) else state


def postponed(state: S | Wrapper[S], at: Instant, *, faults: int | None = None) -> S | Wrapper[S]:
    """Return a waiting state, its next request not before ``at``. ``faults`` replaces their count.

    >>> from datetime import timedelta
    >>> postponed(Started(Instant(timedelta())), Instant(timedelta(seconds=5))).not_before.seconds
    5
    """
    if isinstance(state, Wrapper):
        return evolve(state, inner=postponed(state.inner, at, faults=faults))
    waiting = cast("Started", state)  # or the other two, which have the same fields
    count = waiting.faults if faults is None else faults
    return cast("S", evolve(waiting, not_before=at, faults=count))
