"""Whether a provider takes a token that was handed over: it is asked whose the token is.

Rules:

1. Only a provider with a name says where to ask (``userinfo_endpoint``), and the token goes there
   only if that is the origin that tokens of this provider come from.
2. A 401 or 403 is a refusal. Whatever else is no answer (trouble, a redirect, a page) says nothing
   about the token.
"""

from __future__ import annotations

from attrs import evolve

from grantflow.core.client.provider import Provider, origin_of
from grantflow.core.values.errors import Error, InvalidResponse, Refused, Unreachable
from grantflow.core.values.json import Members
from grantflow.core.values.parsing import members
from grantflow.core.values.request import Request
from grantflow.core.values.response import Fault, Response
from grantflow.core.values.result import either
from grantflow.core.values.token import Token
from grantflow.shell.ports import Transport


def asked_at(provider: Provider) -> str | None:
    """Return where a provider says whose a token is, if the token may go there."""
    url = provider.userinfo_endpoint
    home = origin_of(provider.token_endpoint)
    return url if url is not None and origin_of(url) == home else None


def problem_with(token: Token, provider: Provider, send: Transport) -> Error | None:
    """Ask whose the token is, once: a ``Refused``, or why that is not known, else ``None``."""
    url = asked_at(provider)
    if url is None:
        return None
    spelt = evolve(token, token_type=provider.authorization_scheme or token.token_type)
    bearing = (("Authorization", spelt.authorization),)
    match send(Request(url, headers=bearing, method="GET")):
        case Fault() as fault:
            return Unreachable(fault, 1)
        case Response(status=401 | 403 as status):
            return Refused("invalid_token", status=status)
        case Response(status=200, body=body):
            return _unlike_a_user(body)
        case Response(status=status) if status == 429 or status >= 500:
            return Unreachable(Fault("http", "maybe", f"HTTP {status}"), 1)
        case Response(status=status):
            return InvalidResponse(f"HTTP {status} instead of a user", status)


def _unlike_a_user(body: bytes) -> InvalidResponse | None:
    match either(members(body)):
        case Members():
            return None
        case str() as problem:
            return InvalidResponse(f"HTTP 200: {problem} instead of a user", 200)
