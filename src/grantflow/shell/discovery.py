"""A provider from its issuer's own metadata (RFC 8414, OpenID Connect Discovery 1.0)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

from returns.result import Failure, Result, Success

from grantflow.core.client.provider import Provider, endpoint_problem
from grantflow.core.values.errors import InvalidResponse, Unreachable
from grantflow.core.values.parsing import members
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Response
from grantflow.core.values.result import either
from grantflow.core.values.validators import ArgumentError
from grantflow.shell.ports import Transport


def discover(issuer: str, transport: Transport) -> Provider | InvalidResponse | Unreachable:
    """Ask ``issuer`` for its metadata and read it.

    Both well-known forms are tried. The document's issuer must be exactly the one that was asked
    (RFC 8414 section 3.3), or anybody's document could speak for it. ``ValueError`` for an issuer
    that is not https.
    """
    problem = endpoint_problem(issuer)
    if problem is not None:
        raise ArgumentError("issuer", problem)
    missing, unusable = InvalidResponse("metadata: not found"), None
    for url in _locations(issuer):
        match transport(Request(url, method="GET")):
            case Fault() as fault:
                return Unreachable(fault, 1)
            case Response(status=200, body=body):
                read = either(_read(body, issuer))
                if isinstance(read, Provider):
                    return read
                unusable = unusable or read  # some sites answer every path with 200 and a page
            case Response(status=status):
                missing = InvalidResponse(f"no metadata at {url}: HTTP {status}", status)
    return unusable or missing


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
    if provider.issuer == issuer:
        return Success(provider)
    problem = f"metadata: it is of {provider.issuer}, not of {issuer}"
    if provider.issuer is not None and provider.issuer.rstrip("/") == issuer.rstrip("/"):
        problem += f"; only the slash at the end differs, and it counts: use {provider.issuer}"
    return Failure(InvalidResponse(problem))
