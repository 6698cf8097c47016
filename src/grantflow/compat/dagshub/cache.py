"""DagsHub's own file of tokens: YAML, ``version: "1"`` and for each host a list of entries.

Rules:

1. The original reads what is written here: an app token's ``expiry`` is ``never``, any other's is
   in UTC, and a host is spelt in one way.
2. The file is looked at as a tree of nodes. No value is ever made of a tag, and what is not known
   here (hosts, entries, members, tags) stays as it is.
3. An entry that cannot be read is skipped with a warning. So is a damaged file; it is kept aside
   when there is something to write. A file of another version is left alone.
4. The file is private and replaced whole, under a lock; it is read anew each time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from grantflow import Secret
from grantflow.compat.dagshub.places import normalised
from grantflow.compat.dagshub.token_auth import (
    AppDagshubToken,
    KeptToken,
    OAuthDagshubToken,
)
from grantflow.core.codec import load_token
from grantflow.shell.ports import StoreError
from grantflow.shell.stores.private import (
    NotAFileError,
    locked,
    read_private,
    remove_private,
    told,
    write_private,
)

_log: Final = logging.getLogger("grantflow")
_told: Final[set[str]] = set()
_TAG: Final = "tag:yaml.org,2002:"
_TEXTS: Final = tuple(f"{_TAG}{kind}" for kind in ("str", "int", "float", "timestamp"))
_DAMAGED: Final = ".damaged-"


class _DamagedError(Exception):
    """The file is none that tokens could be in."""


@final
class TokensCache:
    """The file at ``path``. Raises ``StoreError`` where it cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def signing_in(self, host: str) -> AbstractContextManager[bool]:
        """Hold the lock of whoever asks a person to sign in at ``host``."""
        digest = sha256(host.encode()).hexdigest()[:16]
        return locked(self.path.with_name(f"{self.path.name}-{digest}"))

    def tokens(self, host: str, now: datetime) -> list[KeptToken]:
        """Return the tokens of a host that have not ended, app tokens first."""
        found = [
            token
            for key, entries in _hosts(self._read())
            if normalised(key) == host
            for token in _tokens(entries, f"{self.path}: {host}")
            if not _ended(token, now)
        ]
        return sorted(found, key=lambda token: token.priority)

    def add(self, host: str, token: KeptToken) -> bool:
        """Append a token to those of a host; ``False`` if its text is there already."""
        with locked(self.path), told(f"cannot write {self.path}"):
            root = self._editable()
            pairs = root.value
            for place, (key, value) in enumerate(pairs):
                if _text(key) != host:
                    continue
                if any(token.token_value == each.token_value for each in _tokens(value, "")):
                    return False
                if not isinstance(value, SequenceNode):
                    raise StoreError(f"{self.path}: what is under {host} is no list")
                entries = [*value.value, _entry(token)]
                pairs[place] = key, SequenceNode(value.tag, entries, flow_style=False)
                break
            else:
                entries = [_entry(token)]
                pairs.append((_scalar(host), SequenceNode(f"{_TAG}seq", entries, flow_style=False)))
            self._write(root)
        return True

    def remove(self, host: str, text: Secret) -> None:
        """Remove a token wherever it stands under a host."""
        self._drop(lambda at, token: at == host and token.token_value == text)

    def purge(self, now: datetime) -> None:
        """Remove what has ended, of all hosts."""
        self._drop(lambda _, token: _ended(token, now))

    def clear(self) -> bool:
        """Remove the file, and what was kept aside; ``False`` if there was none."""
        with locked(self.path), told(f"cannot remove {self.path}"):
            found = self.path.exists()
            remove_private(self.path)
            for aside in self.path.parent.glob(f"{self.path.name}{_DAMAGED}*"):
                aside.unlink(missing_ok=True)
        return found

    def _drop(self, unwanted: Callable[[str | None, KeptToken], bool]) -> None:
        if not _without(self._read(), unwanted):
            return
        with locked(self.path), told(f"cannot write {self.path}"):
            root = self._read()  # somebody may have written meanwhile
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
            aside = self.path.with_name(f"{self.path.name}{_DAMAGED}{time.time_ns()}")
            self.path.rename(aside)
            _log.warning("%s: %s; kept as %s", self.path, error, aside.name)
            root = None
        if root is None:
            pairs = [(_scalar("version"), _scalar("1"))]
            return MappingNode(f"{_TAG}map", pairs, flow_style=False)
        if _version(root) != "1":
            raise StoreError(f"{self.path} is of another version, and is left as it is")
        return root

    def _root(self) -> MappingNode | None:
        with told(f"cannot read {self.path}"):
            try:
                data = read_private(self.path)
            except NotAFileError as error:
                raise StoreError(f"cannot read {self.path}: it is {error}") from None
        try:
            # Nodes only: no tag is ever obeyed, and a time stays the text that it is.
            root = None if data is None else yaml.compose(data, Loader=yaml.SafeLoader)
        except (yaml.YAMLError, RecursionError, ValueError):
            raise _DamagedError("it is no YAML document") from None
        if root is None or isinstance(root, MappingNode):
            return root
        raise _DamagedError("it is no list of hosts")

    def _write(self, root: MappingNode) -> None:
        root.flow_style = False
        text: str = yaml.serialize(root, Dumper=yaml.SafeDumper)
        write_private(self.path, text.encode("ascii"))


