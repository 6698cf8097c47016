"""Files that only their owner reads, and the lock beside each.

Rules:

1. A file is 0600 and a folder 0700 from its creation, whatever the umask. A file that was opened
   to others since is closed again, and a folder in which others write is told.
2. A file is replaced whole, after its new content is on disk. What fails leaves the old content,
   and nothing else.
3. No link is followed: reading one is refused, writing replaces it.
4. A lock keeps out all other threads and processes; its own thread may take it again.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar, final

from grantflow.core.values.secret import Secret
from grantflow.shell.ports import StoreError
from grantflow.shell.stores.file_lock import take
from grantflow.shell.stores.thread_lock import turn

T = TypeVar("T")

_OWNER_ONLY: Final = 0o600
_OTHERS: Final = 0o077
_TRIES: Final = 5
_PAUSE: Final = 0.02
_POSIX: Final = os.name == "posix"
# Windows has no links or pipes that an open could stumble over, and changes line ends unasked.
_BINARY: Final = getattr(os, "O_BINARY", 0)
_READ: Final = os.O_RDONLY | _BINARY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY

_log: Final = logging.getLogger("grantflow")
_told_once: Final[set[str]] = set()


@final
class NotAFileError(Exception):
    """Something else lies where a file is expected: a link, a folder, a pipe."""


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock beside ``path``: ``True``, or ``False`` if it is taken and not waited for.

    Raises ``StoreError`` where there can be no lock.
    """
    beside = path.with_name(f"{path.name}.lock")
    with turn(os.path.realpath(beside.parent) + os.sep + beside.name, wait=wait) as depth:
        if depth != 1:
            yield depth > 0
            return
        with told(f"cannot lock {beside}"):
            private_directory(beside.parent)
            release = take(beside, wait=wait)
        if release is None:
            yield False
            return
        try:
            yield True
        finally:
            release()


def private_directory(path: Path) -> None:
    """Make ``path`` and its missing parents, 0700 each, whatever the umask."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another process was quicker
            folder.mkdir(mode=0o700)
            _sync_directory(folder.parent)
    if not missing and _POSIX and path.stat().st_mode & stat.S_IWOTH:
        _tell_once(f"everybody may write in {path}: chmod 700 {path}")


def check_writable(folder: Path) -> None:
    """Raise ``StoreError`` where a file could not be replaced, before anything depends on it."""
    if not os.access(folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise StoreError(f"nothing can be written into {folder}")


def write_private(path: Path, data: bytes | Secret) -> None:
    """Replace ``path`` by ``data``: 0600 from creation, on disk before the old content is gone.

    What holds a secret comes as a ``Secret``: a disk is full one day, and what reports that may
    show every local variable on the way.

    The caller holds a lock on ``path``, so what lies under the temporary name is a crash's.
    """
    temporary = _temporary(path)
    temporary.unlink(missing_ok=True)
    try:
        descriptor = os.open(temporary, _CREATE, _OWNER_ONLY)
        with open(descriptor, "wb") as file:
            file.write(data if isinstance(data, bytes) else data.reveal().encode())
            file.flush()
            os.fsync(file.fileno())
        _patiently(lambda: os.replace(temporary, path))
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def read_private(path: Path) -> bytes | None:
    """Return what ``path`` holds, ``None`` where there is nothing.

    Raises ``NotAFileError`` where there is something else.
    """
    try:
        descriptor = _patiently(lambda: os.open(path, _READ))
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise NotAFileError("a link, which is not followed") from error
        raise
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise NotAFileError("no file")
        if _POSIX and mode & _OTHERS:
            _close_to_others(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    with open(descriptor, "rb") as file:
        return file.read()


def remove_private(path: Path) -> None:
    """Remove ``path`` and what a crash left beside it. The caller holds its lock."""
    _temporary(path).unlink(missing_ok=True)
    try:
        path.unlink()
    except FileNotFoundError:
        return
    _sync_directory(path.parent)


@contextmanager
def told(what: str) -> Iterator[None]:
    """Say what was tried: the operating system's own words are not enough to act on."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{what}: {error.strerror or error}") from error


TEMPORARY: Final = ".tmp"
"""How the name of a file ends that is not whole yet."""


def _temporary(path: Path) -> Path:
    return path.with_name(f"{path.name}{TEMPORARY}")


def _close_to_others(path: Path, descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, _OWNER_ONLY)
    _tell_once(f"others could read {path}: it is now for its owner only")


def _tell_once(text: str) -> None:
    if text not in _told_once:
        _told_once.add(text)
        _log.warning(text)


def _patiently(action: Callable[[], T]) -> T:
    # Windows denies what another process is doing to the same file at this moment.
    for _ in range(_TRIES - 1):
        try:
            return action()
        except PermissionError:
            time.sleep(_PAUSE)
    return action()


def _sync_directory(folder: Path) -> None:
    # Windows cannot open a folder, and needs not: its rename is durable on its own.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
