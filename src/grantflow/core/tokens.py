"""Decisions about tokens: how fresh one is, what a renewed one keeps, where one is stored.

Rules:

1. A token is stale a little before it ends: by the smaller of a fixed span and a fraction of its
   life, so that a short-lived token is still used (a fixed five minutes would never serve it).
2. A token whose end is unknown is used until a 401 says otherwise.
3. A store key never holds a secret, and two different asks never share one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha256
from typing import Final, Literal, final

from attrs import evolve, frozen

from grantflow.core.client import Client
from grantflow.core.values import Token

Grant = Literal["device", "client_credentials"]


@final
class Freshness(Enum):
    """Whether a token may still be used."""

    FRESH = "fresh"
    STALE = "stale"
    UNKNOWN = "unknown"


@final
@frozen
class Skew:
    """How long before its end a token is stale: ``span``, but at most ``fraction`` of its life."""

    span: timedelta = timedelta(seconds=60)
    fraction: float = 0.2

    def of(self, token: Token) -> timedelta:
        """Return the skew for one token; its life is unknown without ``issued_at``."""
        if token.expires_at is None or token.issued_at is None:
            return self.span
        life = max(token.expires_at - token.issued_at, timedelta())
        return min(self.span, life * self.fraction)


SKEW: Final = Skew()


def freshness(token: Token, now: datetime, skew: Skew = SKEW) -> Freshness:
    """Return whether ``token`` may be used at ``now``, an aware wall time.

    >>> from datetime import UTC
    >>> at = datetime(2026, 1, 1, tzinfo=UTC)
    >>> token = Token(access_token="a", issued_at=at, expires_at=at + timedelta(seconds=100))
    >>> freshness(token, at + timedelta(seconds=79)), freshness(token, at + timedelta(seconds=80))
    (<Freshness.FRESH: 'fresh'>, <Freshness.STALE: 'stale'>)
    """
    if token.expires_at is None:
        return Freshness.UNKNOWN
    return Freshness.FRESH if now < token.expires_at - skew.of(token) else Freshness.STALE


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
    )


def key_of(client: Client, grant: Grant, profile: str = "") -> str:
    """Return where the token of this ask is stored; the scope counts as a set.

    Length-prefixed before it is hashed, so that no two asks meet.

    >>> from grantflow.core.provider import Provider
    >>> acme = Provider(name="acme", token_endpoint="https://acme.example/token")
    >>> one = Client(provider=acme, client_id="app", scope="a b")
    >>> key_of(one, "device") == key_of(evolve(one, scope="b a"), "device")
    True
    >>> key_of(one, "device") == key_of(evolve(one, scope="a"), "device")
    False
    """
    provider = client.provider
    parts = [
        ("at", provider.issuer or provider.token_endpoint),
        ("client", client.client_id),
        ("grant", grant),
        ("profile", profile),
        *(("scope", word) for word in sorted(set(client.scope))),
        ("audience", "" if client.audience is None else f"={client.audience}"),
        *(("resource", each) for each in sorted(set(client.resource))),
        *((f"extra {name}", value) for name, value in client.extra if isinstance(value, str)),
    ]
    told = "".join(f"{len(text)}:{text}" for pair in parts for text in pair)
    return sha256(told.encode("utf-8", "surrogatepass")).hexdigest()
