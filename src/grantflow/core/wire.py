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

import re
from datetime import timedelta
from typing import Final, TypeVar, assert_never, final
from urllib.parse import urlencode

from attrs import frozen
from returns.result import Failure, Result, Success

from grantflow.core import nonces
from grantflow.core.errors import Denied, Garbled, Refused
from grantflow.core.events import (
    CodeExpired,
    CodeIssued,
    NonceAsked,
    Rejected,
    SlowDownAsked,
    StartReply,
    StillPending,
    TokenIssued,
    TokenReply,
    Unanswered,
)
from grantflow.core.members import (
    absent,
    expiry,
    left,
    link,
    maybe_sendable,
    members,
    retry_after,
    sendable,
    span,
    text_of,
    words,
)
from grantflow.core.provider import Provider, endpoint_problem, origin_of
from grantflow.core.request import Request
from grantflow.core.spelling import Answering, Phase
from grantflow.core.values import (
    DeviceAuthorization,
    Fault,
    Instant,
    Json,
    Members,
    Moment,
    Reply,
    Response,
    Token,
)


@final
class _Nothing: ...


_NOTHING: Final = _Nothing()

T = TypeVar("T")
E = TypeVar("E")


def either(result: Result[T, E]) -> T | E:
    """Leave the railway: matching on a ``Result`` would lose its types.

    >>> either(Success(1))
    1
    """
    value = result.value_or(_NOTHING)
    return result.failure() if isinstance(value, _Nothing) else value


@final
@frozen
class Answer:
    """A response, read once: its members or what is wrong with them, its code and its pause."""

    response: Response
    found: Result[Members, str]
    refused: Refused | None
    pause: timedelta | None

    @property
    def interval(self) -> timedelta | None:
        """Return the new interval that an error names (GitHub does)."""
        return span(self.found.value_or(Members()).get("interval"))

    @property
    def success(self) -> bool:
        """Tell whether the status is a 2xx."""
        return 200 <= self.response.status < 300

    def fault(self) -> Fault:
        """Return the answer as trouble on the way."""
        return Fault("http", "maybe", f"HTTP {self.response.status}{self._nature()}")

    def garbled(self, problem: str) -> Garbled:
        """Return the answer as one that is no OAuth answer."""
        return Garbled(f"HTTP {self.response.status}: {problem}", self.response.status)

    def nonce_asked(self, request: Request, now: Moment) -> NonceAsked | None:
        """Return that the server wants a nonce, if that is what it said."""
        code = None if self.refused is None else self.refused.code
        return nonces.asked(request, code, self.response, now)

    def no_answer(self, now: Moment) -> Rejected | Unanswered:
        """Judge an answer without a code where nobody waits for a person."""
        status = self.response.status
        if status in (408, 429) or status >= 500:
            return Unanswered(now.mono, self.fault(), self.pause, now.roll)
        if 300 <= status < 400:
            return Rejected(now.mono, self.garbled("a redirect, which is never followed"))
        return Rejected(now.mono, self.garbled(f"no OAuth answer{self._nature()}"))

    def _nature(self) -> str:
        problem = either(self.found.map(lambda _: "JSON without an error code"))
        return f" ({problem})"


def read_answer(
    request: Request, provider: Provider, phase: Phase, response: Response, now: Moment
) -> Answer:
    """Read a response once; the request tells which secrets it might echo."""
    sent = members(response.body)
    refused = _refused(request, provider.answers, phase, response, sent.value_or(Members()))
    found = sent.map(lambda read: provider.answers.translated(read, phase))
    return Answer(response, found, refused, retry_after(response.header("retry-after"), now.wall))


