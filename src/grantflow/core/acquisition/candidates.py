"""Which credential wins: one decision, taken from everything that was found.

Rules, the first that applies:

1. What the caller gave, then what the environment holds, is used as it is. Once it was refused,
   nothing replaces it: it is not ours to replace.
2. A stored app token that has not ended is used (``serving``).
3. A stored token is used while it is fresh; while it ages, too, unless this caller renews early.
4. A refresh token renews. Else the client's own secret gets a new token. Else, a token that has
   not ended yet is better than asking a person.
5. A refresh token that was sent with an outcome that is not known (``refresh_sent``) may be spent,
   and a second use may end the whole grant (RFC 9700 section 4.14.2). It is sent again only when
   the access token beside it does not serve any more: then nothing is lost by it.
6. A person is asked only where that is allowed, and never otherwise.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias, final

from attrs import frozen

from grantflow.core.acquisition.freshness import SKEW, Skew, alive
from grantflow.core.acquisition.serving import Origin, Use, is_refused, serving
from grantflow.core.values.secret import Secret
from grantflow.core.values.token import Token


@final
@frozen(kw_only=True)
class Candidates:
    """Everything that was found, as it was found.

    ``refused`` is a token that somebody did not take. ``early`` is set for the one caller that
    renews a token which others still use.
    """

    given: Token | None = None
    environment: Token | None = None
    app: Token | None = None
    stored: Token | None = None
    refused: Token | None = None
    can_use_secret: bool = False
    may_ask: bool = False
    early: bool = False


@final
@frozen
class Renew:
    """Renew this token by its refresh token."""

    token: Token
    refresh_token: Secret


@final
@frozen
class UseSecret:
    """Ask with the client's own credentials."""


@final
@frozen
class AskPerson:
    """Ask a person to sign in."""


@final
@frozen
class Stop:
    """There is no way to a token."""


Plan: TypeAlias = Use | Renew | UseSecret | AskPerson | Stop


def choose(found: Candidates, now: datetime, skew: Skew = SKEW) -> Plan:
    """Return what to do to have a token at ``now``, an aware wall time.

    >>> from datetime import UTC
    >>> at = datetime(2026, 1, 1, tzinfo=UTC)
    >>> old = Token(access_token="a", expires_at=at, refresh_token="r")
    >>> type(choose(Candidates(stored=old), at)).__name__
    'Renew'
    >>> choose(Candidates(may_ask=False), at)
    Stop()
    """
    if found.given is not None:
        return _as_it_is(found.given, "given", found)
    if found.environment is not None:
        return _as_it_is(found.environment, "environment", found)
    use = serving(found.stored, found.app, now, skew, refused=found.refused, early=found.early)
    return use or _renewal(found, found.stored, now)


def _as_it_is(token: Token, origin: Origin, found: Candidates) -> Use | Stop:
    return Stop() if is_refused(token, found.refused) else Use(token, origin)


def _renewal(found: Candidates, stored: Token | None, now: datetime) -> Plan:
    if stored is not None and stored.refresh_token is not None:
        in_doubt = stored.refresh_sent and _serves(stored, found, now)
        if not in_doubt:
            return Renew(stored, stored.refresh_token)
    return without_refresh(found, now)


def _serves(stored: Token, found: Candidates, now: datetime) -> bool:
    return alive(stored, now) and not is_refused(stored, found.refused)


def without_refresh(found: Candidates, now: datetime) -> Plan:
    """Return what is left to do where there is no refresh token, or it was refused."""
    if found.can_use_secret:
        return UseSecret()
    stored = found.stored
    if stored is not None and _serves(stored, found, now):
        return Use(stored, "stored")
    return AskPerson() if found.may_ask else Stop()
