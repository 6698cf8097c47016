"""Introspection (RFC 7662): the server's own word on a token."""

from __future__ import annotations

from returns.result import Failure, Result, Success

from grantflow.core.acquisition.revocation import about, success
from grantflow.core.client.client import Client
from grantflow.core.client.provider import Provider
from grantflow.core.flows.states import Failed
from grantflow.core.responses.answer import Answer
from grantflow.core.values.errors import InvalidResponse
from grantflow.core.values.json import Members
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply
from grantflow.core.values.time import Moment
from grantflow.core.values.token import Token


def introspection(client: Client, token: Token) -> Request | None:
    """Return the question whether ``token`` is active; ``None`` where nobody answers it."""
    endpoint = client.provider.introspection_endpoint
    if endpoint is None:
        return None
    asking = client.provider.introspection
    return about(client, endpoint, token.access_token, "access_token", asking)


def introspected(
    request: Request, provider: Provider, reply: Reply, now: Moment
) -> Result[Members, Failed]:
    """Read the answer to an introspection: ``active`` must be there (section 2.2)."""
    return success(request, provider, reply, now).bind(_active)


def _active(answer: Answer) -> Result[Members, Failed]:
    found = answer.found.value_or(Members())
    if isinstance(found.get("active"), bool):
        return Success(found)
    return Failure(Failed(InvalidResponse("introspection: active is missing")))