def device_reply(request: Request, provider: Provider, reply: Reply, now: Moment) -> StartReply:
    """Read the answer of the device authorization endpoint (RFC 8628 section 3.2)."""
    if isinstance(reply, Fault):
        return Unanswered(now.mono, reply, roll=now.roll)
    answer = read_answer(request, provider, "device", reply, now)
    match answer.refused:
        case Refused(code="slow_down" | "temporarily_unavailable" | "server_error"):
            return Unanswered(now.mono, answer.fault(), answer.pause, now.roll)
        case Refused() as refused:
            return Rejected(now.mono, refused)
        case _:
            pass
    if not answer.success:
        return answer.no_answer(now)
    match either(answer.found.bind(lambda found: _authorization(found, request, provider, now))):
        case DeviceAuthorization() as authorization:
            return CodeIssued(now.mono, authorization)
        case str() as problem:
            return Rejected(now.mono, answer.garbled(problem))
        case never:
            assert_never(never)


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


_REGISTERED: Final = frozenset(
    {
        "access_denied",
        "authorization_pending",
        "expired_token",
        "invalid_client",
        "invalid_dpop_proof",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "server_error",
        "slow_down",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
        "use_dpop_nonce",
    }
)

_LONGEST_DESCRIPTION: Final = 1000
_SIGNED: Final = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+")


def _refused(
    request: Request, answers: Answering, phase: Phase, response: Response, found: Members
) -> Refused | None:
    told = answers.code(found, response, phase)
    if told is None:
        return None
    raw, code = told
    # Web frameworks put "Internal Server Error" there. A word that no RFC knows does not turn
    # trouble inside the server into its considered answer.
    if code not in _REGISTERED and response.status >= 500:
        return None
    shown = _masked(raw, request) or ""
    return Refused(
        code if code in _REGISTERED else shown,
        _masked(answers.told(found), request),
        _masked(found.get("error_uri"), request),
        response.status,
        shown,
    )


def _masked(value: Json, request: Request) -> str | None:
    text = text_of(value)
    if text is None:
        return None
    for each in request.secrets():
        text = each.hidden_in(text)
    # What was signed at the edge is not known here; an assertion is as good as a password while it
    # lives.
    return _SIGNED.sub("***", text)[:_LONGEST_DESCRIPTION]


_CODE_MEMBERS: Final = frozenset(
    {
        "device_code",
        "user_code",
        "verification_uri",
        "verification_url",
        "verification_uri_complete",
        "verification_url_complete",
        "expires_in",
        "interval",
    }
)


def _authorization(
    found: Members, request: Request, provider: Provider, now: Moment
) -> Result[DeviceAuthorization, str]:
    # verification_url is the spelling of the drafts, and still Google's.
    scheme = provider.link_scheme
    complete = link(found, "verification_uri_complete", "verification_url_complete", scheme=scheme)
    return Result.do(
        DeviceAuthorization(
            device_code,
            user_code,
            uri,
            Instant(now.mono + (left(found, now.wall) or provider.lifetime)),
            span(found.get("interval")) or provider.interval,
            complete.value_or(_built(uri, user_code, provider)),
            absent(found, _CODE_MEMBERS),
        )
        for device_code in sendable(found, "device_code")
        for user_code in _user_code(found, provider)
        for uri in link(found, "verification_uri", "verification_url", scheme=scheme)
        for _ in _polled(found, request, provider)
    )


def _user_code(found: Members, provider: Provider) -> Result[str, str]:
    if not provider.shows_code and text_of(found.get("user_code")) is None:
        return Success("")
    return sendable(found, "user_code").map(lambda _: text_of(found["user_code"]) or "")


def _built(uri: str, user_code: str, provider: Provider) -> str | None:
    if provider.link_parameter is None:
        return None
    glue = "&" if "?" in uri else "?"
    return f"{uri}{glue}{urlencode({provider.link_parameter: user_code})}"


def _polled(found: Members, request: Request, provider: Provider) -> Result[None, str]:
    """Refuse to send a code where another origin than the provider's waits for it."""
    if provider.poll_at is None:
        return Success(None)
    where = text_of(found.get(provider.poll_at)) or ""
    if endpoint_problem(where) is None and origin_of(where) == origin_of(request.url):
        return Success(None)
    return Failure(f"{provider.poll_at} is not on the provider's origin")


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