def _version(root: MappingNode) -> str:
    return next((_text(value) or "" for key, value in root.value if _text(key) == "version"), "1")


def _hosts(root: MappingNode | None) -> Iterator[tuple[str, Node]]:
    for key, value in () if root is None else root.value:
        text = _text(key)
        if text is not None and "://" in text:
            yield text, value


def _tokens(entries: Node, where: str) -> Iterator[KeptToken]:
    """Yield what can be read; where is said in the warning about what cannot."""
    if not isinstance(entries, SequenceNode):
        return
    for number, entry in enumerate(entries.value, 1):
        token = _token(entry)
        if token is not None:
            yield token
        elif where:
            _tell_once(f"{where}: entry {number} cannot be read, and is skipped")


def _without(root: MappingNode | None, unwanted: Callable[[str | None, KeptToken], bool]) -> bool:
    """Take unwanted tokens out of the tree; tell whether there were any."""
    changed = False
    for place, (key, value) in enumerate(() if root is None else list(root.value)):
        host = _text(key)
        if root is None or host is None or "://" not in host or not isinstance(value, SequenceNode):
            continue
        kept = [
            entry
            for entry in value.value
            if (token := _token(entry)) is None or not unwanted(normalised(host), token)
        ]
        if len(kept) < len(value.value):
            # A new list: one that an alias shares with another host stays whole there.
            root.value[place] = key, SequenceNode(value.tag, kept, flow_style=value.flow_style)
            changed = True
    return changed


def _token(entry: Node) -> KeptToken | None:
    if not isinstance(entry, MappingNode):
        return None
    found = {_text(key): _text(value) for key, value in entry.value}
    kind, text, end = (found.get(name) for name in ("token_type", "access_token", "expiry"))
    document = {"version": 1, "access_token": text, "expires_at": end}
    token = load_token(document).value_or(None)
    if token is None:
        return None
    match kind:
        case "app-token":
            return AppDagshubToken(token.access_token)
        case "bearer" if end == "never":
            return OAuthDagshubToken(token.access_token)
        case "bearer" if token.expires_at is not None:
            return OAuthDagshubToken(token.access_token, token.expires_at)
        case _:
            return None


def _entry(token: KeptToken) -> MappingNode:
    expiry = "never"
    if isinstance(token, OAuthDagshubToken):
        end = token.expiry_date.astimezone(UTC).replace(tzinfo=None)
        expiry = f"{end.isoformat(timespec='microseconds')}Z"
    members = {
        "access_token": token.token_text,
        "expiry": expiry,
        "token_type": token.token_type,
    }
    pairs = [(_scalar(name), _scalar(text)) for name, text in members.items()]
    return MappingNode(f"{_TAG}map", pairs, flow_style=False)


def _scalar(text: str) -> ScalarNode:
    return ScalarNode(f"{_TAG}str", text)


def _text(node: Node) -> str | None:
    value: object = node.value if isinstance(node, ScalarNode) and node.tag in _TEXTS else None
    return value if isinstance(value, str) else None


def _ended(token: KeptToken, now: datetime) -> bool:
    return isinstance(token, OAuthDagshubToken) and token.expiry_date <= now


def _tell_once(text: str) -> None:
    if text not in _told:
        _told.add(text)
        _log.warning("%s", text)
