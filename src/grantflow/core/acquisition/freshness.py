"""Decisions about tokens: how fresh one is, what a renewed one keeps, where one is stored.

Rules:

1. A token ages, and is stale, a little before it ends: by the smaller of a fixed span and a
   fraction of its life, so that a short-lived one is still used (five minutes would never do).
2. A token whose end is unknown is used until a 401 says otherwise.
3. A store key never holds a secret, and two different asks never share one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from typing import Final, final

from attrs import evolve, frozen

from grantflow.core.client.client import OWN
from grantflow.core.values.json import Json, Members
from grantflow.core.values.time import Moment
from grantflow.core.values.token import Token


@final
class Freshness(Enum):
    """Whether a token may still be used."""

    FRESH = "fresh"
    AGING = "aging"
    """It may be used, and somebody should renew it."""
    STALE = "stale"
    UNKNOWN = "unknown"
    """Its end is not known: it is used until somebody refuses it."""


@final
@frozen
class Window:
    """A time before a token's end: ``span``, but at most ``fraction`` of the token's life."""

    span: timedelta
    fraction: float

    def of(self, token: Token) -> timedelta:
        """Return the window of one token; its life is unknown without ``issued_at``."""
        if token.expires_at is None or token.issued_at is None:
            return self.span
        life = max(token.expires_at - token.issued_at, timedelta())
        return min(self.span, life * self.fraction)


@final
@frozen(kw_only=True)
class Skew:
    """When a token is renewed: in ``soft`` by one caller, in ``hard`` before anyone gets it.

    ``needed`` is how long a token must still live to be of use to this caller.
    """

    soft: Window = Window(timedelta(minutes=5), 0.2)
    hard: Window = Window(timedelta(seconds=30), 0.05)
    needed: timedelta = timedelta()


SKEW: Final = Skew()


def freshness(token: Token, now: datetime, skew: Skew = SKEW) -> Freshness:
    """Return whether ``token`` may be used at ``now``, an aware wall time.

    >>> from datetime import UTC
    >>> at = datetime(2026, 1, 1, tzinfo=UTC)
    >>> token = Token(access_token="a", issued_at=at, expires_at=at + timedelta(seconds=100))
    >>> [freshness(token, at + timedelta(seconds=age)).value for age in (79, 80, 94, 95)]
    ['fresh', 'aging', 'aging', 'stale']
    """
    if token.expires_at is None:
        return Freshness.UNKNOWN
    left = token.expires_at - now
    hard = max(skew.hard.of(token), skew.needed)
    if left <= hard:
        return Freshness.STALE
    return Freshness.FRESH if left > max(skew.soft.of(token), hard) else Freshness.AGING


def fresh_until(token: Token, skew: Skew = SKEW) -> datetime | None:
    """Return until when ``token`` is fresh; ``None`` where its end is not known."""
    if token.expires_at is None:
        return None
    try:
        return token.expires_at - max(skew.soft.of(token), skew.hard.of(token), skew.needed)
    except OverflowError:  # a token of the caller's own, from before the calendar
        return token.expires_at


_BETWEEN_EARLY_TRIES: Final = timedelta(seconds=30)


_BETWEEN_LATE_TRIES: Final = timedelta(seconds=5)


def look_again(
    token: Token, now: Moment, skew: Skew = SKEW, pause: timedelta | None = None
) -> datetime | None:
    """Return when somebody who has ``token`` thinks about it again; ``None`` where never.

    Tokens that end together are not renewed together: each holder draws its moment (``now.roll``)
    from the first half of the time in which the token ages. One that ages already could not be
    renewed: that is tried again after 15 to 45 s, or 5 s where the token is about to end, and not
    before the ``pause`` that the server asked for.

    >>> from datetime import UTC
    >>> from grantflow.core.values.time import Instant
    >>> at = datetime(2026, 1, 1, tzinfo=UTC)
    >>> token = Token(access_token="a", issued_at=at, expires_at=at + timedelta(hours=1))
    >>> [look_again(token, Moment(Instant(timedelta()), at, roll)).minute for roll in (0.0, 0.5)]
    [55, 56]
    """
    ages, ends = fresh_until(token, skew), fresh_until(token, evolve(skew, soft=skew.hard))
    if token.expires_at is None or ages is None or ends is None:
        return None
    if now.wall < ages:
        return ages + (ends - ages) * now.roll / 2
    asked = pause or timedelta()
    if now.wall < ends:
        jitter = _BETWEEN_EARLY_TRIES * now.roll
        return now.wall + min(ends - now.wall, max(_BETWEEN_EARLY_TRIES / 2, asked) + jitter)
    return now.wall + min(token.expires_at - now.wall, max(_BETWEEN_LATE_TRIES, asked))


def alive(token: Token, now: datetime) -> bool:
    """Tell whether ``token`` has not ended yet, however soon it will."""
    return token.expires_at is None or now < token.expires_at


def renewed(old: Token, new: Token) -> Token:
    """Return the refreshed token with what its answer left out (RFC 6749 sections 5.1 and 6).

    >>> old = Token(access_token="a", refresh_token="r", scope=("read",), id_token="i")
    >>> renewed(old, Token(access_token="b")) == evolve(old, access_token="b")
    True
    """
    return evolve(
        new,
        refresh_token=new.refresh_token or old.refresh_token,
        scope=new.scope or old.scope,
        id_token=new.id_token or old.id_token,
        extra=Members({**_own(old.extra), **new.extra}),
    )


def _own(extra: Members) -> dict[str, Json]:
    """Return the credentials that came with the grant: the next renewal needs them as well."""
    return {name: extra[name] for name in OWN if name in extra}
