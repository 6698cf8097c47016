"""Whose token it is: DagsHub's own answer, and what a refusal is not.

Only a 401 says that a token is not valid. Any other answer, or none, says nothing about it.
"""

from __future__ import annotations

import json
from typing import Final, TypeAlias, final

from attrs import frozen

from grantflow import (
    Fault,
    InvalidResponse,
    Refused,
    Request,
    Response,
    Secret,
    Token,
    Transport,
    Unreachable,
)


@final
@frozen
class User:
    """Whose a token is: a name of at most 200 characters, and what else DagsHub tells."""

    username: str
    document: Secret

    def members(self) -> dict[str, object]:
        """Return DagsHub's answer."""
        found: dict[str, object] = json.loads(self.document.reveal())
        return found


Whose: TypeAlias = User | Refused | Unreachable | InvalidResponse
"""Whose the token is; that it is not valid; or why that is not known."""

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


def _named(body: bytes) -> User | InvalidResponse:
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    match found if isinstance(found, dict) else {}:
        case {"login": str(), "username": str(name)} as user if 0 < len(name) <= _LARGEST_NAME:
            return User(name, Secret(json.dumps(user)))
        case _:
            return InvalidResponse("HTTP 200 without a user", 200)
