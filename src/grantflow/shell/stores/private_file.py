"""Files that only their owner reads, and the lock beside each.

Rules:

1. A file is 0600 and a folder 0700 from its creation, whatever the umask. A file that others could
   read since is closed to them again; it is said to be so after a look. A folder in which everybody
   writes is reported.
2. A file is replaced whole, after its new content is on disk. What fails leaves the old content,
   and nothing else. A file system without ``fsync`` does without.
3. No link is followed: reading one is refused, writing replaces it. A file of another owner is
   refused, unless that is root.
4. The lock keeps out all other threads and processes. It is not re-entrant.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar, final

from attrs import frozen

from grantflow.core.values.secret import Secret
from grantflow.shell.ports import StoreError
from grantflow.shell.stores.file_lock import take

T = TypeVar("T")

TEMPORARY: Final = ".tmp"
"""How the name of a file ends that is not whole yet."""
DAMAGED: Final = ".damaged-"
"""What follows the name of a file that was moved aside; then a time."""

_OWNER_ONLY: Final = 0o600
_OTHERS: Final = 0o077
_ROOT: Final = 0
_TRIES: Final = 5
_PAUSE: Final = 0.02
_POSIX: Final = os.name == "posix"
# Windows has no links or pipes that an open could stumble over, and changes line ends unasked.
_BINARY: Final = getattr(os, "O_BINARY", 0)
_READ: Final = os.O_RDONLY | _BINARY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
# Some network and user-space file systems know no fsync. A disk that is full or broken is another
# matter.
_NO_FSYNC: Final = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EROFS)

_warned: Final[set[str]] = set()


@final
class NotAFileError(StoreError):
    """Something else lies where a file is expected: a link, a folder, a pipe."""


@final
@frozen
class _Damage:
    problem: str


@final
class PrivateFile:
    """A file at ``path`` for its owner alone. Every method raises ``StoreError`` where it fails.

    Who changes the file holds its lock from reading to writing. ``lock_of`` is another file whose
    lock guards this one as well.
    """

    def __init__(self, path: Path, *, lock_of: Path | None = None) -> None:
        self.path: Path = path
        guarded = path if lock_of is None else lock_of
        self._lock = guarded.with_name(f"{guarded.name}.lock")

    def __repr__(self) -> str:
        return f"PrivateFile({str(self.path)!r})"

    @contextmanager
    def locked(self, *, wait: bool = True) -> Iterator[bool]:
        """Hold the lock beside the file; ``False`` without ``wait`` where another owner has it."""
        beside = self._lock
        with explained(f"cannot lock {beside}"):
            private_directory(beside.parent)
            lock = take(beside, wait=wait)
        if lock is None:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def check_writable(self) -> None:
        """Raise where the file could not be replaced, before anything depends on it."""
        folder = self.path.parent
        if not os.access(folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise StoreError(f"nothing can be written into {folder}")

    def read(self) -> bytes | None:
        """Return what the file holds, ``None`` where there is none.

        Raises ``NotAFileError`` where there is something else.
        """
        with explained(f"cannot read {self.path}"):
            return _read(self.path)

    def load(self, parse: Callable[[bytes], T], *, held: bool = False) -> T | None:
        """Return what ``parse`` makes of the file, ``None`` where there is none.

        Where ``parse`` raises ``ValueError`` the file is damaged: it is moved aside and reported.
        That is done under the lock alone, which the caller may have (``held``): another owner may
        just have written a good file in its place, or be about to.
        """
        found = self._parsed(parse)
        if not isinstance(found, _Damage):
            return found
        with contextlib.ExitStack() as stack:
            if held or stack.enter_context(self.locked(wait=False)):
                found = self._parsed(parse)
                if not isinstance(found, _Damage):
                    return found
                self.move_aside(found.problem)
        return None

    def _parsed(self, parse: Callable[[bytes], T]) -> T | _Damage | None:
        try:
            data = self.read()
            return None if data is None else parse(data)
        except NotAFileError as error:
            return _Damage(f"it is {error}")
        except ValueError as error:
            return _Damage(str(error))

    def write(self, data: bytes | Secret) -> None:
        """Replace the file by ``data``: on disk before the old content is gone.

        What holds a secret comes as a ``Secret``: a disk is full one day, and what reports that may
        show every local variable on the way.
        """
        with explained(f"cannot write {self.path}"):
            private_directory(self.path.parent)
            _write(self.path, data)

    def remove(self, *, with_lock: bool = False) -> None:
        """Remove the file and what a crash left beside it, and the lock that the caller holds."""
        with explained(f"cannot remove {self.path}"):
            _temporary(self.path).unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
            _sync_directory(self.path.parent)
        if with_lock:
            # Windows removes no open file. Elsewhere whoever waits for this lock takes a new one.
            with contextlib.suppress(OSError):
                self._lock.unlink()

    def move_aside(self, problem: str | None) -> Path:
        """Keep a damaged file under another name, and return that; a warning tells the problem."""
        aside = self.path.with_name(f"{self.path.name}{DAMAGED}{time.time_ns()}")
        with explained(f"cannot move the damaged {self.path} aside"):
            self.path.rename(aside)
        if problem is not None:
            _warn("%s: %s; kept as %s", self.path.name, problem, aside.name)
        return aside


def private_directory(path: Path) -> None:
    """Make ``path`` and its missing parents, 0700 each, whatever the umask."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another process was quicker
            folder.mkdir(mode=0o700)
            _sync_directory(folder.parent)
    if not missing and _POSIX and path.stat().st_mode & stat.S_IWOTH:
        warn_once(f"everybody may write in {path}: chmod 700 {path}")


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Say what was tried: the operating system's own words are not enough to act on."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{what}: {error.strerror or error}") from error


