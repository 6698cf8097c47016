"""``dagshub.auth.token_auth``: the kinds of tokens, which of them goes first, and what sends them.

A token object put on requests (``auth=token``) does not know where the token belongs: an
authenticator does.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from typing import ClassVar, Final, TypeAlias, TypeVar, final

import httpx
import requests
from attrs import field, frozen

from grantflow import Secret, Token
from grantflow.codec import load_token
from grantflow.compat.arguments import wrapped
from grantflow.compat.dagshub.authenticator import DagshubAuthenticator
from grantflow.compat.dagshub.config import host_of

__all__ = [
    "NEVER",
    "AppDagshubToken",
    "DagshubAuthenticator",
    "DagshubTokenABC",
    "EnvVarDagshubToken",
    "HTTPBearerAuth",
    "KeptToken",
    "OAuthDagshubToken",
    "TokenDeserializationError",
]

NEVER: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""The end of a token whose end is not known: the original cannot read a file without one."""

R = TypeVar("R", httpx.Request, requests.PreparedRequest)


class TokenDeserializationError(Exception):
    """An entry that cannot be read as a token."""


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


@frozen
class DagshubTokenABC:
    """A token; of several, the one with the least ``priority`` is used.

    It is an ``auth`` of ``httpx`` and of ``requests``, and its pickle holds the token.
    """

    token_type: ClassVar[str] = "NONE"
    priority: ClassVar[int] = 10000

    secret: Secret = field(alias="token_value", converter=wrapped)

    @property
    def token_value(self) -> str:
        """The token itself."""
        return self.secret.reveal()

    @property
    def token_text(self) -> str:
        """The token itself."""
        return self.secret.reveal()

    @property
    def is_expired(self) -> bool:
        """Whether the token has expired."""
        return False

    def __call__(self, request: R) -> R:
        """Put the token on a request."""
        request.headers["Authorization"] = f"Bearer {self.token_text}"
        return request

    def serialize(self) -> dict[str, str]:
        """Return the token as an entry of the file; ``RuntimeError`` for one that is not stored."""
        raise RuntimeError(f"a token of the kind {self.token_type} is not stored")

    @staticmethod
    def deserialize(values: Mapping[str, str]) -> DagshubTokenABC:  # noqa: ARG004
        """Read an entry of the file; ``RuntimeError`` for a kind that is not stored."""
        raise RuntimeError("a token of this kind is not stored")

    def as_token(self) -> Token:
        """Return the token as this library has it."""
        return Token(access_token=self.secret)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.token_text,)


@final
@frozen
class EnvVarDagshubToken(DagshubTokenABC):
    """The token of ``DAGSHUB_USER_TOKEN``, for ``host`` (by default the configured one)."""

    token_type: ClassVar[str] = "env-var"
    priority: ClassVar[int] = -1

    host: str = field(default=None, converter=host_of)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.token_text, self.host)


@final
@frozen
class AppDagshubToken(DagshubTokenABC):
    """A long-lived token, made by hand in a person's settings."""

    token_type: ClassVar[str] = "app-token"
    priority: ClassVar[int] = 0

    def serialize(self) -> dict[str, str]:
        """Return the token as an entry of the file."""
        return {
            "access_token": self.token_text,
            "expiry": "never",
            "token_type": self.token_type,
        }

    @staticmethod
    def deserialize(values: Mapping[str, str]) -> AppDagshubToken:
        """Read an entry of the file; ``KeyError`` names what is missing."""
        return AppDagshubToken(values["access_token"])


@final
@frozen
class OAuthDagshubToken(DagshubTokenABC):
    """What a sign-in issued; it expires at ``expiry_date``, without a time zone in UTC."""

    token_type: ClassVar[str] = "bearer"
    priority: ClassVar[int] = 1

    expiry_date: datetime = field(default=NEVER, converter=_aware)

    @property
    def is_expired(self) -> bool:
        """Whether the token has expired."""
        return self.expiry_date <= datetime.now(UTC)

    def serialize(self) -> dict[str, str]:
        """Return the token as an entry of the file, its end in UTC."""
        end = self.expiry_date.astimezone(UTC).replace(tzinfo=None)
        return {
            "access_token": self.token_text,
            "expiry": f"{end.isoformat(timespec='microseconds')}Z",
            "token_type": self.token_type,
        }

    @staticmethod
    def deserialize(values: Mapping[str, str]) -> OAuthDagshubToken:
        """Read an entry of the file.

        ``KeyError`` names what is missing, ``TokenDeserializationError`` says that its end is not
        a time.
        """
        text, end = values["access_token"], values["expiry"]
        if end == "never":
            return OAuthDagshubToken(text)
        document = {"version": 1, "access_token": text, "expires_at": end}
        token = load_token(document).value_or(None)
        if token is None or token.expires_at is None:
            raise TokenDeserializationError("the expiry is not a time")
        return OAuthDagshubToken(text, token.expires_at)

    def as_token(self) -> Token:
        """Return the token as this library has it."""
        end = None if self.expiry_date >= NEVER else self.expiry_date
        return Token(access_token=self.secret, expires_at=end)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.token_text, self.expiry_date)


@final
class HTTPBearerAuth(httpx.Auth):
    """A token on requests, whatever its kind, of ``httpx`` and of ``requests``.

    Its pickle holds the token.
    """

    def __init__(self, token: str | Secret) -> None:
        self.secret: Secret = wrapped(token)
        if self.secret == Secret(""):
            raise ValueError("token can't be empty")

    @property
    def token(self) -> str:
        """The token itself."""
        return self.secret.reveal()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send a request of ``httpx`` with the token."""
        yield self(request)

    def __call__(self, request: R) -> R:
        """Put the token on a request."""
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HTTPBearerAuth) and self.secret == other.secret

    def __hash__(self) -> int:
        return hash((HTTPBearerAuth, self.secret))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.token,)


KeptToken: TypeAlias = AppDagshubToken | OAuthDagshubToken
"""The kinds that are stored in the file."""
