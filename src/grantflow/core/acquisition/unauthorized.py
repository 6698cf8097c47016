"""What a 401 means (RFC 6750 section 3).

Rules, the first that applies:

1. A server that does not like the proof of possession gets another one, once for a call: with the
   nonce that it asked for, or just anew (RFC 9449 sections 7.1 and 9). The token is as good as it
   was, and renewing it would mend nothing.
2. A token that lacks a scope is not made better by renewing it: surrender.
3. What the caller or the environment gave is not ours to replace: surrender.
4. A call is renewed for at most once: surrender.
5. A body that cannot be sent again ends it: surrender.
6. If somebody renewed meanwhile, the current token is tried, without a renewal.
7. Else the token is renewed, and the call sent again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal, TypeAlias, final

from attrs import frozen

from grantflow.core.acquisition.candidates import Origin
from grantflow.core.client.provider import origin_of
from grantflow.core.values.token import Token

TokenOrigin: TypeAlias = Origin | Literal["fetched"]
"""Where a token came from; ``fetched``: a function of the caller's gave it, and may again."""


@final
@frozen(kw_only=True)
class Rejection:
    """A call that was answered with 401, and what is known about it.

    ``sent`` is the token it carried and ``current`` the one that it would carry now; ``challenge``
    is the ``WWW-Authenticate`` header; ``renewals`` counts what was already tried for this call.
    ``nonce`` is what came with it for the next proof, ``proved`` that one was asked for before.
    """

    sent: Token
    origin: TokenOrigin
    current: Token | None
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
    """Hand the 401 to the caller."""


Verdict: TypeAlias = Replay | ProveAndReplay | RenewAndReplay | Surrender


def after_rejection(hit: Rejection) -> Verdict:
    """Return what to do about a 401.

    >>> token = Token(access_token="a")
    >>> after_rejection(Rejection(sent=token, origin="stored", current=token))
    RenewAndReplay()
    >>> lacking = 'Bearer error="insufficient_scope"'
    >>> after_rejection(Rejection(sent=token, origin="stored", current=token, challenge=lacking))
    Surrender()
    """
    error = challenged_for(hit.challenge, hit.sent.token_type)
    if error in ("use_dpop_nonce", "invalid_dpop_proof"):
        helps = hit.nonce is not None or error == "invalid_dpop_proof"
        again = helps and not hit.proved and hit.replayable
        return ProveAndReplay() if again else Surrender()
    if error == "insufficient_scope":
        return Surrender()
    if hit.origin in ("given", "environment") or hit.renewals > 0 or not hit.replayable:
        return Surrender()
    if hit.current is not None and hit.current.access_token != hit.sent.access_token:
        return Replay(hit.current)
    return RenewAndReplay()


# A parameter, quoted or plain, or else a word: the scheme of a challenge (RFC 9110 section 11.6.1).
_PARTS: Final = re.compile(r"""([\w.+-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))|([\w.+-]+)""")


def challenged_for(header: str | None, scheme: str = "Bearer") -> str | None:
    r"""Return the error code of a ``WWW-Authenticate`` header, if it names one.

    Of several challenges, the one for the ``scheme`` that was sent counts.

    >>> challenged_for('Bearer realm="error=x", error="invalid_token"')
    'invalid_token'
    >>> both = 'Bearer error="invalid_token", DPoP error="use_dpop_nonce"'
    >>> challenged_for(both, "DPoP")
    'use_dpop_nonce'
    """
    found: dict[str, str] = {}
    challenge = ""
    # Quoted text may hold anything, "error=" included: look outside of it.
    for part in _PARTS.finditer(header or ""):
        name, quoted, plain, word = part.group(1, 2, 3, 4)
        if word is not None:
            challenge = word.lower()
        elif name.lower() == "error":
            error = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found.setdefault(challenge, error)
    return found.get(scheme.lower()) or next(iter(found.values()), None)


def origins_of(urls: Iterable[str]) -> frozenset[str]:
    """Return the origins that a token is meant for; ``ValueError`` for what is no http URL."""
    found = {url: origin_of(url) for url in urls}
    wrong = [url for url, origin in found.items() if origin is None]
    if wrong:
        raise ValueError(f"origins: {wrong[0]!r} is no http or https URL")
    return frozenset(origin for origin in found.values() if origin is not None)
