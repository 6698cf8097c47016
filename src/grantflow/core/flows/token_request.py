"""A single token request, repeated as far as its kind allows (RFC 6749 section 3.2).

Rules:

1. ``Pending`` waits for the next attempt after no answer, ``SlowDown`` after the server asked for
   a pause (429, 503, ``Retry-After``, ``slow_down``). Both count as attempts.
2. After ``tries`` attempts the run has failed; if the budget ends before the next attempt, it has
   expired.
3. A fault that may have reached the server ends a run that must not ask twice.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import assert_never

from grantflow.core.flows.edges import failed
from grantflow.core.flows.effects import Due, Send, Spends, limited
from grantflow.core.flows.events import Received, SlowDownAsked, TokenIssued, TokenReply, Unanswered
from grantflow.core.flows.pacing import SECOND, Backoff, next_attempt, slowed
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
from grantflow.core.values.errors import Unreachable
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply
from grantflow.core.values.time import Instant, Moment


def start(now: Moment, budget: timedelta) -> Started:
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
            return Send(limited(request, state), state.not_before, read, spends=spends)
        case Authorized() | Expired() | Failed():
            return state
        case _:
            assert_never(state)


def step(state: GrantState, event: Received, backoff: Backoff, *, repeatable: bool) -> GrantState:
    """Return the state after an event; ``repeatable`` allows to repeat what may have arrived."""
    match state:
        case Started() | Pending() | SlowDown():
            return attempted(state, event, backoff, repeatable=repeatable)
        case Authorized() | Expired() | Failed():
            return state
        case _:
            assert_never(state)


def attempted(
    state: Started | Pending[None] | SlowDown[None],
    event: Received,
    backoff: Backoff,
    *,
    repeatable: bool,
) -> Pending[None] | SlowDown[None] | Final:
    """Return the state after an event while an attempt is due."""
    interval = SECOND if isinstance(state, Started) else state.interval
    faults = state.faults + 1
    match event:
        case TokenIssued(_, token, dropped):
            return Authorized(token, dropped)
        case SlowDownAsked(at, asked, pause, roll):
            fault = Fault("http", "no", "the server asked to wait", retry_after=pause)
            if faults >= backoff.tries:
                return Failed(Unreachable(fault, faults))
            longer = slowed(interval, asked)
            wait = max(longer, pause or longer)
            slower = SlowDown(None, longer, at, faults, faults, state.deadline)
            # Many clients that were asked to wait must not return at once: spread upward.
            return next_attempt(slower, wait, wait + longer * roll / 2, fault)
        case Unanswered(at, fault, roll):
            spent = fault.reached == "maybe" and not repeatable
            # A proxy that refuses goes on refusing: no person waits, so it is told at once.
            if spent or fault.kind == "proxy" or faults >= backoff.tries:
                return Failed(Unreachable(fault, faults))
            wait = max(interval, fault.retry_after or interval)
            again = Pending(None, interval, at, faults, faults, state.deadline)
            return next_attempt(again, wait, max(wait, backoff.wait(faults, roll)), fault)
        case _:
            return failed(event)
