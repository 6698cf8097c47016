"""Locks of the operating system: they end with their owner, and nothing else ends them.

``fcntl.flock`` where there is one: it wakes the next at once, and importing ``filelock`` costs more
than reading a token. ``filelock`` on Windows.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

Release: TypeAlias = Callable[[], None]

_OWNER_ONLY: Final = 0o600
_POLL: Final = 0.02
_DIGITS: Final = 10
# Network folders, mostly.
_NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def take(path: Path, *, wait: bool) -> Release | None:
    """Take the lock ``path`` and return what releases it; ``None`` if another process has it."""
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


def _filelocked(path: Path, *, wait: bool) -> Release | None:
    from filelock import FileLock, Timeout

    lock = FileLock(path, mode=_OWNER_ONLY, thread_local=False)
    try:
        lock.acquire(timeout=-1 if wait else 0, poll_interval=_POLL)
    except Timeout:
        return None
    return lock.release


if sys.platform == "win32":
    _take = _filelocked
else:
    import fcntl

    _open: Final[set[int]] = set()

    def _flocked(path: Path, *, wait: bool) -> Release | None:
        kind = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            file = os.open(path, flags, _OWNER_ONLY)
            _open.add(file)
            try:
                fcntl.flock(file, kind)
                # A lock file that somebody removed while this one waited keeps nobody out.
                if os.fstat(file).st_nlink > 0:
                    _sign(file)
                    return lambda: _unlock(file)
            except BlockingIOError:
                _close(file)
                return None
            except BaseException:
                _close(file)
                raise
            _close(file)

    def _sign(file: int) -> None:
        # For ``holder``; on a full disk the lock is as good without. Always as long as before: a
        # file that is cut to nothing and written again is put to disk when it is closed (ext4).
        with contextlib.suppress(OSError):
            os.pwrite(file, b"%*d" % (_DIGITS, os.getpid()), 0)

    def _unlock(file: int) -> None:
        if file in _open:  # else this is a forked child, whose parent has the lock
            # Closing alone would not do: a child on its way to exec has the same file open.
            fcntl.flock(file, fcntl.LOCK_UN)
            _close(file)

    def _close(file: int) -> None:
        _open.discard(file)
        os.close(file)

    def _close_inherited() -> None:
        # A child that lives on must not keep its dead parent's lock.
        while _open:
            with contextlib.suppress(OSError):
                os.close(_open.pop())

    os.register_at_fork(after_in_child=_close_inherited)
    _take = _flocked
