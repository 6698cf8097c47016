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
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, final

from grantflow.core.values.errors import InvalidResponse
from grantflow.core.values.token import Token
from grantflow.shell.environment import home
from grantflow.shell.ports import LockedError
from grantflow.shell.stores import parted
from grantflow.shell.stores.keyring_entries import Backend, KeyringEntries, fit
from grantflow.shell.stores.private_file import locked
from grantflow.shell.stores.token_document import Found, mended, name_of, token_in, written

_log: Final = logging.getLogger("grantflow")

_KEYS: Final = "/keys"


@final
class KeyringStore:
    """A ``Store`` in a keyring: the given ``backend``, by default the one that ``keyring`` finds.

    Raises ``StoreError`` at once where there is no keyring that keeps a secret.
    """

    def __init__(self, service: str = "grantflow", *, backend: Backend | None = None) -> None:
        self.service = service
        self._locks = home() / "locks"
        self._entries = KeyringEntries(fit(backend), service, self._locks / "keyring")
        self._seen_listed: set[str] = set()

    def __repr__(self) -> str:
        return f"KeyringStore({self.service!r}, backend=<{self._entries.backend_name}>)"

    @contextmanager
    def claim(self, key: str, /) -> Iterator[Token | None]:
        """Hold the key's lock among this user's processes and threads, and give what is stored."""
        with self._lock(key):
            yield self.read(key)

    @contextmanager
    def try_claim(self, key: str, /) -> Iterator[Token | None]:
        """Like ``claim``, but raise ``LockedError`` if somebody else has the lock."""
        with self._lock(key, wait=False) as taken:
            if not taken:
                raise LockedError(key)
            yield self.read(key)

    def read(self, key: str, /) -> Token | None:
        """Return what is stored under the key; what cannot be read is kept aside."""
        name = name_of(key)
        return mended(
            lambda: _token(parted.read(self._entries, name)),
            lambda: self._lock(key, wait=False),
            lambda problem: self._keep_aside(name, problem),
        )

    def save(self, key: str, token: Token, /) -> None:
        """Store a token; members of the entry that this version does not know are kept."""
        name = name_of(key)
        with self._lock(key):
            over = self._whole(name)
            text = written(token, None if over is None else over.text)
            # What is stored is listed, unless the list was damaged: one look tells.
            if over is None or key not in self._seen_listed:
                self._list(key)
            parted.write(self._entries, name, text, over)

    def forget(self, key: str, /) -> None:
        """Remove what is stored under the key, if anything is, and what was kept aside."""
        name = name_of(key)
        with self._lock(key):
            parted.remove(self._entries, name)
            parted.remove(self._entries, _aside(name))
            self._unlist(key)

    def keys(self) -> list[str]:
        """Return the keys under which something is stored, in order."""
        return [key for key in self._keys() if self._entries.get(name_of(key)) is not None]

    def clear(self) -> None:
        """Remove everything that is stored."""
        for key in self._keys():
            self.forget(key)
        with self._lock_of_keys():
            parted.remove(self._entries, _aside(_KEYS))

    def _whole(self, name: str) -> parted.Stored | None:
        """Return what is to be written over; what is damaged is kept aside first."""
        found = parted.read(self._entries, name)
        if isinstance(damage := _token(found), InvalidResponse):
            self._keep_aside(name, damage.problem)
            return None
        return None if isinstance(found, InvalidResponse) else found

    def _keep_aside(self, name: str, problem: str) -> None:
        remains = parted.remains(self._entries, name)
        aside = _aside(name)
        parted.write(self._entries, aside, json.dumps({"damaged": remains}), None)
        parted.remove(self._entries, name)
        _log.warning("%s: %s; kept as %s/%s", name, problem, self.service, aside)

    def _keys(self) -> list[str]:
        keys = _keys_in(parted.read(self._entries, _KEYS))
        return [] if isinstance(keys, InvalidResponse) else keys

    def _list(self, key: str) -> None:
        if key not in self._keys():
            self._change_keys(lambda keys: {*keys, key})
        self._seen_listed.add(key)

    def _unlist(self, key: str) -> None:
        self._seen_listed.discard(key)
        if key in self._keys():
            self._change_keys(lambda keys: keys - {key})

    def _change_keys(self, change: Callable[[set[str]], set[str]]) -> None:
        with self._lock_of_keys():
            found = parted.read(self._entries, _KEYS)
            keys = _keys_in(found)
            if isinstance(keys, InvalidResponse):
                self._keep_aside(_KEYS, f"the list of keys: {keys.problem}")
                found, keys = None, []
            changed = sorted(change(set(keys)))
            if changed and not isinstance(found, InvalidResponse):
                parted.write(self._entries, _KEYS, json.dumps({"keys": changed}), found)
            else:
                parted.remove(self._entries, _KEYS)

    def _lock(self, key: str, *, wait: bool = True) -> AbstractContextManager[bool]:
        return locked(self._locks / f"keyring-{name_of(self.service)}-{name_of(key)}", wait=wait)

    def _lock_of_keys(self) -> AbstractContextManager[bool]:
        return locked(self._locks / f"keyring-{name_of(self.service)}.keys")


def _aside(name: str) -> str:
    return f"{name}/damaged"


def _token(found: parted.Found) -> Found:
    match found:
        case parted.Stored(text):
            return token_in(text)
        case InvalidResponse(problem):
            return InvalidResponse(f"stored token: {problem}")
        case None:
            return None


def _keys_in(found: parted.Found) -> list[str] | InvalidResponse:
    match found:
        case parted.Stored(text):
            return _listed(text)
        case InvalidResponse():
            return found
        case None:
            return []


def _listed(text: str) -> list[str] | InvalidResponse:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return InvalidResponse("it is damaged")
    keys: object = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list):
        return InvalidResponse("it is no list")
    return sorted(key for key in keys if isinstance(key, str))
