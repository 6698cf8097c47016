"""Tokens in the memory of this process."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, final
from weakref import WeakSet, WeakValueDictionary

from grantflow.core.values.token import Token
from grantflow.shell.stores.base import BaseStore


@final
class _Entry:
    """One key while it is claimed; its lock is free again when this is dropped."""

    def __init__(self, tokens: dict[str, Token], key: str, lock: _Lock) -> None:
        self._tokens = tokens
        self._key = key
        self._lock: _Lock | None = lock

    @property
    def token(self) -> Token | None:
        return self._tokens.get(self._key)

    def save(self, token: Token, /) -> None:
        self._tokens[self._key] = token

    def forget(self) -> None:
        self._tokens.pop(self._key, None)

    def release(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.free.release()

    __del__ = release


@final
class _Lock:
    def __init__(self) -> None:
        self.free = threading.Lock()


@final
class MemoryStore(BaseStore):
    """A ``Store`` that ends with the process; safe to share by threads.

    It never blocks but where a claim waits for another one.
    """

    blocking = False

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self.reset_locks()

    def __repr__(self) -> str:
        return f"MemoryStore(<{len(self._tokens)} tokens>)"

    def reset_locks(self) -> None:
        """Free all locks: the threads of the parent that had them are not in a forked child."""
        self._mutex = threading.Lock()
        self._locks: WeakValueDictionary[str, _Lock] = WeakValueDictionary()
        _stores.add(self)

    def read(self, key: str, /) -> Token | None:
        """Return what is stored under the key."""
        return self._tokens.get(key)

    def keys(self) -> list[str]:
        """Return the keys under which something is stored, in order."""
        return sorted(self._tokens)

    @contextmanager
    def _claimed(self, key: str, *, wait: bool) -> Iterator[_Entry | None]:
        with self._mutex:
            lock = self._locks.setdefault(key, _Lock())
        if not lock.free.acquire(blocking=wait):
            yield None
            return
        entry = _Entry(self._tokens, key, lock)
        try:
            yield entry
        finally:
            entry.release()


_stores: Final[WeakSet[MemoryStore]] = WeakSet()


def _reset_locks() -> None:
    for store in list(_stores):
        store.reset_locks()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_reset_locks)
