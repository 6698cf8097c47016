"""Requesting a token as often, and as far apart, as the caller's own backoff says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final, Protocol

import requests

from grantflow import (
    Client,
    ClientCredentialsFlow,
    Clock,
    Expired,
    Failed,
    Instant,
    SlowDownAsked,
    Token,
    TokenIssued,
    Unanswered,
    begin,
)
from grantflow.compat.errors import message_of
from grantflow.compat.single_step import problem_of, single_step
from grantflow.compat.stanford_green.errors import error_of
from grantflow.integrations.requests import RequestsTransport

_LONGEST_PAUSE: Final = timedelta(minutes=5)
"""A longer ``Retry-After`` ends the call immediately."""


def _pause(trouble: Unanswered | SlowDownAsked) -> timedelta:
    told = trouble.fault if isinstance(trouble, Unanswered) else trouble
    return told.retry_after or timedelta()


class Waits(Protocol):
    """The waits after each attempt, in seconds, and so the number of attempts.

    ``counter`` counts the attempts, ``reset()`` starts over.
    ``exponential_backoff_ca.ExponentialBackoff`` is one.
    """

    counter: int

    def __iter__(self) -> Iterator[float]:
        """Return the waits that are left."""
        ...

    def reset(self) -> None:
        """Start over."""
        ...


def request_token(
    client: Client,
    exp_backoff: Waits,
    *,
    timeout: tuple[float, float],
    clock: Clock,
    progress: Callable[[str], None],
) -> Token:
    """Return a token. Raises ``error_of``: immediately if refused, after the last attempt else."""
    flow = ClientCredentialsFlow(client)
    problem: Expired | Failed | None = None
    again: Instant | None = None
    with requests.Session() as session:
        send = RequestsTransport(session, timeout=timeout)
        exp_backoff.reset()
        for wait in exp_backoff:
            if again is not None:  # there is no wait after the last attempt
                clock.sleep_until(again)
            match single_step(begin(flow, clock.now()), send, clock):
                case TokenIssued(_, token):
                    return token
                case (Unanswered() | SlowDownAsked()) as trouble:
                    problem = problem_of(trouble)
                    progress(f"{message_of(problem)} (attempt {exp_backoff.counter})")
                    asked = _pause(trouble)
                    if asked > _LONGEST_PAUSE:
                        break
                    again = Instant(trouble.at + max(timedelta(seconds=wait), asked))
                case refusal:
                    raise error_of(problem_of(refusal))
    if problem is None:
        raise ValueError("exp_backoff: it allows no attempt")
    raise error_of(problem)
