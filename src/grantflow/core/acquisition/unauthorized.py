"""What a refused token means: a 401, or another answer whose challenge says so (RFC 6750 3).

Rules, the first that applies:

1. A server that does not like the proof of possession gets another one, once for a call: with the
   nonce that it asked for, or just anew (RFC 9449 sections 7.1 and 9). The token is as good as it
   was, and renewing it would mend nothing.
2. A token that lacks a scope, a claim or a fresh sign-in is not made better by renewing it:
   surrender, with the challenge.
3. Of other answers than a 401, only ``invalid_token`` says that the token was refused.
4. What the caller or the environment gave is not ours to replace: surrender.
5. A call is renewed for at most once: surrender.
6. A body that cannot be sent again ends it: surrender.
7. If another caller renewed meanwhile, the current token is tried, without a renewal.
8. Else the token is renewed, and the call sent again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias, final

from attrs import frozen

from grantflow.core.acquisition.challenge import Challenge, challenge_for
from grantflow.core.acquisition.serving import Origin
from grantflow.core.client.provider import endpoint_problem, is_plain_authority, origin_of
from grantflow.core.values.token import Token

TokenOrigin: TypeAlias = Origin | Literal["fetched"]
"""Where a token came from; ``fetched``: a function of the caller's gave it, and may again."""


@final
@frozen(kw_only=True)
class Rejection:
    """A call whose token was perhaps refused, and what is known about it.

    ``sent`` is the token it carried and ``current`` the one that it would carry now; ``challenge``
    is the ``WWW-Authenticate`` header; ``renewals`` counts what was already tried for this call.
    ``nonce`` is what came with it for the next proof, ``proved`` that one was asked for before.
    """

    sent: Token
    origin: TokenOrigin
    current: Token | None
    status: int = 401
    challenge: str | None = None
    renewals: int = 0
    replayable: bool = True
    nonce: str | None = None
    proved: bool = False


@final
@frozen
class Replay:
    """Send the call again with this token, which somebody else renewed meanwhile."""

    token: Token


@final
@frozen
class ProveAndReplay:
    """Send the call again with the same token, and a proof that holds the nonce."""


@final
@frozen
class RenewAndReplay:
    """Renew the token, then send the call again."""


@final
@frozen
class Surrender:
    """Hand the answer to the caller; ``challenge`` is what a renewal cannot answer."""

    challenge: Challenge | None = None


Verdict: TypeAlias = Replay | ProveAndReplay | RenewAndReplay | Surrender


INSUFFICIENT: Final = frozenset(
    ("insufficient_scope", "insufficient_user_authentication", "insufficient_claims")
)
"""What a renewal cannot answer (RFC 6750 section 3.1, RFC 9470)."""


def after_rejection(hit: Rejection) -> Verdict:
    """Return what to do about an answer that may refuse a token.

    >>> token = Token(access_token="a")
    >>> after_rejection(Rejection(sent=token, origin="stored", current=token))
    RenewAndReplay()
    >>> lacking = 'Bearer error="insufficient_scope"'
    >>> hit = Rejection(sent=token, origin="stored", current=token, challenge=lacking)
    >>> after_rejection(hit).challenge.error
    'insufficient_scope'
    """
    challenge = challenge_for(hit.challenge, hit.sent.token_type)
    error = None if challenge is None else challenge.error
    if error in ("use_dpop_nonce", "invalid_dpop_proof"):
        helps = hit.nonce is not None or error == "invalid_dpop_proof"
        again = helps and not hit.proved and hit.replayable
        return ProveAndReplay() if again else Surrender()
    if error in INSUFFICIENT:
        return Surrender(challenge)
    if hit.status != 401 and error != "invalid_token":
        return Surrender()
    if hit.origin in ("given", "environment") or hit.renewals > 0 or not hit.replayable:
        return Surrender()
    if hit.current is not None and hit.current.access_token != hit.sent.access_token:
        return Replay(hit.current)
    return RenewAndReplay()


def token_origin(url: str) -> str | None:
    """Return the origin of a URL that a token may be sent to: https, or this machine.

    ``None`` for any other, and for one whose host parsers could read in two ways.

    >>> token_origin("https://api.example/v1"), token_origin("http://api.example")
    ('https://api.example:443', None)
    """
    origin = origin_of(url)
    if origin is None or not is_plain_authority(url):
        return None
    return origin if endpoint_problem(origin) is None else None


def origins_of(urls: Iterable[str]) -> frozenset[str]:
    """Return the origins that a token is meant for; ``ValueError`` for any that it must not."""
    found = {url: token_origin(url) for url in urls}
    for url, origin in found.items():
        if origin_of(url) is None:
            raise ValueError(f"origins: {url!r} is no http or https URL")
        if origin is None:
            raise ValueError(f"origins: {url!r} must be https (http is only for loopback)")
    return frozenset(origin for origin in found.values() if origin is not None)
