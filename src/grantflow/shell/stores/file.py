"""Tokens in files: one for each key, so that one damaged file costs one token.

Rules:

1. Files and folders are private (``private``): 0600 and 0700, whole or not at all, no links.
2. A damaged file is moved aside and reported; the others live on.
3. A lock of the operating system is held over claim, request and save. It ends with its owner, and
   nothing else ends it; a thread that has it may take it again, through any store of the folder.
4. Where nothing can be written, nothing is claimed: who refreshed then would lose what comes.
5. Nothing but ``keys`` and ``clear`` looks at more than one key's files.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, final

from grantflow.core.values.errors import InvalidResponse
from grantflow.core.values.secret import Secret
from grantflow.core.values.token import Token
from grantflow.shell.environment import home
from grantflow.shell.ports import LockedError
from grantflow.shell.stores.private_file import (
    TEMPORARY,
    NotAFileError,
    check_writable,
    locked,
    read_private,
    remove_private,
    told,
    write_private,
)
from grantflow.shell.stores.token_document import Found, key_of, mended, name_of, token_in, written

_WHOLE: Final = ".json"
_HALF: Final = f"{_WHOLE}{TEMPORARY}"
_DAMAGED: Final = f"{_WHOLE}.damaged-"
_log: Final = logging.getLogger("grantflow")


@final
class FileStore:
    """A ``Store`` in a folder, by default ``tokens`` under ``GRANTFLOW_HOME`` or the user's data.

    Raises ``StoreError`` where a file cannot be read or written.
    """

    def __init__(self, directory: str | Path | None = None) -> None:
        self._directory = None if directory is None else Path(directory)

    @property
    def directory(self) -> Path:
        """Return the folder. Where none was given, the environment is asked at every use."""
        return home() / "tokens" if self._directory is None else self._directory

    def __repr__(self) -> str:
        return f"FileStore({str(self.directory)!r})"

    @contextmanager
    def claim(self, key: str, /) -> Iterator[Token | None]:
        """Hold the key's lock among all processes and threads, and give what is stored."""
        with locked(self._path(key)):
            check_writable(self.directory)
            yield self.read(key)

    @contextmanager
    def try_claim(self, key: str, /) -> Iterator[Token | None]:
        """Like ``claim``, but raise ``LockedError`` if somebody else has the lock."""
        with locked(self._path(key), wait=False) as taken:
            if not taken:
                raise LockedError(key)
            check_writable(self.directory)
            yield self.read(key)

    def read(self, key: str, /) -> Token | None:
        """Return what is stored under the key; what cannot be read is moved aside."""
        path = self._path(key)
        return mended(
            lambda: _found(path),
            lambda: locked(path, wait=False),
            lambda problem: _move_aside(path, problem),
        )

    def save(self, key: str, token: Token, /) -> None:
        """Store a token; members of the file that this version does not know are kept."""
        with self.claim(key) as stored:
            path = self._path(key)
            # In one expression: no frame that can fail holds a token in plain text.
            text = Secret(written(token, None if stored is None else _content(path), indent=1))
            with told(f"cannot write {path}"):
                write_private(path, text)

    def forget(self, key: str, /) -> None:
        """Remove what is stored under the key, if anything is."""
        path = self._path(key)
        with locked(path), told(f"cannot remove {path}"):
            remove_private(path)

    def keys(self) -> list[str]:
        """Return the keys under which something is stored, in order."""
        return sorted(_ending(_WHOLE, self._names()))

    def clear(self) -> None:
        """Remove everything that is stored, what was moved aside too; locks stay."""
        names = self._names()
        for key in {*_ending(_WHOLE, names), *_ending(_HALF, names)}:
            self.forget(key)
        for name in names:
            if _DAMAGED in name:
                path = self.directory / name
                with told(f"cannot remove {path}"):
                    path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.directory / f"{name_of(key)}{_WHOLE}"

    def _names(self) -> list[str]:
        with told(f"cannot list {self.directory}"):
            try:
                return os.listdir(self.directory)
            except FileNotFoundError:
                return []


def _ending(end: str, names: list[str]) -> list[str]:
    return [key_of(name.removesuffix(end)) for name in names if name.endswith(end)]


def _content(path: Path) -> bytes | None:
    with told(f"cannot read {path}"):
        return read_private(path)


def _found(path: Path) -> Found:
    try:
        data = _content(path)
    except NotAFileError as error:
        return InvalidResponse(f"stored token: it is {error}")
    return None if data is None else token_in(data)


def _move_aside(path: Path, problem: str) -> None:
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    with told(f"cannot move the damaged {path} aside"):
        path.rename(aside)
    _log.warning("%s: %s; kept as %s", path.name, problem, aside.name)
