"""One token request that is repeated where repeating is allowed: what the other two flows share.

Rules:

1. ``Pending`` waits for the next attempt after no answer, ``SlowDown`` after the server asked for
   a pause (429, 503, ``Retry-After``, ``slow_down``). Both count as attempts.
2. After ``tries`` attempts the run has failed; when the budget ends before the next attempt, it
   has expired.
3. A fault that may have reached the server ends a run that must not ask twice.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import assert_never

from grantflow.core.flows.dpop import NEVER_CONTENT, kept
from grantflow.core.flows.effects import Due, Send, Spends, limited
from grantflow.core.flows.events import (
    CodeExpired,
    CodeIssued,
    Event,
    GaveUp,
    GrantIssued,
    NonceAsked,
    Rejected,
    SlowDownAsked,
    StillPending,
    TokenIssued,
    TokenReply,
    Unanswered,
)
from grantflow.core.flows.pacing import SECOND, Backoff, next_poll, slowed
from grantflow.core.flows.states import (
    Authorized,
    Expired,
    Failed,
    Final,
    GrantState,
    Pending,
    SlowDown,
    Started,
)
from grantflow.core.values.errors import Cancelled, InvalidResponse, Unreachable
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply
from grantflow.core.values.time import Instant, Moment

ASKED_TO_WAIT = Fault("http", "no", "the server asked to be asked later")


def known(state: GrantState) -> str | None:
    """Return the nonce that the server gave last."""
    return state.nonce if isinstance(state, (Pending, SlowDown)) else None


def started(now: Moment, budget: timedelta) -> Started:
    """Return the first state: due at once, over when the budget is."""
    return Started(now.mono, deadline=Instant(now.mono + budget))


def due(
    state: GrantState,
    request: Request,
    read: Callable[[Reply, Moment], TokenReply],
    spends: Spends | None = None,
) -> Due:
    """Return the request, or the end."""
    match state:
        case Started() | Pending() | SlowDown():
            request = limited(request, state.not_before, state.deadline)
            return Send(request, state.not_before, read, spends=spends)
        case Authorized() | Expired() | Failed():
            return state
        case _:
            assert_never(state)


def stepped(state: GrantState, event: Event, backoff: Backoff, *, twice: bool) -> GrantState:
    """Return the next state; ``twice`` allows to repeat what may have arrived."""
    match state:
        case Started() | Pending() | SlowDown():
            return kept(_waiting(state, event, backoff, twice=twice), event, known(state))
        case Authorized() | Expired() | Failed():
            return state
        case _:
            assert_never(state)


def _waiting(
    state: Started | Pending[None] | SlowDown[None],
    event: Event,
    backoff: Backoff,
    *,
    twice: bool,
) -> Pending[None] | SlowDown[None] | Final:
    interval = SECOND if isinstance(state, Started) else state.interval
    faults = state.faults + 1
    match event:
        case TokenIssued(_, token):
            return Authorized(token)
        case Rejected(_, error):
            return Failed(error)
        case GaveUp():
            return Failed(Cancelled())
        case SlowDownAsked(at, asked, pause, roll):
            if faults >= backoff.tries:
                return Failed(Unreachable(ASKED_TO_WAIT, faults, pause))
            longer = slowed(interval, asked)
            law = max(longer, pause or timedelta())
            # A fleet that was told to wait must not come back in one instant: spread upwards.
            after = next_poll(at, law, law + longer * roll / 2, state.deadline)
            if after is None:
                return Expired(ASKED_TO_WAIT, retry_after=pause)
            return SlowDown(None, longer, after, faults, faults, state.deadline)
        case Unanswered(at, fault, pause, roll):
            spent = fault.reached == "maybe" and not twice
            if spent or faults >= backoff.tries:
                return Failed(Unreachable(fault, faults, pause))
            law = max(interval, pause or timedelta())
            after = next_poll(at, law, max(law, backoff.wait(faults, roll)), state.deadline)
            if after is None:
                return Expired(fault, retry_after=pause)
            return Pending(None, interval, after, faults, faults, state.deadline)
        case NonceAsked(at, _, roll):
            first = known(state) is None
            # Whoever never had a nonce could not give one: that was no attempt.
            faults = 0 if first else faults
            if faults >= backoff.tries:
                return Failed(NEVER_CONTENT)
            law = timedelta() if first else interval
            wish = law if first else max(law, backoff.wait(faults, roll))
            after = next_poll(at, law, wish, state.deadline)
            if after is None:
                return Expired()
            return Pending(None, interval, after, faults, faults, state.deadline)
        case CodeIssued() | GrantIssued() | StillPending() | CodeExpired():
            return Failed(
                InvalidResponse("the token endpoint answered as if this were a device sign-in")
            )
        case _:
            assert_never(event)
