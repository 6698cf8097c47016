"""The token in memory: until when nobody has to think about it, and what is wanted after that.

Rules:

1. While a token ages, one caller renews it and the others go on with it; renewing that failed is
   not tried again for a while, and not before the server wants to be asked.
2. Processes whose tokens end together do not renew them together: each draws its moment, from the
   first half of the time in which the token ages.
3. Times are seconds since 1970, as ``time.time`` gives them: this is the path that costs what it
   costs.
"""

from __future__ import annotations

import math
from typing import Final, final

from attrs import evolve, frozen
from returns.result import Failure, Result, Success

from grantflow.core.errand import Ready, Stuck
from grantflow.core.precedence import Origin, is_refused
from grantflow.core.problems import Problem
from grantflow.core.tokens import Skew, fresh_until
from grantflow.core.values import Moment, Token

BETWEEN_EARLY_TRIES: Final = 30.0
"""Seconds until a token that ages is tried to be renewed again after that failed, on average."""

_BETWEEN_LATE_TRIES: Final = 5.0
"""Seconds, exactly, for a token that is about to end."""


@final
@frozen
class Held:
    """The token in memory, and until when nobody has to think about it."""

    token: Token
    origin: Origin
    until: float
    found: Result[Token, Problem]


@final
@frozen
class Wish:
    """What a caller wants a session for: any token, or another than one that was ``refused``.

    With ``meanwhile`` there is a token that serves a little longer: others go on with it, and so
    does this caller where it is not renewed.
    """

    refused: Token | None = None
    meanwhile: Held | None = None

    def met(self, end: Ready | Stuck | None) -> Result[Token, Problem] | None:
        """Return what the end of a session is to this caller; ``None`` says to wish again.

        ``end`` is ``None`` where somebody else is renewing already.
        """
        if self.meanwhile is not None:
            return Success(end.token) if isinstance(end, Ready) else self.meanwhile.found
        match end:
            case Ready(token):
                # A session that began before the refusal may bring the refused token.
                return None if is_refused(token, self.refused) else Success(token)
            case Stuck(problem):
                return Failure(problem)
            case None:
                return None


def taken(end: Ready, now: Moment, skew: Skew) -> Held:
    """Return what is held after a session; what could not be renewed is not tried at once."""
    return Held(end.token, end.origin, _until(end, now, skew), Success(end.token))


def ages(held: Held, now: float, skew: Skew) -> bool:
    """Tell whether a token is still far enough from its end for others to go on with it."""
    end = fresh_until(held.token, _hard(skew))
    return end is None or now < end.timestamp()


def _until(end: Ready, now: Moment, skew: Skew) -> float:
    ages, ends = fresh_until(end.token, skew), fresh_until(end.token, _hard(skew))
    if end.token.expires_at is None or ages is None or ends is None:
        return math.inf
    if now.wall < ages:
        return (ages + (ends - ages) * now.roll / 2).timestamp()
    asked = 0.0 if end.pause is None else end.pause.total_seconds()
    if now.wall < ends:
        pause = max(BETWEEN_EARLY_TRIES * (0.5 + now.roll), asked + BETWEEN_EARLY_TRIES * now.roll)
        return min(ends.timestamp(), now.wall.timestamp() + pause)
    pause = max(_BETWEEN_LATE_TRIES, asked)
    return min(end.token.expires_at.timestamp(), now.wall.timestamp() + pause)


def _hard(skew: Skew) -> Skew:
    return evolve(skew, soft=skew.hard)
