"""The data directory: are its directories, files and locks usable, and private to their owner."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from shlex import quote
from typing import Final

from grantflow.cli.doctor import Finding
from grantflow.cli.output import counted, spoken
from grantflow.shell.stores.file_lock import holder, take
from grantflow.shell.stores.private_file import TEMPORARY
from grantflow.shell.stores.token_document import read_document

_OTHERS: Final = 0o077
_WRITE: Final = 0o022
_POSIX: Final = os.name == "posix"
_READABLE: Final = frozenset({"providers.toml"})
"""Written by the user, and no secret: others may read it, but not change where secrets go."""
_ELSEWHERE: Final = "or set GRANTFLOW_HOME to another directory"
_LONG: Final = timedelta(minutes=1)
"""A sign-in may wait for a person that long; a renewal never does."""


def check_files(home: Path) -> Iterator[Finding]:
    """Check all directories and files under ``home``."""
    tokens = home / "tokens"
    folders = [home, *sorted({tokens, *(path for path in _inside(home) if path.is_dir())})]
    for folder in folders:
        yield from check_folder(folder)
    paths = [path for folder in folders for path in _inside(folder) if path not in folders]
    found = [each for path in paths for each in check_file(path, is_token=path.parent == tokens)]
    yield from found
    if not any(each.level == "problem" for each in found):
        yield Finding("file", "ok", f"{counted(len(paths), 'file')}, each private and readable")


def _inside(folder: Path) -> list[Path]:
    """Return what a directory holds, locks aside, sorted."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:  # check_folder reports it
        return []
    return [folder / name for name in names if not name.endswith(".lock")]


def check_folder(path: Path) -> Iterator[Finding]:
    """Check that a directory is private; a link to one counts as one."""

    def problem(message: str, advice: str) -> Finding:
        return Finding("folder", "problem", message, f"{advice}, {_ELSEWHERE}")

    try:
        found = path.stat()
    except FileNotFoundError:
        yield Finding("folder", "ok", f"{path} is created by the first sign-in")
        return
    except OSError as error:
        yield problem(f"{path}: {error.strerror or error}", "repair it")
        return
    mode = stat.S_IMODE(found.st_mode) if _POSIX else 0
    private = f"chmod 700 {quote(str(path))}"
    if not stat.S_ISDIR(found.st_mode):
        yield problem(f"{path} is not a directory", "remove it")
    elif _POSIX and found.st_uid != os.geteuid():
        yield problem(f"{path} belongs to another user", "change its owner with chown")
    elif mode & _OTHERS:
        message = f"other users have access to {path} (mode {mode:04o})"
        yield Finding("folder", "problem", message, private)
    elif not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        yield problem(f"{path} is not writable", private)
    else:
        yield Finding("folder", "ok", f"{path} is private (0700)")


def check_file(path: Path, *, is_token: bool = False) -> Iterator[Finding]:
    """Check that a file is private and, if it holds a token, readable; nothing if all is well."""

    def problem(message: str, advice: str) -> Finding:
        return Finding("file", "problem", message, advice)

    private = f"chmod 600 {quote(str(path))}"
    try:
        found = path.lstat()
        regular = stat.S_ISREG(found.st_mode)
        data = path.read_bytes() if regular and is_token and path.suffix == ".json" else None
    except FileNotFoundError:
        return
    except OSError as error:
        message = f"{path}: {error.strerror or error}"
        yield problem(message, f"make it readable for you alone: {private}")
        return
    mode = stat.S_IMODE(found.st_mode) if _POSIX else 0
    damage = "" if data is None else _damage(data)
    if not regular:
        message = f"{path} is not a regular file (a link is not followed)"
        yield problem(message, "put the file itself there, or remove it")
    elif _POSIX and found.st_uid != os.geteuid():
        yield problem(f"{path} belongs to another user", "remove it, and sign in again")
    elif path.name in _READABLE:
        if mode & _WRITE:
            message = f"other users can change {path} (mode {mode:04o})"
            yield problem(message, f"look through it, then {private}")
    elif mode & _OTHERS:
        message = f"other users can read {path} (mode {mode:04o})"
        yield problem(message, f"{private}; if it may have been read, log out and sign in again")
    elif damage:
        advice = "it is moved aside at its next use; then sign in again"
        yield problem(f"{path}: {damage}", advice)
    elif ".damaged-" in path.name:
        message = f"{path} was damaged, and was moved aside"
        yield Finding("file", "note", message, "inspect it if data is missing, otherwise delete it")
    elif path.name.endswith(TEMPORARY):
        message = f"{path} was left by a crash; the next sign-in removes it"
        yield Finding("file", "note", message)


def _damage(data: bytes) -> str:
    try:
        read_document(data)
    except ValueError as error:
        return str(error)
    return ""


def check_locks(home: Path) -> Iterator[Finding]:
    """Check that all locks under ``home`` are free, and the one that every sign-in needs."""
    if not home.is_dir():
        return  # check_folder reports it
    there = {home / "profiles.json.lock", *home.glob("*.lock"), *home.glob("*/*.lock")}
    found = [finding for path in sorted(there) for finding in check_lock(path)]
    yield from found
    if not found:
        yield Finding("lock", "ok", "no locks held")


def check_lock(path: Path) -> Iterator[Finding]:
    """Check one lock by taking it for a moment; nothing if it is free."""
    try:
        lock = take(path, wait=False)
    except OSError as error:
        message = f"no lock can be taken at {path}: {error.strerror or error}"
        advice = "set GRANTFLOW_HOME to a directory on a local, writable disk"
        yield Finding("lock", "problem", message, advice)
        return
    if lock is not None:
        lock.release()
        return
    pid, age = holder(path), _age(path)
    program = _program(pid)
    who = "another process" if pid is None else f"process {pid}{program}"
    since = "" if age is None else f" for {spoken(age)}"
    message = f"{path} is held by {who}{since}"
    if age is None or age < _LONG:
        yield Finding("lock", "note", message, "other processes wait for it; no action is needed")
        return
    end = "end that process" if pid is None else f"end it: kill {pid}"
    yield Finding("lock", "problem", message, f"unless a sign-in is running there, {end}")


def _age(path: Path) -> timedelta | None:
    try:
        return timedelta(seconds=max(time.time() - path.stat().st_mtime, 0))
    except OSError:
        return None


def _program(pid: int | None) -> str:
    try:
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
    return f" ({name})"
