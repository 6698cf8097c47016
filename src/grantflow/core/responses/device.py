"""The answer of the device authorization endpoint (RFC 8628 section 3.2)."""

from __future__ import annotations

from typing import Final, assert_never
from urllib.parse import urlencode, urlsplit

from returns.result import Failure, Result, Success

from grantflow.core.client.client import Client
from grantflow.core.client.provider import Provider, endpoint_problem, origin_of
from grantflow.core.flows.events import CodeIssued, DeviceReply, Rejected, Unanswered
from grantflow.core.responses.answer import read_answer
from grantflow.core.responses.codes import meaning
from grantflow.core.values.json import Members
from grantflow.core.values.parsing import (
    absent,
    left,
    link,
    sendable,
    span,
    text_of,
)
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply
from grantflow.core.values.result import either
from grantflow.core.values.time import Instant, Moment
from grantflow.core.values.token import DeviceAuthorization


def read_device(request: Request, client: Client, reply: Reply, now: Moment) -> DeviceReply:
    """Read the answer of the device authorization endpoint (RFC 8628 section 3.2)."""
    if isinstance(reply, Fault):
        return Unanswered(now.mono, reply, now.roll)
    provider = client.provider
    answer = read_answer(request, provider, "device", reply, now)
    if answer.refused is not None:
        if meaning(answer.refused.code, "device", reply.status) == "trouble":
            return Unanswered(now.mono, answer.fault(), now.roll)
        return Rejected(now.mono, answer.refused)
    if not answer.success:
        return answer.no_answer(now)
    match either(answer.found.bind(lambda found: _authorization(found, request, provider, now))):
        case DeviceAuthorization() as authorization:
            return CodeIssued(now.mono, authorization)
        case str() as problem:
            return Rejected(now.mono, answer.invalid(problem))
        case never:
            assert_never(never)


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
    if not any(found.get(name) for name in ("verification_uri", "verification_url")):
        found = Members({**found, "verification_uri": provider.verification_uri})
    found = _at_home(found, provider)
    valid = left(found, now.wall)
    complete = link(found, "verification_uri_complete", "verification_url_complete", scheme=scheme)
    return Result.do(
        DeviceAuthorization(
            device_code,
            user_code,
            _built(uri, user_code, provider) or uri if provider.link_needs_code else uri,
            Instant(now.mono + (provider.lifetime if valid is None else valid)),
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


def _at_home(found: Members, provider: Provider) -> Members:
    """Return the answer with the provider's own origin where a mirror passed another one through.

    A mirror's path stands in front of the other one's: that of the provider's endpoint is taken
    where it ends with it.
    """
    name, host = provider.poll_at, provider.poll_host
    if name is None or host is None or "https://" + host != _bare_origin(text_of(found.get(name))):
        return found
    where = urlsplit(text_of(found.get(name)) or "")
    home = urlsplit(provider.poll_endpoint or provider.token_endpoint)
    path = home.path if home.path.endswith(where.path) else where.path
    ours = where._replace(scheme=home.scheme, netloc=home.netloc, path=path)
    return Members({**found, name: ours.geturl()})


def _bare_origin(url: str | None) -> str | None:
    """Return an origin without the usual port."""
    origin = None if url is None or endpoint_problem(url) is not None else origin_of(url)
    return None if origin is None else origin.removesuffix(":443")


def _polled(found: Members, request: Request, provider: Provider) -> Result[None, str]:
    """Refuse to send a code where another origin than the provider's waits for it."""
    if provider.poll_at is None:
        return Success(None)
    where = text_of(found.get(provider.poll_at)) or ""
    if endpoint_problem(where) is None and origin_of(where) == origin_of(request.url):
        return Success(None)
    return Failure(f"{provider.poll_at} is not on the provider's origin")
