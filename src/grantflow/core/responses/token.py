"""Token endpoint answers as events. Total: any status and any bytes give exactly one event.

Rules:

1. The error code in the body outranks the HTTP status (GitHub sends errors with 200, Google
   ``authorization_pending`` with 428, Auth0 with 403). What a code means: ``codes``.
2. A 200 that cannot be read is final: what it carried may be spent.
3. While polling, every other unreadable answer is trouble on the way. Otherwise only what may pass
   by itself is (408, 425, 429, 5xx); the rest is final.
4. No message holds the body, and a description that echoes a secret of the request is masked.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, assert_never

from returns.result import Failure, Result, Success

from grantflow.core.client.client import Client
from grantflow.core.client.provider import Provider
from grantflow.core.flows.events import (
    CodeExpired,
    Rejected,
    SlowDownAsked,
    StillPending,
    TokenIssued,
    TokenReply,
    Unanswered,
)
from grantflow.core.responses.answer import Answer, read_answer
from grantflow.core.responses.codes import may_pass, meaning
from grantflow.core.values.errors import Denied, Refused
from grantflow.core.values.json import Members
from grantflow.core.values.parsing import (
    absent,
    expiry,
    maybe_sendable,
    sendable,
    text_of,
    words,
)
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply
from grantflow.core.values.result import either
from grantflow.core.values.time import Moment
from grantflow.core.values.token import Token
from grantflow.core.values.validators import is_http_token

Endpoint: TypeAlias = Literal["poll", "token"]


def read_token(
    request: Request,
    client: Client,
    reply: Reply,
    now: Moment,
    *,
    endpoint: Endpoint = "token",
    repeatable: bool = False,
    scope: tuple[str, ...] | None = None,
) -> TokenReply:
    """Read the answer to a token request, or to a poll (RFC 6749 section 5, RFC 8628 section 3.5).

    ``repeatable`` says that the request may be sent again whatever became of it, so a
    ``Retry-After`` beside any trouble is a request to wait. ``scope`` is what was requested, for
    answers that omit it; by default the client's.
    """
    asked = client.scope if scope is None else scope
    return token_reply(request, client.provider, asked, reply, now, endpoint, repeatable=repeatable)


def token_reply(
    request: Request,
    provider: Provider,
    scope: tuple[str, ...],
    reply: Reply,
    now: Moment,
    endpoint: Endpoint = "token",
    *,
    repeatable: bool = False,
) -> TokenReply:
    """Read the answer as ``read_token``, for a provider and a scope."""
    event = _event(request, provider, scope, reply, now, endpoint)
    if repeatable and isinstance(event, Unanswered) and event.fault.retry_after is not None:
        return SlowDownAsked(now.mono, None, event.fault.retry_after, now.roll)
    return event


def _event(
    request: Request,
    provider: Provider,
    scope: tuple[str, ...],
    reply: Reply,
    now: Moment,
    endpoint: Endpoint,
) -> TokenReply:
    if isinstance(reply, Fault):
        return Unanswered(now.mono, reply, now.roll, reply.kind != "too_large")
    answer = read_answer(request, provider, endpoint, reply, now)
    if answer.refused is not None:
        return _refusal(answer, answer.refused, endpoint, now)
    if answer.success:
        return _success(answer, provider, scope, request, endpoint, now)
    if reply.status == 429 or (reply.status == 503 and endpoint == "token"):
        return SlowDownAsked(now.mono, answer.interval, answer.retry_after, now.roll)
    if endpoint == "poll":
        passing = may_pass(endpoint, reply.status)
        return Unanswered(now.mono, answer.fault(), now.roll, passing)
    return answer.no_answer(now)


def _refusal(answer: Answer, refused: Refused, endpoint: Endpoint, now: Moment) -> TokenReply:
    match meaning(refused.code, endpoint, refused.status):
        case "pending":
            return StillPending(now.mono, answer.retry_after)
        case "slow_down":
            return SlowDownAsked(now.mono, answer.interval, answer.retry_after, now.roll)
        case "expired":
            return CodeExpired(now.mono)
        case "denied":
            return Rejected(now.mono, Denied(refused.description))
        case "trouble":
            return Unanswered(now.mono, answer.fault(), now.roll)
        case "refused":
            return Rejected(now.mono, refused)
        case never:
            assert_never(never)


def _success(
    answer: Answer,
    provider: Provider,
    scope: tuple[str, ...],
    request: Request,
    endpoint: Endpoint,
    now: Moment,
) -> TokenReply:
    match either(answer.found.bind(lambda found: _token(found, provider, scope, request, now))):
        case (Token() as token, dropped):
            return TokenIssued(now.mono, token, dropped)
        case str() if endpoint == "poll" and answer.response.status != 200:
            return Unanswered(now.mono, answer.fault(), now.roll, passing=False)
        case str() as problem:
            return Rejected(now.mono, answer.invalid(problem))
        case never:
            assert_never(never)


_TOKEN_MEMBERS: Final = frozenset(
    {
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "scope",
        "id_token",
    }
)


def _token(
    found: Members, provider: Provider, scope: tuple[str, ...], request: Request, now: Moment
) -> Result[tuple[Token, tuple[str, ...]], str]:
    """Read a token, and the names of optional members that cannot be used and are dropped."""
    optional = {name: either(maybe_sendable(found, name)) for name in ("refresh_token", "id_token")}
    usable = {name: None if isinstance(value, str) else value for name, value in optional.items()}
    dropped = [name for name, value in optional.items() if isinstance(value, str)]
    granted = words(found.get("scope"))
    if granted is None and found.get("scope") is not None:
        dropped.append("scope")
    return Result.do(
        (
            Token(
                access_token=access_token,
                token_type=token_type,
                expires_at=expiry(found, now.wall),
                refresh_token=usable["refresh_token"],
                scope=scope if granted is None else granted,
                id_token=usable["id_token"],
                extra=absent(found, _TOKEN_MEMBERS),
                issued_at=now.wall,
            ),
            tuple(dropped),
        )
        for access_token in sendable(found, "access_token")
        for token_type in _token_type(found, provider, request)
    )


def _token_type(found: Members, provider: Provider, request: Request) -> Result[str, str]:
    value = found.get("token_type")
    token_type = "Bearer" if value in (None, "") else text_of(value) or ""
    if not is_http_token(token_type) and provider.authorization_scheme is not None:
        token_type = provider.authorization_scheme  # eBay says "User Access Token"
    if not is_http_token(token_type):
        return Failure("token_type is not a word that can be sent (RFC 9110 section 5.6.2)")
    return _bound(token_type, request)


def _bound(token_type: str, request: Request) -> Result[str, str]:
    """Refuse a token that is not bound to the key, if that is required (RFC 9449 section 5)."""
    proof = request.proof
    if proof is None or not proof.key.required or token_type.lower() == "dpop":
        return Success(token_type)
    return Failure("token_type is not DPoP, though a proof of possession was sent")
