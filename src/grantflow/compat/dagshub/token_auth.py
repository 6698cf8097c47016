"""``dagshub.auth.token_auth``: the kinds of tokens, and which of them goes first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar, Final, TypeAlias, final

from attrs import field, frozen

from grantflow import Secret, Token

NEVER: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""The end of a token whose end nobody told: the original cannot read a file without one."""


def _wrapped(value: Secret | str) -> Secret:
    return Secret(value) if isinstance(value, str) else value


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


@frozen
class DagshubTokenABC:
    """A token; of several, the one with the least ``priority`` is used."""

    token_type: ClassVar[str] = "NONE"
    priority: ClassVar[int] = 10000

    token_value: Secret = field(converter=_wrapped)

    @property
    def token_text(self) -> str:
        """The token itself."""
        return self.token_value.reveal()

    @property
    def is_expired(self) -> bool:
        """Whether it has ended."""
        return False

    def as_token(self) -> Token:
        """Return the token as this library has it."""
        return Token(access_token=self.token_value)


@final
@frozen
class EnvVarDagshubToken(DagshubTokenABC):
    """The token of ``DAGSHUB_USER_TOKEN``."""

    token_type: ClassVar[str] = "env-var"
    priority: ClassVar[int] = -1

    host: str = "https://dagshub.com"


@final
@frozen
class AppDagshubToken(DagshubTokenABC):
    """A long-lived token, made by hand in a person's settings."""

    token_type: ClassVar[str] = "app-token"
    priority: ClassVar[int] = 0


@final
@frozen
class OAuthDagshubToken(DagshubTokenABC):
    """What a sign-in brought; it ends at ``expiry_date``, without a time zone in UTC."""

    token_type: ClassVar[str] = "bearer"
    priority: ClassVar[int] = 1

    expiry_date: datetime = field(default=NEVER, converter=_aware)

    @property
    def is_expired(self) -> bool:
        """Whether it has ended."""
        return self.expiry_date <= datetime.now(UTC)

    def as_token(self) -> Token:
        """Return the token as this library has it."""
        end = None if self.expiry_date >= NEVER else self.expiry_date
        return Token(access_token=self.token_value, expires_at=end)


KeptToken: TypeAlias = AppDagshubToken | OAuthDagshubToken
"""The kinds that are kept in the file."""
