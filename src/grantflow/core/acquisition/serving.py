"""Whether a token that is stored will do as it is: the rule of every path, and of the quick ones.

It stands by itself, so that a token that is there costs nothing of what gets another one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias, final

from attrs import frozen

from grantflow.core.acquisition.freshness import SKEW, Freshness, Skew, alive, freshness
from grantflow.core.values.token import Token

Origin: TypeAlias = Literal["given", "environment", "app", "stored"]


@final
@frozen
class Use:
    """Use this token."""

    token: Token
    origin: Origin


def serving(
    stored: Token | None,
    app: Token | None,
    now: datetime,
    skew: Skew = SKEW,
    *,
    refused: Token | None = None,
    early: bool = False,
) -> Use | None:
    """Return the stored token that will do at ``now``, an aware wall time; ``None``: none will.

    An app token (long-lived, made by a person) outranks what sign-ins left behind. A sign-in's is
    used while it is fresh; while it ages, too, unless this caller renews ``early``.

    >>> from datetime import UTC
    >>> at = datetime(2026, 1, 1, tzinfo=UTC)
    >>> serving(Token(access_token="a", expires_at=at), None, at)
    >>> serving(Token(access_token="a"), None, at).origin
    'stored'
    """
    if app is not None and not is_refused(app, refused) and alive(app, now):
        return Use(app, "app")
    if stored is not None and not is_refused(stored, refused):
        match freshness(stored, now, skew):
            case Freshness.FRESH | Freshness.UNKNOWN:
                return Use(stored, "stored")
            case Freshness.AGING if not early:
                return Use(stored, "stored")
            case _:
                pass
    return None


def is_refused(token: Token, refused: Token | None) -> bool:
    """Tell whether ``token`` is the one that somebody did not take."""
    return refused is not None and token.access_token == refused.access_token
