"""The user of a token, from DagsHub.

Only a 401 means that a token is invalid. Any other failure leaves that unknown.
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
    """A user: a name of at most 200 characters, and DagsHub's whole answer."""

    username: str
    document: Secret

    def members(self) -> dict[str, object]:
        """Return DagsHub's answer."""
        found: dict[str, object] = json.loads(self.document.reveal())
        return found


UserAnswer: TypeAlias = User | Refused | Unreachable | InvalidResponse
"""The user; a refusal of the token; or why neither is known."""

_LARGEST_NAME: Final = 200


def fetch_user(token: Token, endpoint: str, send: Transport) -> UserAnswer:
    """Ask DagsHub for the user of a token."""
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
