"""Which token was refused where, a moment ago: so that nobody is given it again and again.

Rules:

1. A token is known by a hash; none is written here.
2. What is older than ``REMEMBERED`` is forgotten: a server may have refused by mistake.
3. A file that cannot be read counts as empty, and is replaced by the next refusal.
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
class Refusal:
    """One refusal: whose token, where, and when (ISO 8601)."""

    profile: str
    origin: str
    token: str
    at: str


@final
@frozen
class Refusals:
    """The refusals of one profile at one origin that are remembered."""

    profile: str
    origin: str
    tokens: frozenset[str]

    def has(self, token: Token) -> bool:
        """Tell whether this token was among them."""
        return _hash(token) in self.tokens


def recent(profile: str, origin: str, now: datetime) -> Refusals:
    """Return what is remembered of a profile's tokens at an origin."""
    tokens = [each.token for each in _read(now) if (each.profile, each.origin) == (profile, origin)]
    return Refusals(profile, origin, frozenset(tokens))


def remember(profile: str, origin: str, token: Token, now: datetime) -> None:
    """Note that a token was just refused."""
    file = _file()
    with file.locked():
        found = [*_read(now), Refusal(profile, origin, _hash(token), now.isoformat())]
        document = {"version": _VERSION, "refused": [astuple(each) for each in found]}
        file.write(json.dumps(document).encode())


def _file() -> PrivateFile:
    return PrivateFile(home() / "refusals.json")


def _hash(token: Token) -> str:
    return sha256(token.access_token.reveal().encode()).hexdigest()


def _read(now: datetime) -> list[Refusal]:
    try:
        text = _file().read()
        document: object = json.loads(text or b"{}")
        found = Members(document if isinstance(document, dict) else {})
    except (ValueError, RecursionError, NotAFileError):
        return []
    rows = found.get("refused")
    parts = [words(row) or () for row in rows] if isinstance(rows, tuple) else []
    return [Refusal(*row) for row in parts if len(row) == 4 and _is_recent(row[3], now)]


def _is_recent(at: str, now: datetime) -> bool:
    found = moment_of(at)
    return found is not None and abs(now - found) < REMEMBERED
