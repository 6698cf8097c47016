"""Tokens in the memory of this process."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

from grantflow.core.values import Token


@final
class MemoryStore:
    """A ``Store`` that ends with the process; safe to share by threads."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    @contextmanager
    def claim(self, key: str, /) -> Iterator[Token | None]:
        """Hold the key's lock, and give what is stored under it."""
        with self._locks[key]:
            yield self.read(key)

    def read(self, key: str, /) -> Token | None:
        """Return what is stored under the key."""
        return self._tokens.get(key)

    def save(self, key: str, token: Token, /) -> None:
        """Store a token."""
        with self._locks[key]:
            self._tokens[key] = token

    def forget(self, key: str, /) -> None:
        """Remove what is stored under the key, if anything is."""
        with self._locks[key]:
            self._tokens.pop(key, None)

    def keys(self) -> list[str]:
        """Return the keys under which something is stored, in order."""
        return sorted(self._tokens)

    def clear(self) -> None:
        """Remove everything that is stored."""
        self._tokens.clear()
