"""What came back: a code, a token, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from grantflow import DeviceAuthorization, Instant, Token

Triple: TypeAlias = tuple[str, str | None, int | None]
"""An access token, a refresh token, and a life in seconds; ``None`` where none was told."""

_SECOND = timedelta(seconds=1)


@dataclass
class DeviceCodeResponse:
    """What a person needs to approve a sign-in. ``expires_in`` and ``interval`` are seconds."""

    device_code: str = field(repr=False)
    user_code: str
    verification_uri: str
    expires_in: int
    interval: int
    verification_uri_complete: str | None = None

    @classmethod
    def from_json_response(cls, j: Mapping[str, object]) -> DeviceCodeResponse:
        """Read an answer that was decoded already; ``KeyError`` names what is missing.

        >>> answer = {"device_code": "c", "user_code": "BNDJ", "verification_uri": "url"}
        >>> DeviceCodeResponse.from_json_response(answer | {"expires_in": 600}).interval
        5
        """
        complete = j.get("verification_uri_complete")
        return cls(
            device_code=str(j["device_code"]),
            user_code=str(j["user_code"]),
            verification_uri=str(j["verification_uri"]),
            expires_in=int(str(j["expires_in"])),
            interval=int(str(j.get("interval", 5))),  # RFC 8628 section 3.2
            verification_uri_complete=None if complete is None else str(complete),
        )

    @classmethod
    def of(cls, code: DeviceAuthorization, at: Instant) -> DeviceCodeResponse:
        """Return what was issued at an instant; rounded so that nobody asks too often or late."""
        return cls(
            device_code=code.device_code.reveal(),
            user_code=code.user_code,
            verification_uri=code.verification_uri,
            expires_in=(code.expires_at - at) // _SECOND,
            interval=math.ceil(code.interval / _SECOND),
            verification_uri_complete=code.verification_uri_complete,
        )


def triple_of(token: Token) -> Triple:
    """Return a token as flytekit does."""
    refresh = None if token.refresh_token is None else token.refresh_token.reveal()
    life = None
    if token.expires_at is not None and token.issued_at is not None:
        life = (token.expires_at - token.issued_at) // _SECOND
    return token.access_token.reveal(), refresh, life
