"""The results of the calls: a device code, or a token."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from grantflow import DeviceAuthorization, Instant, Secret, Token

Triple: TypeAlias = tuple[str, str | None, int | None]
"""Access token, refresh token and lifetime in seconds; ``None`` if the server sent none."""

_SECOND = timedelta(seconds=1)
_INTERVAL = timedelta(seconds=5)  # RFC 8628 section 3.2
_LIFETIME = timedelta(minutes=30)  # as of a provider that does not say


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
        >>> found = DeviceCodeResponse.from_json_response(answer | {"expires_in": "600.5"})
        >>> found.expires_in, found.interval
        (600, 5)
        """
        secret = _code(j)
        # Tracebacks may show what a frame holds: nothing but what a person is shown, from here on.
        j = {name: j[name] for name in _SHOWN if name in j}
        if secret is None:
            raise KeyError("device_code")
        complete = j.get("verification_uri_complete")
        code = DeviceAuthorization(
            device_code=secret,
            user_code=_text(j, "user_code"),
            verification_uri=_text(j, "verification_uri"),
            expires_at=Instant(_span(j.get("expires_in")) or _LIFETIME),
            interval=_span(j.get("interval")) or _INTERVAL,
            verification_uri_complete=None if complete is None else str(complete),
        )
        return cls.of(code, Instant(timedelta()))

    @classmethod
    def of(cls, code: DeviceAuthorization, at: Instant) -> DeviceCodeResponse:
        """Return a code issued at an instant: the interval rounded up, the lifetime down."""
        return cls(
            device_code=code.device_code.reveal(),
            user_code=code.user_code,
            verification_uri=code.verification_uri,
            expires_in=(code.expires_at - at) // _SECOND,
            interval=math.ceil(code.interval / _SECOND),
            verification_uri_complete=code.verification_uri_complete,
        )


_SHOWN = ("user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval")


def _code(answer: Mapping[str, object]) -> Secret | None:
    code = answer.get("device_code")
    return None if code is None else Secret(str(code))


def _text(found: Mapping[str, object], name: str) -> str:
    value = found[name]
    if value is None:
        raise KeyError(name)
    return str(value)


def _span(value: object) -> timedelta | None:
    """Read a number of seconds, also as text; ``None`` for what is no positive number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        seconds = float(value)
        return timedelta(seconds=seconds) if seconds > 0 else None
    except (ValueError, OverflowError):
        return None


def triple_of(token: Token) -> Triple:
    """Return a token as flytekit does."""
    refresh = None if token.refresh_token is None else token.refresh_token.reveal()
    life = None
    if token.expires_at is not None and token.issued_at is not None:
        life = (token.expires_at - token.issued_at) // _SECOND
    return token.access_token.reveal(), refresh, life
