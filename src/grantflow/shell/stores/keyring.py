"""Tokens in the operating system's keyring, through the ``keyring`` library (``keyring_entries``).

Rules:

1. A keyring that is absent, switched off, locked or not encrypted is told by a ``StoreError`` that
   names it and says what to do. No other place is taken in its stead.
2. Of a chain of keyrings the first alone is used, so that nothing falls through to a lesser one.
3. A token is one entry of the service ``SERVICE/KEY``, in parts where it is too long (``parted``).
   Not one service with many users: on Windows those share one entry, and two writers lose one.
4. No keyring can list what it holds, so an entry lists the keys. A key is listed before its token
   is stored and unlisted after it is gone: what is there can always be found and removed.
5. A damaged entry is kept aside as ``KEY/damaged``, one for each key, and reported.
6. Locks are files, in ``locks`` under ``GRANTFLOW_HOME`` (``private``).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, final

from grantflow.core.errors import Garbled
from grantflow.core.values import Token
from grantflow.shell.environment import home
from grantflow.shell.stores import parted
from grantflow.shell.stores.entry import Found, mended, name_of, token_in, written
from grantflow.shell.stores.keyring_entries import Backend, KeyringEntries, fit
from grantflow.shell.stores.private import locked

_log: Final = logging.getLogger("grantflow")

_KEYS: Final = "/keys"


@final
class KeyringStore:
    """A ``Store`` in a keyring: the given ``backend``, by default the one that ``keyring`` finds.

    Raises ``StoreError`` at once where there is no keyring that keeps a secret.
    """

    def __init__(self, service: str = "grantflow", *, backend: Backend | None = None) -> None:
        self.service = service
        self._entries = KeyringEntries(fit(backend), service)
        self._locks = home() / "locks"

    def __repr__(self) -> str:
        return f"KeyringStore({self.service!r}, backend=<{self._entries.backend_name}>)"

    @contextmanager
    def claim(self, key: str, /) -> Iterator[Token | None]:
        """Hold the key's lock among this user's processes and threads, and give what is stored."""
        with self._lock(key):
            yield self.read(key)

    def read(self, key: str, /) -> Token | None:
        """Return what is stored under the key; what cannot be read is kept aside."""
        name = name_of(key)
        return mended(
            lambda: self._token(name),
            lambda: self._lock(key, wait=False),
            lambda problem: self._keep_aside(name, problem),
        )

    def save(self, key: str, token: Token, /) -> None:
        """Store a token; members of the entry that this version does not know are kept."""
        name = name_of(key)
        with self.claim(key) as stored:
            before = None if stored is None else parted.read(self._entries, name)
            text = written(token, before if isinstance(before, str) else None)
            self._change_keys({key}, set())
            parted.write(self._entries, name, text)

    def forget(self, key: str, /) -> None:
        """Remove what is stored under the key, if anything is, and what was kept aside."""
        name = name_of(key)
        with self._lock(key):
            parted.remove(self._entries, name)
            parted.remove(self._entries, _aside(name))
            self._change_keys(set(), {key})

    def keys(self) -> list[str]:
        """Return the keys under which something is stored, in order."""
        return [key for key in self._keys() if self._entries.get(name_of(key)) is not None]

    def clear(self) -> None:
        """Remove everything that is stored."""
        for key in self._keys():
            self.forget(key)
        with self._lock_of_keys():
            parted.remove(self._entries, _aside(_KEYS))

    def _token(self, name: str) -> Found:
        match parted.read(self._entries, name):
            case str() as text:
                return token_in(text)
            case Garbled(problem):
                return Garbled(f"stored token: {problem}")
            case None:
                return None

    def _keep_aside(self, name: str, problem: str) -> None:
        remains = parted.remains(self._entries, name)
        parted.write(self._entries, _aside(name), json.dumps({"damaged": remains}))
        parted.remove(self._entries, name)
        where = f"{self.service}/{_aside(name)}"
        _log.warning("%s: %s; kept as %s", name, problem, where)

    def _keys(self) -> list[str]:
        listed = self._listed()
        return [] if isinstance(listed, Garbled) else listed

    def _listed(self) -> list[str] | Garbled:
        match parted.read(self._entries, _KEYS):
            case str() as text:
                return _keys_in(text)
            case None:
                return []
            case Garbled() as damage:
                return damage

    def _change_keys(self, more: set[str], less: set[str]) -> None:
        listed = self._listed()
        if not isinstance(listed, Garbled) and more <= set(listed) and not less & set(listed):
            return
        with self._lock_of_keys():
            listed = self._listed()
            if isinstance(listed, Garbled):
                self._keep_aside(_KEYS, f"the list of keys: {listed.problem}")
                listed = []
            keys = sorted({*listed, *more} - less)
            if keys:
                parted.write(self._entries, _KEYS, json.dumps({"keys": keys}))
            else:
                parted.remove(self._entries, _KEYS)

    def _lock(self, key: str, *, wait: bool = True) -> AbstractContextManager[bool]:
        return locked(self._locks / f"keyring-{name_of(self.service)}-{name_of(key)}", wait=wait)

    def _lock_of_keys(self) -> AbstractContextManager[bool]:
        return locked(self._locks / f"keyring-{name_of(self.service)}.keys")


def _aside(name: str) -> str:
    return f"{name}/damaged"


def _keys_in(text: str) -> list[str] | Garbled:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return Garbled("it is damaged")
    keys: object = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list):
        return Garbled("it is no list")
    return sorted(key for key in keys if isinstance(key, str))