def warn_once(text: str) -> None:
    """Log a warning, once in the life of this process."""
    if text not in _warned:
        _warned.add(text)
        _warn("%s", text)


def _write(path: Path, data: bytes | Secret) -> None:
    # The caller holds the lock, so what lies under the temporary name is a crash's.
    temporary = _temporary(path)
    temporary.unlink(missing_ok=True)
    try:
        descriptor = os.open(temporary, _CREATE, _OWNER_ONLY)
        with open(descriptor, "wb") as file:
            file.write(data if isinstance(data, bytes) else data.reveal().encode())
            file.flush()
            _sync(file.fileno())
        _retried(lambda: os.replace(temporary, path))
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _read(path: Path) -> bytes | None:
    try:
        descriptor = _retried(lambda: os.open(path, _READ))
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise NotAFileError("a link, which is not followed") from error
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotAFileError("no file")
        if _POSIX and status.st_uid not in (os.geteuid(), _ROOT):
            raise StoreError(
                f"{path} belongs to another user (uid {status.st_uid}), and is not used: "
                "remove it, or let GRANTFLOW_HOME name a folder of your own"
            )
        if _POSIX and status.st_mode & _OTHERS:
            _close_to_others(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    with open(descriptor, "rb") as file:
        return file.read()


def _temporary(path: Path) -> Path:
    return path.with_name(f"{path.name}{TEMPORARY}")


def _close_to_others(path: Path, descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, _OWNER_ONLY)
    if os.fstat(descriptor).st_mode & _OTHERS:
        warn_once(
            f"others may read {path}, and its mode cannot be changed: this file system may know no "
            "modes; GRANTFLOW_HOME moves the files to one that does"
        )
    else:
        warn_once(f"others could read {path}: it is now for its owner only")


def _retried(action: Callable[[], T]) -> T:
    # Windows denies what another process is doing to the same file at this moment.
    for _ in range(_TRIES - 1):
        try:
            return action()
        except PermissionError:
            time.sleep(_PAUSE)
    return action()


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise


def _sync_directory(folder: Path) -> None:
    # Windows cannot open a folder, and needs not: its rename is durable on its own.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _warn(message: str, *values: object) -> None:
    import logging  # where nothing is wrong, nothing is loaded for it

    logging.getLogger("grantflow").warning(message, *values)
