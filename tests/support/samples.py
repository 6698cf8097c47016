"""What many tests speak of: moments, clients, replies."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from attrs import evolve

from grantflow import Client, ClientSecretPost, Instant, Moment, Provider, Response, Token

WALL = datetime(2026, 1, 1, tzinfo=UTC)
ACME = Provider(
    name="acme",
    token_endpoint="https://acme.example/token",
    device_authorization_endpoint="https://acme.example/device",
)
CLIENT = Client(provider=ACME, client_id="app", scope=("read", "write"))
CONFIDENTIAL = Client(
    provider=ACME, client_id="app", authentication=ClientSecretPost("s3cret-word")
)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def instant(number: float) -> Instant:
    return Instant(timedelta(seconds=number))


def moment(number: float = 0, roll: float = 0.0) -> Moment:
    return Moment(instant(number), WALL + timedelta(seconds=number), roll)


def reply(status: int, body: object = None, **headers: str) -> Response:
    """An answer; ``retry_after="5"`` is the header ``Retry-After``."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {name.replace("_", "-"): text for name, text in headers.items()}, data)


def unmarked(token: Token | None) -> Token | None:
    """Return a stored token without the mark that its refresh token was sent."""
    return None if token is None else evolve(token, refresh_sent=False)
