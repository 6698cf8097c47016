"""Perform what is due once, and say what happened: for calls that are one request."""

from __future__ import annotations

from typing import TypeAlias, TypeVar

from grantflow import (
    Authorized,
    Clock,
    CodeExpired,
    Event,
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

S = TypeVar("S")

Happened: TypeAlias = Event | Authorized | Expired | Failed
"""What one request led to, or the end that came before it."""


def once(run: Run[S], send: Transport, clock: Clock) -> Happened:
    """Send what is due at once, whatever its time, and return what happened."""
    due = run.due
    return due.read(send(due.request), clock.now()) if isinstance(due, Send) else due


def problem_of(happened: Happened) -> Expired | Failed:
    """Return why there is nothing to hand out."""
    match happened:
        case Expired() | Failed():
            return happened
        case CodeExpired():
            return Expired()
        case Rejected(_, error):
            return Failed(error)
        case Unanswered(_, fault, pause):
            return Failed(Unreachable(fault, 1, pause))
        case SlowDownAsked(retry_after=pause):
            return Failed(Unreachable(_LATER, 1, pause))
        case _:
            return Failed(InvalidResponse("an answer to another question"))


_LATER = Fault("http", "no", "the server asked to be asked later")
