"""A provider from its issuer's own metadata (RFC 8414, OpenID Connect Discovery 1.0).

The issuer may be that of a resource, which says who issues tokens for it (RFC 9728).

Rules:

1. Both well-known forms are tried. The document's issuer must be exactly the one that was asked
   (RFC 8414 section 3.3), or anyone's document could speak for it; a root path counts as none.
2. An optional endpoint that cannot be used is left out (``Provider.notes``), not the document.
3. A server in trouble (429, 5xx) has said nothing about its metadata: ``Unreachable``.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from functools import partial
from typing import Final, TypeAlias, TypeVar
from urllib.parse import urlsplit, urlunsplit

from returns.result import Failure, Result, Success

from grantflow.core.acquisition.resource import (
    Metadata,
    ProtectedResource,
    metadata_locations,
    read_metadata,
    scope_in,
)
from grantflow.core.client.identity import Grant
from grantflow.core.client.provider import Provider, endpoint_problem
from grantflow.core.values.errors import InvalidResponse, Unreachable
from grantflow.core.values.parsing import members, retry_after
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply, Response
from grantflow.core.values.result import either
from grantflow.core.values.validators import ArgumentError
from grantflow.providers.template import Template
from grantflow.shell.blocking import default_transport
from grantflow.shell.clock import SystemClock
from grantflow.shell.ports import Transport
from grantflow.shell.signing.signed import signed

T = TypeVar("T")

Discovered: TypeAlias = Provider | InvalidResponse | Unreachable
DiscoveredResource: TypeAlias = ProtectedResource | InvalidResponse | Unreachable


def discover(issuer: str, transport: Transport | None = None) -> Discovered:
    """Ask ``issuer`` for its metadata and return the provider that it describes, or what is wrong.

    ``transport`` is ``requests`` by default. ``ValueError`` for an issuer that is not https.
    """
    return _asked(requests(issuer), transport)


def discover_resource(
    url: str, transport: Transport | None = None, *, grant: Grant = "device"
) -> DiscoveredResource:
    """Ask the resource at ``url`` who issues tokens for it (RFC 9728), and that server.

    Of several servers the first that has the ``grant`` is taken. ``transport`` is ``requests`` by
    default. ``ValueError`` for a URL that is not https.
    """
    return _asked(resource_requests(url, grant), transport)


def _asked(going: Generator[Request, Reply, T], transport: Transport | None) -> T:
    send = signed(transport or default_transport())
    try:
        request = next(going)
        while True:
            request = going.send(send(request))
    except StopIteration as end:
        found: T = end.value
        return found


def provider_of(template: Template, values: Mapping[str, str], transport: Transport) -> Discovered:
    """Return the provider of a template, whose issuer is asked if it has no endpoints of its own.

    ``ValueError`` names a value that is missing, unknown or unusable.
    """
    if not template.discovers:
        return template.filled(values)
    found = discover(template.issuer(values), transport)
    return template.over(found, values) if isinstance(found, Provider) else found


def requests(issuer: str) -> Generator[Request, Reply, Discovered]:
    """Yield what to ask, take the replies, and return what came of them: for any driver."""
    problem = endpoint_problem(issuer)
    if problem is not None:
        raise ArgumentError("issuer", problem)
    missing, unusable, trouble = InvalidResponse("metadata: not found"), None, None
    for url in _locations(issuer):
        match (yield Request(url, method="GET")):
            case Fault() as fault:
                return Unreachable(fault, 1)
            case Response(status=200, body=body):
                read = either(_read(body, issuer))
                if isinstance(read, Provider):
                    return read
                unusable = unusable or read  # some sites answer every path with 200 and a page
            case Response(status=status) as response if status == 429 or status >= 500:
                trouble = trouble or Unreachable(_fault(response), 1)
            case Response(status=status):
                missing = InvalidResponse(f"no metadata at {url}: HTTP {status}", status)
    return unusable or trouble or missing


def resource_requests(
    url: str, grant: Grant = "device"
) -> Generator[Request, Reply, DiscoveredResource]:
    """Yield what to ask of a resource and of its servers, and return what came of it."""
    problem = endpoint_problem(url)
    if problem is not None:
        raise ArgumentError("url", problem)
    reply = yield Request(url, method="GET")
    if isinstance(reply, Fault):
        return Unreachable(reply, 1)
    challenge = reply.header("www-authenticate")
    described = yield from _described(url, challenge)
    if not isinstance(described, Metadata):
        return described
    provider = yield from _server(described, grant)
    if not isinstance(provider, Provider):
        return provider
    return ProtectedResource(
        resource=described.resource,
        provider=provider,
        scope=scope_in(challenge),
        scopes_supported=described.scopes_supported,
    )


def _described(
    url: str, challenge: str | None
) -> Generator[Request, Reply, Metadata | InvalidResponse | Unreachable]:
    unusable, trouble = None, None
    for place in metadata_locations(url, challenge):
        match (yield Request(place, method="GET")):
            case Fault() as fault:
                return Unreachable(fault, 1)
            case Response(status=200, body=body):
                read = members(body).alt(_no_metadata)
                found = either(read.bind(partial(read_metadata, url=url)))
                if isinstance(found, Metadata):
                    return found
                unusable = unusable or found
            case Response(status=status) as response if status == 429 or status >= 500:
                trouble = trouble or Unreachable(_fault(response), 1)
            case Response():
                continue
    return unusable or trouble or InvalidResponse(f"{url} does not say who issues tokens for it")


def _no_metadata(problem: str) -> InvalidResponse:
    return InvalidResponse(f"metadata of the resource: {problem}")


def _server(described: Metadata, grant: Grant) -> Generator[Request, Reply, Discovered]:
    lacking: InvalidResponse | None = None
    failed: InvalidResponse | Unreachable | None = None
    for issuer in described.servers:
        found = yield from requests(issuer)
        if not isinstance(found, Provider):
            failed = failed or found
        elif grant == "device" and found.device_authorization_endpoint is None:
            lacking = lacking or InvalidResponse(f"{issuer} has no device authorization endpoint")
        else:
            return found
    return failed or lacking or InvalidResponse("the resource names no authorization server")


def _fault(response: Response) -> Fault:
    pause = retry_after(response.header("retry-after"), SystemClock().now().wall)
    return Fault("http", "maybe", f"HTTP {response.status}", retry_after=pause)


def _locations(issuer: str) -> Iterator[str]:
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    for name in ("oauth-authorization-server", "openid-configuration"):
        # RFC 8414 section 3.1 puts the well-known part before the issuer's path ...
        yield urlunsplit(parts._replace(path=f"/.well-known/{name}{path}"))
    if path:
        # ... OpenID Connect behind it.
        yield urlunsplit(parts._replace(path=f"{path}/.well-known/openid-configuration"))


def _read(body: bytes, issuer: str) -> Result[Provider, InvalidResponse]:
    found = members(body).alt(lambda problem: InvalidResponse(f"metadata: {problem}"))
    return found.bind(Provider.from_metadata).bind(lambda provider: _of(provider, issuer))


def _of(provider: Provider, issuer: str) -> Result[Provider, InvalidResponse]:
    said = provider.issuer or ""
    if said == issuer or _same_root(said, issuer):
        return Success(provider)
    problem = f"metadata: it is of {said}, not of {issuer}"
    if "{" in said:
        problem += f"; that is a template: {_named(issuer)}"
    elif said.rstrip("/") == issuer.rstrip("/"):
        problem += f"; only the slash at the end differs, and it counts: use {said}"
    return Failure(InvalidResponse(problem))


def _same_root(said: str, issuer: str) -> bool:
    """Tell whether two issuers differ by the path ``/`` alone, which is none (RFC 3986 6.2.3)."""
    return said.rstrip("/") == issuer.rstrip("/") and not urlsplit(said.rstrip("/")).path


# Issuers that are templates, by their hosts: each is a provider with a name, and a need for it.
_TEMPLATED: Final = {
    "login.microsoftonline.com": "entra, with tenant=common or your own",
    "login.microsoftonline.us": "entra, with host=login.microsoftonline.us and your tenant",
    "sts.windows.net": "entra-v1, with your tenant",
}


def _named(issuer: str) -> str:
    host = urlsplit(issuer).hostname or ""
    if host in _TEMPLATED:
        return f"use the provider {_TEMPLATED[host]}"
    return "name the endpoints, or the issuer of your own tenant"
