"""Tokens and waiting sign-ins as versioned JSON. The one place where a store sees a secret."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from returns.result import Failure, Result, Success

from grantflow.core.values.json import Json, Members, plain
from grantflow.core.values.parsing import maybe_sendable, moment_of, sendable, text_of, words
from grantflow.core.values.token import Token

if TYPE_CHECKING:
    from grantflow.core.values.errors import InvalidResponse

__all__ = ["MEMBERS", "VERSION", "dump_token", "load_token"]

VERSION: Final = 1

MEMBERS: Final = frozenset(
    {
        "version",
        "access_token",
        "token_type",
        "expires_at",
        "refresh_token",
        "scope",
        "id_token",
        "extra",
        "issued_at",
        "refresh_sent",
    }
)
"""What ``dump_token`` may write; a store keeps every other member that it finds."""


def dump_token(token: Token) -> dict[str, object]:
    """Return a token as a JSON object: a secret text, to be kept where only its owner reads.

    >>> sorted(dump_token(Token(access_token="at")))
    ['access_token', 'token_type', 'version']
    """
    found: dict[str, object] = {
        "version": VERSION,
        "access_token": token.access_token.reveal(),
        "token_type": token.token_type,
        "expires_at": _text(token.expires_at),
        "refresh_token": None if token.refresh_token is None else token.refresh_token.reveal(),
        "scope": list(token.scope) or None,
        "id_token": None if token.id_token is None else token.id_token.reveal(),
        "extra": plain(token.extra) or None,
        "issued_at": _text(token.issued_at),
        "refresh_sent": token.refresh_sent or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def load_token(document: Mapping[str, object]) -> Result[Token, InvalidResponse]:
    """Read what ``dump_token`` wrote; members of later versions are left alone.

    >>> load_token(dump_token(Token(access_token="at"))).unwrap().access_token.reveal()
    'at'
    >>> load_token({"version": 1}).failure()
    InvalidResponse(problem='stored token: access_token is missing', status=None)
    """
    return _members(document).bind(_version).bind(_read).alt(_unreadable)


def _unreadable(problem: str) -> InvalidResponse:
    from grantflow.core.values.errors import InvalidResponse

    return InvalidResponse(f"stored token: {problem}")


def _members(document: Mapping[str, object]) -> Result[Members, str]:
    try:
        return Success(Members(document))
    except ValueError as error:
        return Failure(str(error))


def _version(found: Members) -> Result[Members, str]:
    if found.get("version") == VERSION:
        return Success(found)
    return Failure("written by another version of grantflow")


def _read(found: Members) -> Result[Token, str]:
    extra = found.get("extra")
    return Result.do(
        Token(
            access_token=access_token,
            token_type=text_of(found.get("token_type")) or "Bearer",
            expires_at=_moment(found.get("expires_at")),
            refresh_token=refresh_token,
            scope=words(found.get("scope")) or (),
            id_token=id_token,
            extra=extra if isinstance(extra, Members) else Members(),
            issued_at=_moment(found.get("issued_at")),
            refresh_sent=found.get("refresh_sent") is True,
        )
        for access_token in sendable(found, "access_token")
        for refresh_token in maybe_sendable(found, "refresh_token")
        for id_token in maybe_sendable(found, "id_token")
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(value: Json) -> datetime | None:
    # As ``_text`` writes it, on a machine whose clock may begin in 1970; ``moment_of`` takes times
    # of that year for a server's way to say nothing.
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    return found if found is not None and found.tzinfo is not None else moment_of(value)
