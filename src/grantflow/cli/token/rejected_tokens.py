"""Which token was rejected where, recently, so that it is not used there again and again.

Rules:

1. A token is stored as a hash.
2. What is older than ``REMEMBERED`` is dropped: a server may have rejected it by mistake.
3. A file that cannot be read counts as empty, and is replaced by the next rejection.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, final

from attrs import astuple, frozen

from grantflow.core.values.json import Members
from grantflow.core.values.parsing import moment_of, words
from grantflow.core.values.token import Token
from grantflow.shell.environment import home
from grantflow.shell.stores.private_file import NotAFileError, PrivateFile

REMEMBERED: Final = timedelta(minutes=10)
_VERSION: Final = 1


@final
@frozen
class Rejection:
    """One rejection: whose token, where, and when (ISO 8601)."""

    profile: str
    origin: str
    token: str
    at: str


@final
@frozen
class Rejections:
    """The remembered rejections of one profile at one origin."""

    profile: str
    origin: str
    tokens: frozenset[str]

    def has(self, token: Token) -> bool:
        """Return whether this token was among them."""
        return _hash(token) in self.tokens


def recent(profile: str, origin: str, now: datetime) -> Rejections:
    """Return what is remembered of a profile's tokens at an origin."""
    tokens = [each.token for each in _read(now) if (each.profile, each.origin) == (profile, origin)]
    return Rejections(profile, origin, frozenset(tokens))


def remember(profile: str, origin: str, token: Token, now: datetime) -> None:
    """Note that a token was just rejected."""
    file = _file()
    with file.locked():
        found = [*_read(now), Rejection(profile, origin, _hash(token), now.isoformat())]
        document = {"version": _VERSION, "rejected": [astuple(each) for each in found]}
        file.write(json.dumps(document).encode())


def _file() -> PrivateFile:
    return PrivateFile(home() / "rejected.json")


def _hash(token: Token) -> str:
    return sha256(token.access_token.reveal().encode()).hexdigest()


def _read(now: datetime) -> list[Rejection]:
    try:
        text = _file().read()
        document: object = json.loads(text or b"{}")
        found = Members(document if isinstance(document, dict) else {})
    except (ValueError, RecursionError, NotAFileError):
        return []
    rows = found.get("rejected")
    parts = [words(row) or () for row in rows] if isinstance(rows, tuple) else []
    return [Rejection(*row) for row in parts if len(row) == 4 and _is_recent(row[3], now)]


def _is_recent(at: str, now: datetime) -> bool:
    found = moment_of(at)
    return found is not None and abs(now - found) < REMEMBERED
