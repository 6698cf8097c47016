"""Tokens in the memory of this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

from grantflow.core.values.token import Token
from grantflow.shell.ports import LockedError
from grantflow.shell.stores.thread_lock import turn


@final
class MemoryStore:
    """A ``Store`` that ends with the process; safe to share by threads."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}

    def __repr__(self) -> str:
        return f"MemoryStore(<{len(self._tokens)} tokens>)"

    @contextmanager
    def claim(self, key: str, /) -> Iterator[Token | None]:
        """Hold the key's lock, and give what is stored under it."""
        with turn((id(self), key)):
            yield self.read(key)

    @contextmanager
    def try_claim(self, key: str, /) -> Iterator[Token | None]:
        """Like ``claim``, but raise ``LockedError`` if another thread has the lock."""
        with turn((id(self), key), wait=False) as taken:
            if not taken:
                raise LockedError(key)
            yield self.read(key)

    def read(self, key: str, /) -> Token | None:
        """Return what is stored under the key."""
        return self._tokens.get(key)

    def save(self, key: str, token: Token, /) -> None:
        """Store a token."""
        with turn((id(self), key)):
            self._tokens[key] = token

    def forget(self, key: str, /) -> None:
        """Remove what is stored under the key, if anything is."""
        with turn((id(self), key)):
            self._tokens.pop(key, None)

    def keys(self) -> list[str]:
        """Return the keys under which something is stored, in order."""
        return sorted(self._tokens)

    def clear(self) -> None:
        """Remove everything that is stored."""
        for key in self.keys():
            self.forget(key)
