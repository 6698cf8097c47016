"""The token in memory: until when nobody has to think about it, and what is wanted after that.

Rules:

1. While a token ages, one caller renews it and the others go on with it.
2. When it is thought about again is ``freshness.look_again``'s to say.
3. Times are seconds since 1970, as ``time.time`` gives them: this is the path that costs what it
   costs.

A token that serves as it is needs nothing of what gets another one, so that is not imported here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, final

from attrs import evolve, frozen
from returns.result import Failure, Result, Success

from grantflow.core.acquisition.freshness import Skew, fresh_until, look_again
from grantflow.core.acquisition.serving import Origin, is_refused
from grantflow.core.values.time import Moment
from grantflow.core.values.token import Token

if TYPE_CHECKING:
    from datetime import timedelta

    from grantflow.core.acquisition.states import Acquired, NotAcquired
    from grantflow.core.flows.states import Problem

MEANWHILE: Final = 30.0
"""Seconds for which the others go on with a token that somebody is renewing."""


@final
@frozen
class CachedToken:
    """The token in memory, and until when nobody has to think about it."""

    token: Token
    origin: Origin
    until: float
    found: Result[Token, Problem]


@final
@frozen
class Demand:
    """What a caller wants a session for: any token, or another than one that was ``refused``.

    With ``meanwhile`` there is a token that serves a little longer: others go on with it, and so
    does this caller where it is not renewed.
    """

    refused: Token | None = None
    meanwhile: CachedToken | None = None

    def met(
        self, end: Acquired | NotAcquired | CachedToken | None
    ) -> Result[Token, Problem] | None:
        """Return what the end of a session is to this caller; ``None`` says to wish again.

        ``end`` is ``None`` where somebody else is renewing already.
        """
        if isinstance(end, CachedToken):  # of a caller that had none, whom this one joined
            return None if is_refused(end.token, self.refused) else end.found
        from grantflow.core.acquisition.states import Acquired, NotAcquired

        if self.meanwhile is not None:
            return Success(end.token) if isinstance(end, Acquired) else self.meanwhile.found
        match end:
            case Acquired(token):
                # A session that began before the refusal may bring the refused token.
                return None if is_refused(token, self.refused) else Success(token)
            case NotAcquired(problem):
                return Failure(problem)
            case _:
                return None


def demanded(
    held: CachedToken | None, now: float, skew: Skew, refused: Token | None = None
) -> CachedToken | Demand:
    """Return what is there for a caller, or what it wants an acquisition for."""
    if held is None or is_refused(held.token, refused):
        return Demand(refused)
    if now < held.until:
        return held
    return Demand(meanwhile=held) if _ages(held, now, skew) else Demand()


def while_renewed(held: CachedToken, now: float) -> CachedToken:
    """Return what the others go on with while one caller renews it."""
    return evolve(held, until=now + MEANWHILE)


def held(
    token: Token, origin: Origin, now: Moment, skew: Skew, pause: timedelta | None = None
) -> CachedToken:
    """Return what is held of a token; what could not be renewed is not tried at once."""
    again = look_again(token, now, skew, pause)
    until = math.inf if again is None else again.timestamp()
    return CachedToken(token, origin, until, Success(token))


def _ages(held: CachedToken, now: float, skew: Skew) -> bool:
    """Tell whether a token is still far enough from its end for others to go on with it."""
    end = fresh_until(held.token, evolve(skew, soft=skew.hard))
    return end is None or now < end.timestamp()
