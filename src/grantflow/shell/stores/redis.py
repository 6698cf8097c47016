"""Tokens in Redis, for fleets, through the ``redis`` library (``redis_server``).

Rules:

1. A token is a ``token_document`` under PREFIX + KEY. Its lock is PREFIX + KEY + ``:lock``
   (``redis_lock``), what was kept aside the list PREFIX + KEY + ``:aside``.
2. Losing the lock loses no token. A claim remembers what it saw, and writes only over that: each
   write is compare-and-set on the whole text, which no lock has to guard. No counter is needed, as
   the same text is the same token.
3. Where something else lies there at the time of a save, an owner that lost its lock is meeting
   another. The token issued later stays or is put there, the other one goes to ``:aside``, and a
   warning says so. A save where nothing lies any more puts the token there.
4. Likewise ``forget`` within a claim removes only what the claim saw: what another owner brought
   since is newer, and stays. ``RedisStore.forget`` removes whatever is there.
5. A token that was kept aside is put in the place of a stored one that proves dead (``recover``),
   the one that came last first, each once.
6. What is damaged goes to ``:aside`` as well. The list keeps the last ten, for thirty days.
7. Redis forgets only what is of no use: a token without a refresh token, a day after its end. A
   refresh token outlives its access token for who knows how long.
8. Every command names one key, so a cluster will do (tried with ``redis.RedisCluster``).

What a crash of the server loses is the server's setting (``appendonly``).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, final

from grantflow.core.values.secret import Secret
from grantflow.core.values.token import Token
from grantflow.shell.ports import StoreError
from grantflow.shell.stores.base import BaseStore
from grantflow.shell.stores.private_file import warn_once
from grantflow.shell.stores.redis_lock import leased
from grantflow.shell.stores.redis_server import Commands, Server
from grantflow.shell.stores.token_document import (
    NewerDocument,
    TokenDocument,
    key_of,
    name_of,
    read_document,
    write_document,
)

_log: Final = logging.getLogger("grantflow")

# No text is like no entry, so that one comparison does for both.
_SWAP: Final = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1])
elseif ARGV[3] == '0' then redis.call('SET', KEYS[1], ARGV[2])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
"""
_ASIDE: Final = ":aside"
_KEPT_ASIDE: Final = 10
_ASIDE_FOR: Final = timedelta(days=30)
_AFTER_ITS_END: Final = timedelta(days=1)
_NEWER: Final = "another owner saved a newer token meanwhile; this one is"
_OLDER: Final = "another owner saved an older token meanwhile; that one is"
_LEASE: Final = timedelta(seconds=10)
_SHORTEST_LEASE: Final = timedelta(milliseconds=100)
_MS: Final = timedelta(milliseconds=1)


@final
class RedisStore(BaseStore):
    """A ``Store`` in Redis: a client of the ``redis`` library, or the URL of a server.

    ``lease`` is after how long a dead owner's lock ends; a living owner renews it. Raises
    ``StoreError`` where the server cannot be asked.
    """

    def __init__(
        self,
        client_or_url: Commands | str,
        prefix: str = "grantflow:",
        *,
        lease: timedelta = _LEASE,
    ) -> None:
        if lease < _SHORTEST_LEASE:
            raise ValueError(f"lease: at least {_SHORTEST_LEASE} is needed, not {lease}")
        self.prefix = prefix
        self._server = Server(client_or_url)
        self._lease = lease

    def __repr__(self) -> str:
        return f"RedisStore(<{self._server.where}>, {self.prefix!r})"

    def read(self, key: str, /) -> Token | None:
        """Return what is stored under the key; an entry that cannot be read is kept aside."""
        entry = self._entry(key)
        match entry.load():
            case TokenDocument(token):
                return token
            case NewerDocument() as newer:
                warn_once(f"{self.prefix}{key}: {newer.problem}")
                return None
            case None:
                return None

    @contextmanager
    def _claimed(self, key: str, *, wait: bool) -> Iterator[_Entry | None]:
        lock = f"{self._name(key)}:lock"
        with leased(self._server.ask, lock, self._lease, wait=wait) as ours:
            if not ours:
                yield None
                return
            entry = self._entry(key)
            if isinstance(newer := entry.load(), NewerDocument):
                raise StoreError(f"{self.prefix}{key}: {newer.problem}")
            yield entry

    def forget(self, key: str, /) -> None:
        """Remove what is stored under the key, whatever it is."""
        lock = f"{self._name(key)}:lock"
        with leased(self._server.ask, lock, self._lease, wait=True):
            self._server.ask("DEL", self._name(key))

    def keys(self) -> list[str]:
        """Return the keys under which something is stored, in order."""
        return sorted(key_of(name) for name in self._names() if ":" not in name)

    def clear(self) -> None:
        """Remove everything that is stored, what was kept aside too."""
        super().clear()
        for name in self._names():
            if name.endswith(_ASIDE):
                self._server.ask("DEL", f"{self.prefix}{name}")

    def _entry(self, key: str) -> _Entry:
        return _Entry(self._server, self._name(key), key)

    def _name(self, key: str) -> str:
        return f"{self.prefix}{name_of(key)}"

    def _names(self) -> set[str]:
        pattern = re.sub(r"([*?\[\]\\^])", r"\\\1", self.prefix) + "*"
        return {name.removeprefix(self.prefix) for name in self._server.names(pattern)}


