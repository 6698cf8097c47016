"""Tokens in Redis, for fleets, through the ``redis`` library (``redis_server``).

Rules:

1. A token is the text of ``core.codec`` under PREFIX + KEY. Its lock is PREFIX + KEY + ``:lock``
   (``leases``), what was kept aside the list PREFIX + KEY + ``:aside``.
2. Losing the lock loses no token. A claim remembers what it saw, and writes only over that: each
   write is compare-and-set on the whole text, which no lock has to guard. No counter is needed, as
   the same text is the same token.
3. Where something else lies there at the time of a save, an owner that lost its lock is meeting
   another. The token issued later stays or is put there, the other one goes to ``:aside``, and a
   warning says so. A save where nothing lies any more puts the token there.
4. Likewise ``forget`` within a claim removes only what the claim saw: what another owner brought
   since is newer, and stays. Outside a claim it removes whatever is there.
5. What is damaged goes to ``:aside`` as well. The list keeps the last ten, for thirty days.
6. Redis forgets only what is of no use: a token without a refresh token, a day after its end. A
   refresh token outlives its access token for who knows how long.
7. Every command names one key, so a cluster will do (tried with ``redis.RedisCluster``).

What a crash of the server loses is the server's setting (``appendonly``).
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, final

from grantflow.core.values.errors import InvalidResponse
from grantflow.core.values.token import Token
from grantflow.shell.ports import LockedError
from grantflow.shell.stores.redis_lock import leased
from grantflow.shell.stores.redis_server import Commands, Server
from grantflow.shell.stores.thread_lock import turn
from grantflow.shell.stores.token_document import key_of, name_of, token_in, written

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
class _Claim:
    """What a thread that holds a lock has seen under the key."""

    def __init__(self, seen: bytes) -> None:
        self.seen = seen


@final
class RedisStore:
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
        self._here = threading.local()

    def __repr__(self) -> str:
        return f"RedisStore(<{self._server.where}>, {self.prefix!r})"

    @contextmanager
    def claim(self, key: str, /) -> Iterator[Token | None]:
        """Hold the key's lock among all hosts, and give what is stored."""
        with self._claimed(key) as claim:
            yield self._token(key, claim.seen)

    @contextmanager
    def try_claim(self, key: str, /) -> Iterator[Token | None]:
        """Like ``claim``, but raise ``LockedError`` if somebody else has the lock."""
        with self._claimed(key, wait=False) as claim:
            yield self._token(key, claim.seen)

    def read(self, key: str, /) -> Token | None:
        """Return what is stored under the key; what cannot be read is kept aside."""
        seen = self._server.get(self._name(key))
        if (claim := self._claims().get(key)) is not None:
            claim.seen = seen
        return self._token(key, seen)

    def save(self, key: str, token: Token, /) -> None:
        """Store a token, whatever became of the lock; the other one of two is kept aside."""
        with self._claimed(key) as claim:
            self._token(key, claim.seen)  # what is damaged is kept aside first
            text = written(token, claim.seen).encode()
            while not self._swap(key, claim.seen, text, _life(token)):
                claim.seen = self._server.get(self._name(key))
                if claim.seen == text:
                    return
                match token_in(claim.seen) if claim.seen else None:
                    case Token() as other if _later(other, token):
                        self._keep_aside(key, text, _NEWER)
                        return
                    case Token():
                        self._keep_aside(key, claim.seen, _OLDER)
                    case InvalidResponse(problem):
                        self._keep_aside(key, claim.seen, f"{problem};")
                    case None:
                        pass
            claim.seen = text

    def forget(self, key: str, /) -> None:
        """Remove what is stored under the key, if anything is."""
        if (claim := self._claims().get(key)) is None:
            with self._claimed(key):
                self._server.ask("DEL", self._name(key))
        elif self._swap(key, claim.seen, b""):
            claim.seen = b""
        else:
            _log.warning("%s: another owner saved a token meanwhile, which is kept", key)

    def keys(self) -> list[str]:
        """Return the keys under which something is stored, in order."""
        return sorted(key_of(name) for name in self._names() if ":" not in name)

    def clear(self) -> None:
        """Remove everything that is stored, what was kept aside too."""
        for key in self.keys():
            self.forget(key)
        for name in self._names():
            if name.endswith(_ASIDE):
                self._server.ask("DEL", f"{self.prefix}{name}")

    def _name(self, key: str) -> str:
        return f"{self.prefix}{name_of(key)}"

    def _names(self) -> set[str]:
        pattern = re.sub(r"([*?\[\]\\^])", r"\\\1", self.prefix) + "*"
        return {name.removeprefix(self.prefix) for name in self._server.names(pattern)}

    def _claims(self) -> dict[str, _Claim]:
        claims: dict[str, _Claim] = self._here.__dict__.setdefault("claims", {})
        return claims

    @contextmanager
    def _claimed(self, key: str, *, wait: bool = True) -> Iterator[_Claim]:
        claims = self._claims()
        if key in claims:
            yield claims[key]
            return
        name = self._name(key)
        with turn((id(self), key), wait=wait) as mine:
            if not mine:
                raise LockedError(key)
            with leased(self._server.ask, f"{name}:lock", self._lease, wait=wait) as ours:
                if not ours:
                    raise LockedError(key)
                claims[key] = _Claim(self._server.get(name))
                try:
                    yield claims[key]
                finally:
                    del claims[key]

    def _swap(self, key: str, seen: bytes, text: bytes, life: int = 0) -> bool:
        name = self._name(key)
        return self._server.ask("EVAL", _SWAP, 1, name, seen, text, life) == 1

    def _token(self, key: str, seen: bytes) -> Token | None:
        match token_in(seen) if seen else None:
            case InvalidResponse(problem):
                self._keep_aside(key, seen, f"{problem};")
                if not self._swap(key, seen, b""):
                    return self.read(key)  # somebody wrote over it meanwhile
                if (claim := self._claims().get(key)) is not None:
                    claim.seen = b""
                return None
            case found:
                return found

    def _keep_aside(self, key: str, text: bytes, why: str) -> None:
        aside = f"{self._name(key)}{_ASIDE}"
        self._server.ask("LPUSH", aside, text)
        self._server.ask("LTRIM", aside, 0, _KEPT_ASIDE - 1)
        self._server.ask("PEXPIRE", aside, round(_ASIDE_FOR / _MS))
        _log.warning("%s: %s kept in %s", key, why, aside)


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
