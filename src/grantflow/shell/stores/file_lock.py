"""Locks of the operating system: they end with their owner, and nothing else ends them.

``fcntl.flock`` where there is one: it wakes the next at once, works between threads as between
processes, and importing ``filelock`` costs more than reading a token. ``filelock`` on Windows.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path
from typing import Final, Protocol, final

_OWNER_ONLY: Final = 0o600
_POLL: Final = 0.02
_DIGITS: Final = 10
# Network folders, mostly.
_NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class Lock(Protocol):
    """A lock that is held until it is released, or dropped."""

    def release(self) -> None:
        """Let the next owner in; once is enough."""
        ...


def take(path: Path, *, wait: bool) -> Lock | None:
    """Take the lock ``path``; ``None`` if another owner, thread or process, has it."""
    try:
        return _take(path, wait=wait)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            hint = f"{error.strerror}; GRANTFLOW_HOME moves the files to a local disk"
            raise OSError(error.errno, hint) from error
        raise


def holder(path: Path) -> int | None:
    """Return the process that took the lock ``path`` last, if it could sign; since its mtime."""
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return int(text) if text.strip().isdigit() else None


def by_filelock(path: Path, *, wait: bool) -> Lock | None:
    """Take a lock by ``filelock``."""
    from filelock import FileLock, Timeout

    lock = FileLock(path, mode=_OWNER_ONLY, thread_local=False)
    try:
        lock.acquire(timeout=-1 if wait else 0, poll_interval=_POLL)
    except Timeout:
        return None
    return lock


if sys.platform == "win32":
    _take = by_filelock
else:
    import fcntl

    _open: Final[set[int]] = set()

    @final
    class _Flock:
        """An open file, and the lock on it. It is there before the lock, so that none is lost."""

        def __init__(self, path: Path) -> None:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._owner, self._file = os.getpid(), -1
            self._file = os.open(path, flags, _OWNER_ONLY)
            _open.add(self._file)

        def acquire(self, *, wait: bool) -> bool | None:
            """Take it: ``False`` if it is taken, ``None`` if the file was removed meanwhile."""
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            # A lock file that was removed while this one waited keeps nobody out.
            if os.fstat(self._file).st_nlink == 0:
                return None
            # For ``holder``; on a full disk the lock is as good without. Always as long as before:
            # a file that is cut and written again is put to disk when it is closed (ext4).
            with contextlib.suppress(OSError):
                os.pwrite(self._file, b"%*d" % (_DIGITS, os.getpid()), 0)
            return True

        def release(self) -> None:
            file, self._file = self._file, -1
            if file < 0 or self._owner != os.getpid():
                return  # in a forked child it was closed, and its number may be another file's
            # Closing alone would not do: a child on its way to exec has the same file open.
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)
            _open.discard(file)
            os.close(file)

        __del__ = release

    def by_flock(path: Path, *, wait: bool) -> Lock | None:
        """Take a lock by ``fcntl.flock``."""
        while True:
            lock = _Flock(path)
            taken = lock.acquire(wait=wait)
            if taken:
                return lock
            lock.release()
            if taken is False:
                return None

    def _close_inherited() -> None:
        # A child that lives on must not keep its dead parent's lock.
        while _open:
            with contextlib.suppress(OSError):
                os.close(_open.pop())

    os.register_at_fork(after_in_child=_close_inherited)
    _take = by_flock