@final
class _Entry:
    """What is under one key, as it was last seen."""

    def __init__(self, server: Server, name: str, key: str) -> None:
        self._server = server
        self._name = name
        self._key = key
        self._seen = b""
        self._document: TokenDocument | None = None

    @property
    def token(self) -> Token | None:
        return None if self._document is None else self._document.token

    def load(self) -> TokenDocument | NewerDocument | None:
        """Look at the server; what is damaged is kept aside."""
        while True:
            self._seen = self._server.get(self._name)
            found = _parsed(self._seen)
            if not isinstance(found, str):
                self._document = found if isinstance(found, TokenDocument) else None
                return found
            self._keep_aside(self._seen, f"{found};")
            if self._swap(b""):  # else another owner wrote over it meanwhile
                return None

    def save(self, token: Token, /) -> None:
        """Store a token, whatever became of the lock; the other one of two is kept aside."""
        rest = {} if self._document is None else self._document.rest
        document = TokenDocument(token, rest)
        text = Secret(write_document(document))
        while not self._swap(text.reveal().encode(), _life(token)):
            self._seen = self._server.get(self._name)
            if self._seen == text.reveal().encode():
                break
            match _parsed(self._seen):
                case TokenDocument(other) if _later(other, token):
                    self._keep_aside(text.reveal().encode(), _NEWER)
                    return
                case TokenDocument():
                    self._keep_aside(self._seen, _OLDER)
                case str(problem):
                    self._keep_aside(self._seen, f"{problem};")
                case NewerDocument() as newer:
                    self._keep_aside(text.reveal().encode(), f"{newer.problem}; this one is")
                    return
                case None:
                    pass
        self._document = document

    def forget(self) -> None:
        if self._swap(b""):
            self._document = None
        else:
            _log.warning("%s: another owner saved a token meanwhile, which is kept", self._key)

    def recover(self) -> Token | None:
        """Put a token that was kept aside in the place of the stored one, which is dead."""
        dead = None if self.token is None else self.token.refresh_token
        aside = f"{self._name}{_ASIDE}"
        for text in self._server.texts(aside):
            match _parsed(text):
                case TokenDocument(token) as document if token.refresh_token not in (None, dead):
                    if not self._swap(text, _life(token)):
                        return None  # another owner saved one meanwhile, which is looked at
                    self._server.ask("LREM", aside, 1, text)
                    self._document = document
                    return token
                case _:
                    continue
        return None

    def _swap(self, text: bytes, life: int = 0) -> bool:
        """Write over what was seen, and over nothing else."""
        if self._server.ask("EVAL", _SWAP, 1, self._name, self._seen, text, life) != 1:
            return False
        self._seen = text
        return True

    def _keep_aside(self, text: bytes, why: str) -> None:
        aside = f"{self._name}{_ASIDE}"
        self._server.ask("LPUSH", aside, text)
        self._server.ask("LTRIM", aside, 0, _KEPT_ASIDE - 1)
        self._server.ask("PEXPIRE", aside, round(_ASIDE_FOR / _MS))
        _log.warning("%s: %s kept in %s", self._key, why, aside)


def _parsed(seen: bytes) -> TokenDocument | NewerDocument | str | None:
    """Read an entry; a text says what is wrong with it."""
    try:
        return read_document(seen) if seen else None
    except ValueError as error:
        return str(error)


def _life(token: Token) -> int:
    """Return after how many milliseconds Redis may forget a token; 0 is never."""
    if token.expires_at is None or token.refresh_token is not None:
        return 0
    left = max(token.expires_at - datetime.now(UTC), timedelta())
    return round((left + _AFTER_ITS_END) / _MS)


def _later(one: Token, other: Token) -> bool:
    if one.issued_at is None or other.issued_at is None:
        return one.issued_at is not None
    return one.issued_at > other.issued_at
