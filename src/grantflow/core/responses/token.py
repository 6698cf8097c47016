"""Replies to events. Total: any status and any bytes give exactly one event, never an exception.

Rules:

1. The error code in the body outranks the HTTP status (GitHub sends errors with 200, Google
   ``authorization_pending`` with 428, Auth0 with 403).
2. A 200 that cannot be read is final everywhere: what it carried may be spent.
3. While polling, every other unreadable answer is trouble on the way. Where nobody waits for a
   person, only what may pass by itself is (408, 429, 5xx); the rest is final.
4. No message holds the body, and a description that echoes a secret of the request is masked.
"""

from __future__ import annotations

from typing import Final, assert_never

from returns.result import Failure, Result, Success

from grantflow.core.client.provider import Provider
from grantflow.core.flows import dpop as nonces
from grantflow.core.flows.events import (
    CodeExpired,
    Rejected,
    SlowDownAsked,
    StillPending,
    TokenIssued,
    TokenReply,
    Unanswered,
)
from grantflow.core.responses.answer import read_answer
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


def poll_reply(
    request: Request, provider: Provider, scope: tuple[str, ...], reply: Reply, now: Moment
) -> TokenReply:
    """Read the answer to a poll (RFC 8628 section 3.5)."""
    return nonces.told(_poll_reply(request, provider, scope, reply, now), reply)


def _poll_reply(
    request: Request, provider: Provider, scope: tuple[str, ...], reply: Reply, now: Moment
) -> TokenReply:
    if isinstance(reply, Fault):
        return Unanswered(now.mono, reply, roll=now.roll)
    answer = read_answer(request, provider, "poll", reply, now)
    if (nonce := answer.nonce_asked(request, now)) is not None:
        return nonce
    match answer.refused:
        case Refused(code="authorization_pending"):
            return StillPending(now.mono, answer.pause)
        case Refused(code="slow_down"):
            return SlowDownAsked(now.mono, answer.interval, answer.pause, now.roll)
        case Refused(code="expired_token"):
            return CodeExpired(now.mono)
        case Refused(code="access_denied", description=description):
            return Rejected(now.mono, Denied(description))
        case Refused(code="server_error" | "temporarily_unavailable"):
            return Unanswered(now.mono, answer.fault(), answer.pause, now.roll)
        case Refused() as refused:
            return Rejected(now.mono, refused)
        case _:
            pass
    if reply.status == 429:
        return SlowDownAsked(now.mono, answer.interval, answer.pause, now.roll)
    if not answer.success:
        return Unanswered(now.mono, answer.fault(), answer.pause, now.roll)
    match either(answer.found.bind(lambda found: _token(found, scope, request, now))):
        case Token() as token:
            return TokenIssued(now.mono, token)
        case str() as problem if reply.status == 200:
            return Rejected(now.mono, answer.garbled(problem))
        case str():
            return Unanswered(now.mono, answer.fault(), answer.pause, now.roll)
        case never:
            assert_never(never)


def refresh_reply(
    request: Request, provider: Provider, scope: tuple[str, ...], reply: Reply, now: Moment
) -> TokenReply:
    """Read the answer to a refresh: only 429 and 503 say that it was not acted on."""
    return nonces.told(_refresh_reply(request, provider, scope, reply, now), reply)


def _refresh_reply(
    request: Request, provider: Provider, scope: tuple[str, ...], reply: Reply, now: Moment
) -> TokenReply:
    if isinstance(reply, Fault):
        return Unanswered(now.mono, reply, roll=now.roll)
    answer = read_answer(request, provider, "token", reply, now)
    if (nonce := answer.nonce_asked(request, now)) is not None:
        return nonce
    match answer.refused:
        case Refused(code="slow_down" | "temporarily_unavailable"):
            return SlowDownAsked(now.mono, answer.interval, answer.pause, now.roll)
        case Refused(code="server_error"):
            return Unanswered(now.mono, answer.fault(), answer.pause, now.roll)
        case Refused() as refused:
            return Rejected(now.mono, refused)
        case _:
            pass
    if reply.status in (429, 503):
        return SlowDownAsked(now.mono, answer.interval, answer.pause, now.roll)
    if not answer.success:
        return answer.no_answer(now)
    match either(answer.found.bind(lambda found: _token(found, scope, request, now))):
        case Token() as token:
            return TokenIssued(now.mono, token)
        case str() as problem:
            return Rejected(now.mono, answer.garbled(problem))
        case never:
            assert_never(never)


def grant_reply(
    request: Request, provider: Provider, scope: tuple[str, ...], reply: Reply, now: Moment
) -> TokenReply:
    """Read the answer to a request that may be repeated: any ``Retry-After`` is an invitation."""
    event = refresh_reply(request, provider, scope, reply, now)
    if isinstance(event, Unanswered) and event.retry_after is not None:
        return SlowDownAsked(now.mono, None, event.retry_after, now.roll, event.nonce)
    return event


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
    found: Members, scope: tuple[str, ...], request: Request, now: Moment
) -> Result[Token, str]:
    granted = words(found.get("scope"))
    return Result.do(
        Token(
            access_token=access_token,
            token_type=token_type,
            expires_at=expiry(found, now.wall),
            refresh_token=refresh_token,
            scope=scope if granted is None else granted,
            id_token=id_token,
            extra=absent(found, _TOKEN_MEMBERS),
            issued_at=now.wall,
        )
        for access_token in sendable(found, "access_token")
        for refresh_token in maybe_sendable(found, "refresh_token")
        for id_token in maybe_sendable(found, "id_token")
        for token_type in _bound(text_of(found.get("token_type")) or "Bearer", request)
    )


def _bound(token_type: str, request: Request) -> Result[str, str]:
    """Refuse a token that is not bound to the key, where that was asked for."""
    proof = request.proof
    if proof is None or not proof.key.required or token_type.lower() == "dpop":
        return Success(token_type)
    return Failure("token_type is not DPoP, though a proof of possession was sent")
