"""DagsHub's own file of tokens: YAML, ``version: "1"`` and for each host a list of entries.

Rules:

1. The original reads what is written here: an app token's ``expiry`` is ``never``, any other's is
   in UTC, and a host has one spelling.
2. The file is looked at as a tree of nodes. No value is ever made of a tag, and what is not known
   here (hosts, entries, members, tags) stays as it is.
3. An entry that cannot be read is skipped with a warning. So is a damaged file; it is kept aside
   when there is something to write. A file of another version is left alone.
4. The file is private and replaced whole, under a lock; it is read each time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, final

from yaml import MappingNode, Node

from grantflow import Secret, StoreError
from grantflow.compat.dagshub.config import normalised
from grantflow.compat.dagshub.entries import (
    composed,
    entry_of,
    is_list,
    is_mapping,
    is_null,
    listed,
    mapping,
    scalar,
    serialized,
    text_of,
    token_of,
)
from grantflow.compat.dagshub.token_auth import KeptToken, OAuthDagshubToken
from grantflow.stores import NotAFileError, PrivateFile

_log: Final = logging.getLogger("grantflow")
told_already: Final[set[str]] = set()
_DAMAGED: Final = ".damaged-"


class _DamagedError(Exception):
    """The file is none that tokens could be in."""


@final
class TokensCache:
    """The file at ``path``. Raises ``StoreError`` where it cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = PrivateFile(path)

    def signing_in(self, host: str, *, wait: bool) -> AbstractContextManager[bool]:
        """Hold the lock for the prompt of a sign-in at ``host``."""
        digest = sha256(host.encode()).hexdigest()[:16]
        return PrivateFile(self.path.with_name(f"{self.path.name}-{digest}")).locked(wait=wait)

    def tokens(self, host: str, now: datetime) -> list[KeptToken]:
        """Return the tokens of a host that have not ended, app tokens first."""
        root = self._read()
        found = [
            token
            for key, value in _hosts(root)
            if normalised(key) == host
            for token in self._readable(host, value)
            if not _ended(token, now)
        ]
        return sorted(found, key=lambda token: token.priority)

    def add(self, host: str, token: KeptToken) -> bool:
        """Append a token to those of a host; ``False`` if its text is there already."""
        with self._file.locked():
            root = self._editable()
            pairs = root.value
            place = next((at for at, (key, _) in enumerate(pairs) if text_of(key) == host), None)
            if place is None:
                place = len(pairs)
                pairs.append((scalar(host), listed([])))
            key, entries = pairs[place]
            if not is_list(entries):
                raise StoreError(f"{self.path}: what is under {host} is no list")
            kept = [token_of(each) for each in entries.value]
            if any(each is not None and each.secret == token.secret for each in kept):
                return False
            # A new list: one that another host shares by an alias stays as it is.
            pairs[place] = key, listed([*entries.value, entry_of(token)])
            self._write(root)
        return True

    def remove(self, host: str, text: Secret) -> None:
        """Remove a token wherever it stands under a host."""
        self._drop(lambda at, token: at == host and token.secret == text)

    def purge(self, now: datetime) -> None:
        """Remove what has ended, of all hosts."""
        self._drop(lambda _, token: _ended(token, now))

    def clear(self) -> bool:
        """Remove the file, and what was kept aside; ``False`` if there was none."""
        with self._file.locked():
            found = self.path.exists()
            self._file.remove(with_lock=True)
            for aside in self.path.parent.glob(f"{self.path.name}{_DAMAGED}*"):
                aside.unlink(missing_ok=True)
        return found

    def _readable(self, host: str, value: Node) -> Iterator[KeptToken]:
        if not is_list(value):
            _tell_once(f"{self.path}: what is under {host} is no list, and is skipped")
            return
        for number, entry in enumerate(value.value, 1):
            token = token_of(entry)
            if token is None:
                _tell_once(f"{self.path}: {host}: entry {number} cannot be read, and is skipped")
            else:
                yield token

    def _drop(self, unwanted: Callable[[str | None, KeptToken], bool]) -> None:
        if not _without(self._read(), unwanted):
            return
        with self._file.locked():
            root = self._read()  # another process may have written meanwhile
            if root is not None and _without(root, unwanted):
                self._write(root)

    def _read(self) -> MappingNode | None:
        try:
            root = self._root()
        except _DamagedError as error:
            _tell_once(f"{self.path}: {error}; nothing of it is used")
            return None
        version = None if root is None else _version(root)
        if version in (None, "1"):
            return root
        _tell_once(f"{self.path}: its version is not 1; nothing of it is used")
        return None

    def _editable(self) -> MappingNode:
        try:
            root = self._root()
        except _DamagedError as error:
            self._file.move_aside(str(error))
            root = None
        if root is None:
            return mapping([(scalar("version"), scalar("1"))])
        if _version(root) != "1":
            raise StoreError(f"{self.path} is of another version, and is left as it is")
        return root

    def _root(self) -> MappingNode | None:
        try:
            root = composed(self._file.read())
        except NotAFileError as error:
            raise StoreError(f"cannot read {self.path}: it is {error}") from None
        if isinstance(root, str):
            raise _DamagedError(root)
        if root is None or is_null(root):
            return None
        if is_mapping(root):
            return root
        raise _DamagedError("it is no list of hosts")

    def _write(self, root: MappingNode) -> None:
        root.flow_style = False
        self._file.write(serialized(root))


def _version(root: MappingNode) -> str:
    said = (text_of(value) for key, value in root.value if text_of(key) == "version")
    return next(said, "1") or ""


def _hosts(root: MappingNode | None) -> Iterator[tuple[str, Node]]:
    for key, value in () if root is None else root.value:
        text = text_of(key)
        if text is not None and "://" in text:
            yield text, value


def _without(root: MappingNode | None, unwanted: Callable[[str | None, KeptToken], bool]) -> bool:
    """Take unwanted tokens out of the tree; return whether there were any."""
    changed = False
    pairs = [] if root is None else root.value
    for place, (key, value) in enumerate(pairs):
        host = text_of(key)
        if host is None or "://" not in host or not is_list(value):
            continue
        kept = [
            entry
            for entry in value.value
            if (token := token_of(entry)) is None or not unwanted(normalised(host), token)
        ]
        if len(kept) < len(value.value):
            pairs[place] = key, listed(kept)
            changed = True
    return changed


def _ended(token: KeptToken, now: datetime) -> bool:
    return isinstance(token, OAuthDagshubToken) and token.expiry_date <= now


def _tell_once(text: str) -> None:
    if text not in told_already:
        told_already.add(text)
        _log.warning("%s", text)
