"""Tokens in files: one for each key, so that one damaged file costs one token.

Rules:

1. A file is 0600 from its creation, in a folder that is 0700 if this store made it.
2. It is replaced whole, after its new content is on disk: a crash leaves the old or the new.
3. A damaged file is moved aside and reported; the others live on.
4. A lock of the operating system is held over claim, request and save. It ends with its owner, and
   nothing else ends it.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, final

from filelock import FileLock
from returns.result import Failure, Result

from grantflow.core.codec import MEMBERS, dump_token, load_token
from grantflow.core.errors import Garbled
from grantflow.core.values import Token
from grantflow.core.wire import either
from grantflow.shell.environment import home
from grantflow.shell.ports import StoreError
from grantflow.shell.stores.private import private_directory, write_private

_POLL: Final = 0.02
_log: Final = logging.getLogger("grantflow")


@final
class FileStore:
    """A ``Store`` in a folder, by default ``tokens`` under ``GRANTFLOW_HOME`` or the user's data.

    Raises ``StoreError`` where a file cannot be read or written.
    """

    def __init__(self, directory: str | Path | None = None) -> None:
        self.directory = home() / "tokens" if directory is None else Path(directory)
        self._held = threading.local()

    @contextmanager
    def claim(self, key: str, /) -> Iterator[Token | None]:
        """Hold the key's lock among all processes and threads, and give what is stored."""
        with self._lock(key):
            yield self.read(key)

    def read(self, key: str, /) -> Token | None:
        """Return what is stored under the key; what cannot be read is moved aside."""
        path = self._path(key)
        document = self._document(path)
        if document is None:
            return None
        match either(document.bind(load_token)):
            case Token() as token:
                return token
            case Garbled(problem):
                self._move_aside(path, problem)
                return None

    def save(self, key: str, token: Token, /) -> None:
        """Store a token; members of the file that this version does not know are kept."""
        with self._lock(key):
            path = self._path(key)
            document = self._document(path)
            known: Mapping[str, object] = {} if document is None else document.value_or({})
            unknown = {name: known[name] for name in known if name not in MEMBERS}
            text = json.dumps(unknown | dump_token(token), indent=1)
            with _told(f"cannot write {path}"):
                write_private(path, text.encode())

    def forget(self, key: str, /) -> None:
        """Remove what is stored under the key, if anything is."""
        with self._lock(key), _told(f"cannot remove {self._path(key)}"):
            self._path(key).unlink(missing_ok=True)

    def keys(self) -> list[str]:
        """Return the keys under which something is stored, in order."""
        with _told(f"cannot list {self.directory}"):
            return sorted(path.stem for path in self.directory.glob("*.json"))

    def clear(self) -> None:
        """Remove every token; locks and damaged files stay."""
        for key in self.keys():
            self.forget(key)

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}.json"

    def _document(self, path: Path) -> Result[Mapping[str, object], Garbled] | None:
        with _told(f"cannot read {path}"):
            try:
                text = path.read_bytes()
            except FileNotFoundError:
                return None
        return _object(text)

    def _move_aside(self, path: Path, problem: str) -> None:
        aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
        with _told(f"cannot move the damaged {path} aside"):
            try:
                path.rename(aside)
            except FileNotFoundError:  # another process was quicker
                return
        _log.warning("%s: %s; kept as %s", path.name, problem, aside.name)

    @contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        held: set[str] = self._held.__dict__.setdefault("keys", set())
        if key in held:
            yield
            return
        with _told(f"cannot use {self.directory}"):
            private_directory(self.directory)
            lock = FileLock(self.directory / f"{key}.lock", mode=0o600)
            lock.acquire(poll_interval=_POLL)
        held.add(key)
        try:
            yield
        finally:
            held.discard(key)
            lock.release()


def _object(text: bytes) -> Result[Mapping[str, object], Garbled]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return Failure(Garbled("stored token: the file is damaged"))
    if not isinstance(found, dict):
        return Failure(Garbled("stored token: the file holds no object"))
    return Result.from_value(found)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say what was tried: the operating system's own words are not enough to act on."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{what}: {error.strerror or error}") from error
