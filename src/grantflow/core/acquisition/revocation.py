"""Questions about a token that exists: revocation (RFC 7009) and introspection (RFC 7662).

One request each, by hand of the caller: the reply is read here, and nothing is repeated.
"""

from __future__ import annotations

from typing import Literal

from returns.result import Failure, Result, Success

from grantflow.core.client.client import Client
from grantflow.core.client.dialect import RequestFormat
from grantflow.core.client.provider import Provider
from grantflow.core.flows.states import Failed
from grantflow.core.responses.answer import Answer, read_answer
from grantflow.core.values.errors import Refused, Unreachable
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Reply
from grantflow.core.values.secret import Secret
from grantflow.core.values.time import Moment
from grantflow.core.values.token import Token

Hint = Literal["access_token", "refresh_token"]


def revocations(client: Client, token: Token) -> tuple[Request, ...]:
    """Return the requests that end a token: the refresh token first, for it ends the grant.

    >>> from grantflow.core.client.provider import Provider
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
    asking = client.provider.revocation
    ends = () if refresh is None else (about(client, endpoint, refresh, "refresh_token", asking),)
    return (*ends, about(client, endpoint, token.access_token, "access_token", asking))


def revoked(
    request: Request, provider: Provider, reply: Reply, now: Moment
) -> Result[None, Failed]:
    """Read the answer to a revocation: 200 also says that the token was not known (section 2.2).

    ``invalid_token`` says the same. It is no error of RFC 7009, and Keycloak sends it, with 200,
    for an access token that ended with its refresh token. ``unsupported_token_type`` for an access
    token leaves nothing to ask for either: a server need not revoke those (section 2.2.1).
    """
    found = success(request, provider, reply, now).map(lambda _: None)
    return found.lash(lambda failed: _gone(failed, dict(request.form).get("token_type_hint")))


def _gone(failed: Failed, hint: str | Secret | None) -> Result[None, Failed]:
    match failed.error:
        case Refused(code="invalid_token", status=200 | 400):
            return Success(None)
        case Refused(code="unsupported_token_type") if hint == "access_token":
            return Success(None)
        case _:
            return Failure(failed)


def about(
    client: Client, endpoint: str, token: Secret, hint: Hint, asking: RequestFormat
) -> Request:
    """Return a request about a token, to an endpoint that takes ``token_type_hint``."""
    return client.request(endpoint, (("token", token), ("token_type_hint", hint)), asking)


def success(
    request: Request, provider: Provider, reply: Reply, now: Moment
) -> Result[Answer, Failed]:
    """Read an answer that has to be a success."""
    if isinstance(reply, Fault):
        return Failure(Failed(Unreachable(reply, 1)))
    answer = read_answer(request, provider, "token", reply, now)
    if isinstance(answer.refused, Refused):
        return Failure(Failed(answer.refused))
    if not answer.success:
        return Failure(Failed(Unreachable(answer.fault(), 1)))
    return Success(answer)
