"""Tokens in files: one for each key, so that one damaged file costs one token.

Rules:

1. Files and folders are private (``private_file``): 0600 and 0700, whole or not at all, no links.
2. A damaged file is moved aside and reported; the others live on. A file of a newer version is
   reported and left alone.
3. A lock of the operating system is held over claim, request and save. It ends with its owner, and
   nothing else ends it. The lock file goes when the token is forgotten.
4. Where nothing can be written, nothing is claimed: who refreshed then would lose what comes.
5. Nothing but ``keys`` and ``clear`` looks at more than one key's files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

from attrs import evolve

from grantflow.core.values.secret import Secret
from grantflow.core.values.token import Token
from grantflow.shell.environment import home
from grantflow.shell.ports import StoreError
from grantflow.shell.stores.base import BaseStore
from grantflow.shell.stores.private_file import (
    DAMAGED,
    TEMPORARY,
    PrivateFile,
    explained,
    warn_once,
)
from grantflow.shell.stores.token_document import (
    NewerDocument,
    TokenDocument,
    key_of,
    name_of,
    read_document,
    write_document,
)


class FileStore(BaseStore):
    """A ``Store`` in a folder, by default ``tokens`` under ``GRANTFLOW_HOME`` or the user's data.

    Raises ``StoreError`` where a file cannot be read or written.
    """

    _suffix = ".json"

    def __init__(self, directory: str | Path | None = None) -> None:
        self._directory = None if directory is None else Path(directory)

    @property
    def directory(self) -> Path:
        """Return the folder. Where none was given, the environment is asked at every use."""
        return home() / "tokens" if self._directory is None else self._directory

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.directory)!r})"

    def read(self, key: str, /) -> Token | None:
        """Return what is stored under the key; a file that cannot be read is moved aside."""
        file = self._file(key)
        match file.load(self._parsed):
            case TokenDocument(token):
                return token
            case NewerDocument() as newer:
                warn_once(f"{file.path}: {newer.problem}")
                return None
            case None:
                return None

    @contextmanager
    def _claimed(self, key: str, *, wait: bool) -> Iterator[_Entry | None]:
        file = self._file(key)
        with file.locked(wait=wait) as mine:
            if not mine:
                yield None
                return
            file.check_writable()
            found = file.load(self._parsed, held=True)
            if isinstance(found, NewerDocument):
                raise StoreError(f"{file.path}: {found.problem}")
            yield _Entry(self, file, found)

    def forget(self, key: str, /) -> None:
        """Remove what is stored under the key, whatever it is, and its lock file."""
        file = self._file(key)
        with file.locked():
            file.remove(with_lock=True)

    def keys(self) -> list[str]:
        """Return the keys under which something is stored, in order."""
        return sorted(_ending(self._suffix, self._names()))

    def clear(self) -> None:
        """Remove everything that is stored, what was moved aside too."""
        names = self._names()
        for end in (self._suffix, f"{self._suffix}{TEMPORARY}"):
            for key in _ending(end, names):
                self.forget(key)
        for name in names:
            if f"{self._suffix}{DAMAGED}" in name:
                path = self.directory / name
                with explained(f"cannot remove {path}"):
                    path.unlink(missing_ok=True)

    def sealed(self, document: TokenDocument) -> Secret:
        """Return the content of a file."""
        # In one expression: no frame that can fail holds a token in plain text.
        return Secret(write_document(document, indent=1))

    def _parsed(self, data: bytes) -> TokenDocument | NewerDocument:
        return read_document(data)

    def _file(self, key: str) -> PrivateFile:
        return PrivateFile(self.directory / f"{name_of(key)}{self._suffix}")

    def _names(self) -> list[str]:
        with explained(f"cannot list {self.directory}"):
            try:
                return os.listdir(self.directory)
            except FileNotFoundError:
                return []


@final
class _Entry:
    """The file of one key, while its lock is held."""

    def __init__(self, store: FileStore, file: PrivateFile, found: TokenDocument | None) -> None:
        self._store = store
        self._file = file
        self._document = found

    @property
    def token(self) -> Token | None:
        return None if self._document is None else self._document.token

    def save(self, token: Token, /) -> None:
        before = self._document
        made = TokenDocument(token) if before is None else evolve(before, token=token)
        self._file.write(self._store.sealed(made))
        self._document = made

    def forget(self) -> None:
        self._file.remove(with_lock=True)
        self._document = None


def _ending(end: str, names: list[str]) -> list[str]:
    return [key_of(name.removesuffix(end)) for name in names if name.endswith(end)]
