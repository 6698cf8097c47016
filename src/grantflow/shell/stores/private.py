"""Files that only their owner reads, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

_OWNER_ONLY: Final = 0o600


def private_directory(path: Path) -> None:
    """Make ``path`` and its missing parents, 0700 each, whatever the umask."""
    missing = [path, *path.parents]
    for folder in reversed([each for each in missing if not each.exists()]):
        with contextlib.suppress(FileExistsError):  # another process was quicker
            folder.mkdir(mode=0o700)


def write_private(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data``: 0600 from creation, on disk before the old content is gone.

    The caller holds a lock on ``path``, so what lies under the temporary name is a crash's.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _sync_directory(folder: Path) -> None:
    # Windows cannot open a folder, and needs not: its rename is durable on its own.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
