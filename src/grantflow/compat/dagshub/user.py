"""Whose token it is: DagsHub's own answer, and what a refusal is not.

Only a 401 says that a token is not valid. Any other answer, or none, says nothing about it.
"""

from __future__ import annotations

import json
from typing import Final, TypeAlias

from grantflow import (
    Fault,
    InvalidResponse,
    Refused,
    Request,
    Response,
    Token,
    Transport,
    Unreachable,
)

Whose: TypeAlias = str | Refused | Unreachable | InvalidResponse
"""A user name; that the token is not valid; or why that is not known."""

_LARGEST_NAME: Final = 200


def whose(token: Token, endpoint: str, send: Transport) -> Whose:
    """Ask DagsHub whose token it is."""
    bearing = (("Authorization", token.authorization),)
    reply = send(Request(endpoint, headers=bearing, method="GET"))
    match reply:
        case Fault():
            return Unreachable(reply, 1)
        case Response(status=401):
            return Refused("invalid_token", status=401)
        case Response(status=200):
            return _named(reply.body)
        case Response(status=status) if status == 429 or status >= 500:
            return Unreachable(Fault("http", "maybe", f"HTTP {status}"), 1)
        case Response(status=status):
            return InvalidResponse(f"HTTP {status} instead of a user", status)


def _named(body: bytes) -> str | InvalidResponse:
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    match found:
        case {"login": str(), "username": str(name)} if 0 < len(name) <= _LARGEST_NAME:
            return name
        case _:
            return InvalidResponse("HTTP 200 without a user", 200)
