"""The six states of every flow, and which may follow which.

A state says everything: what is due next is a function of it alone, so it can be compared, kept,
resumed and rendered. Rules:

1. In the device flow ``Pending`` and ``SlowDown`` wait for a person and hold the device
   authorization; in the other flows they wait for the next allowed attempt and hold ``None``.
2. ``SlowDown`` means that the server's last word was to ask less often. The longer interval is in
   the data, so the state may become ``Pending`` again without forgetting it.
3. ``Expired`` means that the time ran out: the code's in the device flow, else the budget.
4. ``Authorized``, ``Expired`` and ``Failed`` absorb every event.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final as Constant
from typing import Generic, TypeAlias, TypeVar, final

from attrs import field, frozen

from grantflow.core.values.errors import Error, InteractionRequired
from grantflow.core.values.json import Members
from grantflow.core.values.response import Fault
from grantflow.core.values.time import Instant
from grantflow.core.values.token import DeviceAuthorization, Token

A = TypeVar("A")
_NO_GRANT: Constant = Members()


@final
@frozen
class Started:
    """Nothing has been answered yet. ``deadline`` ends the run's own time budget, if it has one."""

    not_before: Instant
    faults: int = 0
    deadline: Instant | None = None


@final
@frozen
class Pending(Generic[A]):
    """Waiting until ``not_before``: for the person (device flow) or for the next attempt.

    ``polls`` counts the polls (or attempts) that are over, ``faults`` the unanswered ones in a row.
    ``nonce`` is what the next proof of possession has to hold (RFC 9449 section 8); ``grant`` is
    what the first of two steps brought, where a provider has two (``exchange``).
    """

    authorization: A
    interval: timedelta
    not_before: Instant
    polls: int = 0
    faults: int = 0
    deadline: Instant | None = None
    nonce: str | None = None
    grant: Members = _NO_GRANT


@final
@frozen
class SlowDown(Generic[A]):
    """The same as ``Pending``, after the server asked to be asked less often."""

    authorization: A
    interval: timedelta
    not_before: Instant
    polls: int = 0
    faults: int = 0
    deadline: Instant | None = None
    nonce: str | None = None
    grant: Members = _NO_GRANT


@final
@frozen
class Authorized:
    """Signed in."""

    token: Token


@final
@frozen
class Expired:
    """The time ran out. ``fault`` is the trouble that used it up, if the last reply was trouble.

    ``retry_after`` is the pause that the server then asked for, as in ``Unreachable``.
    """

    fault: Fault | None = None
    retry_after: timedelta | None = field(default=None, kw_only=True)


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

Edges: TypeAlias = Mapping[type[State[object]], frozenset[type[State[object]]]]

DEVICE_EDGES: Constant[Edges] = {
    Started: frozenset({Started, Pending, Expired, Failed}),
    Pending: frozenset({Pending, SlowDown, Authorized, Expired, Failed}),
    SlowDown: frozenset({SlowDown, Pending, Authorized, Expired, Failed}),
    Authorized: frozenset({Authorized}),
    Expired: frozenset({Expired}),
    Failed: frozenset({Failed}),
}
"""Which state may become which in the device flow; a test compares them with what is observed."""

GRANT_EDGES: Constant[Edges] = {
    Started: frozenset({Pending, SlowDown, Authorized, Expired, Failed}),
    Pending: frozenset({Pending, SlowDown, Authorized, Expired, Failed}),
    SlowDown: frozenset({SlowDown, Pending, Authorized, Expired, Failed}),
    Authorized: frozenset({Authorized}),
    Expired: frozenset({Expired}),
    Failed: frozenset({Failed}),
}
"""The same for client credentials and refresh."""


Problem: TypeAlias = Expired | Failed | InteractionRequired
