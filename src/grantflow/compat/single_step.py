"""Send what is due once, and report the event: for calls that are a single request."""

from __future__ import annotations

from typing import TypeAlias, TypeVar

from grantflow import (
    Authorized,
    Clock,
    CodeExpired,
    Expired,
    Failed,
    Fault,
    InvalidResponse,
    Rejected,
    Run,
    Send,
    SlowDownAsked,
    Transport,
    Unanswered,
    Unreachable,
)
from grantflow.flows import Received

S = TypeVar("S")

StepResult: TypeAlias = Received | Authorized | Expired | Failed
"""The event of one request, or the final state that made it unnecessary."""


def single_step(run: Run[S], send: Transport, clock: Clock) -> StepResult:
    """Send what is due immediately, whatever its ``not_before``, and return the event."""
    due = run.due
    return due.read(send(due.request), clock.now()) if isinstance(due, Send) else due


def problem_of(result: StepResult) -> Expired | Failed:
    """Return the problem behind a result that is not a token or a code."""
    match result:
        case Expired() | Failed():
            return result
        case CodeExpired():
            return Expired()
        case Rejected(_, error):
            return Failed(error)
        case Unanswered(_, fault):
            return Failed(Unreachable(fault, 1))
        case SlowDownAsked(retry_after=pause):
            return Failed(Unreachable(Fault("http", "no", _LATER, retry_after=pause), 1))
        case _:
            return Failed(InvalidResponse("an answer to another question"))


_LATER = "the server asked to wait"
