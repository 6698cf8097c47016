"""Questions about a token that exists: revocation (RFC 7009) and introspection (RFC 7662).

One request each, by hand of the caller: the reply is read here, and nothing is repeated.
"""

from __future__ import annotations

from typing import Literal

from returns.result import Failure, Result, Success

from grantflow.core.client import Client
from grantflow.core.errors import Garbled, Refused, Unreachable
from grantflow.core.provider import Provider
from grantflow.core.request import Request
from grantflow.core.secret import Secret
from grantflow.core.states import Failed
from grantflow.core.values import Fault, Members, Moment, Reply, Token
from grantflow.core.wire import Answer, read_answer

Hint = Literal["access_token", "refresh_token"]


def revocations(client: Client, token: Token) -> tuple[Request, ...]:
    """Return the requests that end a token: the refresh token first, for it ends the grant.

    >>> from grantflow.core.provider import Provider
    >>> acme = Provider(name="acme", token_endpoint="https://a.example/t",
    ...     revocation_endpoint="https://a.example/revoke")
    >>> client = Client(provider=acme, client_id="app")
    >>> [request.body() for request in revocations(client, Token(access_token="at"))]
    [b'token=at&token_type_hint=access_token&client_id=app']
    """
    endpoint = client.provider.revocation_endpoint
    if endpoint is None:
        return ()
    refresh = token.refresh_token
    ends = () if refresh is None else (_about(client, endpoint, refresh, "refresh_token"),)
    return (*ends, _about(client, endpoint, token.access_token, "access_token"))


def introspection(client: Client, token: Token) -> Request | None:
    """Return the question whether ``token`` is active; ``None`` where nobody answers it."""
    endpoint = client.provider.introspection_endpoint
    if endpoint is None:
        return None
    return _about(client, endpoint, token.access_token, "access_token")


def revoked(
    request: Request, provider: Provider, reply: Reply, now: Moment
) -> Result[None, Failed]:
    """Read the answer to a revocation: 200 also says that the token was not known (section 2.2)."""
    return _success(request, provider, reply, now).map(lambda _: None)


def introspected(
    request: Request, provider: Provider, reply: Reply, now: Moment
) -> Result[Members, Failed]:
    """Read the answer to an introspection: ``active`` must be there (section 2.2)."""
    return _success(request, provider, reply, now).bind(_active)


def _about(client: Client, endpoint: str, token: Secret, hint: Hint) -> Request:
    return client.request(endpoint, (("token", token), ("token_type_hint", hint)))


def _success(
    request: Request, provider: Provider, reply: Reply, now: Moment
) -> Result[Answer, Failed]:
    if isinstance(reply, Fault):
        return Failure(Failed(Unreachable(reply, 1)))
    answer = read_answer(request, provider, "token", reply, now)
    if isinstance(answer.refused, Refused):
        return Failure(Failed(answer.refused))
    if not answer.success:
        return Failure(Failed(Unreachable(answer.fault(), 1)))
    return Success(answer)


def _active(answer: Answer) -> Result[Members, Failed]:
    found = answer.found.value_or(Members())
    if isinstance(found.get("active"), bool):
        return Success(found)
    return Failure(Failed(Garbled("introspection: active is missing")))
