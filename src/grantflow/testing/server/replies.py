"""The shape of an answer: JSON, never to be cached (RFC 6749 sections 5.1 and 5.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

from grantflow.core.values.response import Response
from grantflow.testing.server.value import Server

Step: TypeAlias = tuple[Server, Response]
"""The server after an answer, and the answer."""


def json_reply(
    status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> Response:
    """Return a JSON object as an answer."""
    fixed = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Response(status, fixed | dict(headers or {}), json.dumps(body).encode())


def error(
    status: int, code: str, description: str = "", members: Mapping[str, object] | None = None
) -> Response:
    """Return an error (RFC 6749 section 5.2), with a challenge if it is a 401."""
    described = {"error_description": description} if description else {}
    body = {"error": code, **described, **(members or {})}
    headers = {"WWW-Authenticate": 'Basic realm="token"'} if status == 401 else {}
    return json_reply(status, body, headers)


def merged(body: dict[str, object], members: Mapping[str, object]) -> dict[str, object]:
    """Return an answer with a script's own members; ``None`` leaves one out."""
    return {name: value for name, value in {**body, **members}.items() if value is not None}
