"""An access token as ``stanford.green.oauth2`` hands it out, and its spelling of time."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from grantflow import Clock, Secret, SystemClock
from grantflow.compat.arguments import wrapped

_ZULU: Final = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}([.][0-9]+)?Z")


class AccessToken:
    """An access token and when it expires, an aware time; it does not show itself.

    ``ValueError`` for a token of nothing and for a time without an offset.

    >>> token = AccessToken("hunter2", datetime(2026, 1, 1, tzinfo=UTC))
    >>> token.zulu_time_string(), token.is_expired()
    ('2026-01-01T00:00:00Z', True)
    """

    def __init__(
        self, token: str | Secret, expires_at: datetime, *, clock: Clock | None = None
    ) -> None:
        if token is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise ValueError("the token cannot be None")
        self._secret = token = wrapped(token)
        if token == Secret(""):
            raise ValueError("the token cannot be the empty string")
        self._clock = clock or SystemClock()
        self.expires_at = expires_at

    @property
    def token(self) -> str:
        """The token itself, to be sent."""
        return self._secret.reveal()

    @token.setter
    def token(self, value: str) -> None:
        self._secret = Secret(value)

    @property
    def expires_at(self) -> datetime:
        """When the token expires."""
        return self._expires_at

    @expires_at.setter
    def expires_at(self, value: datetime) -> None:
        if value.tzinfo is None:
            raise ValueError("expires_at must be offset aware")
        self._expires_at = value

    def expires_in(self) -> int:
        """Return the seconds until the token expires, less than zero afterwards."""
        return int((self.expires_at - self._clock.now().wall).total_seconds())

    def is_expired(self) -> bool:
        """Tell whether the token has expired."""
        return self.expires_at < self._clock.now().wall

    def zulu_time_string(self) -> str:
        """Return when the token expires, as in ``2026-01-01T00:00:00Z``."""
        return self.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def __getstate__(self) -> dict[str, str | datetime]:
        return {"token": self.token, "expires_at": self.expires_at}

    def __setstate__(self, values: dict[str, str | datetime]) -> None:
        match values:
            case {"token": str(token), "expires_at": datetime() as expires_at}:
                self.__init__(token, expires_at)  # type: ignore[misc]
            case _:
                raise ValueError("not the state of an AccessToken")

    def __repr__(self) -> str:
        if not hasattr(self, "_expires_at"):  # a report of what went wrong in the constructor
            return "<token: ***>"
        ends = f"expires_at (UTC): {self.zulu_time_string()}"
        return f"<token: ***, {ends}, expires_in (secs): {self.expires_in()}>"


def from_zulu(value: object) -> datetime | None:
    """Read a time that ends in ``Z``; ``None`` for anything else.

    >>> from_zulu("2024-07-28T21:42:34.5Z").isoformat()
    '2024-07-28T21:42:34.500000+00:00'
    >>> from_zulu("2024-07-28T21:42:34")
    """
    if not isinstance(value, str) or _ZULU.fullmatch(value) is None:
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None
