"""The locks: can one be taken here, and who has one that is taken."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal, final

from attrs import frozen

from grantflow.cli.doctor.finding import Finding, counted
from grantflow.cli.format import spoken
from grantflow.shell.stores.file_lock import holder, take

_LONG: Final = timedelta(minutes=1)
"""A sign-in may wait for a person that long; a renewal never does."""


@final
@frozen(kw_only=True)
class Lock:
    """A lock as it was found; ``pid``, ``program`` and ``age`` where the system tells."""

    path: Path
    state: Literal["free", "held", "impossible"]
    pid: int | None = None
    program: str = ""
    age: timedelta | None = None
    trouble: str = ""


def lock_at(path: Path) -> Lock:
    """Try to take a lock, and give it back."""
    try:
        lock = take(path, wait=False)
    except OSError as error:
        return Lock(path=path, state="impossible", trouble=error.strerror or str(error))
    if lock is not None:
        lock.release()
        return Lock(path=path, state="free")
    pid = holder(path)
    return Lock(path=path, state="held", pid=pid, program=_program(pid), age=_age(path))


def _age(path: Path) -> timedelta | None:
    try:
        return timedelta(seconds=max(time.time() - path.stat().st_mtime, 0))
    except OSError:
        return None


def _program(pid: int | None) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def lock_judged(lock: Lock) -> Finding | None:
    """Judge a lock; nothing is said of one that is free."""
    match lock.state:
        case "free":
            return None
        case "impossible":
            said = f"no lock can be taken at {lock.path}: {lock.trouble}"
            advice = "GRANTFLOW_HOME moves the files to a local disk that you may write to"
            return Finding("lock", "problem", said, advice)
        case "held":
            program = f" ({lock.program})" if lock.program else ""
            who = "another process" if lock.pid is None else f"process {lock.pid}{program}"
            since = "" if lock.age is None else f" for {spoken(lock.age)}"
            said = f"{lock.path} is held by {who}{since}"
            if lock.age is None or lock.age < _LONG:
                return Finding("lock", "note", said, "others wait for it; it ends by itself")
            end = "end that process" if lock.pid is None else f"end it: kill {lock.pid}"
            return Finding("lock", "problem", said, f"unless a sign-in is going on there, {end}")


def findings(home: Path) -> Iterator[Finding]:
    """Try all locks under ``home``, and the one that every sign-in needs."""
    if not home.is_dir():
        return  # the folder's own finding says so
    needed = home / "profiles.json.lock"
    there = {needed, *home.glob("*.lock"), *home.glob("*/*.lock")}
    locks = [lock_at(path) for path in sorted(there)]
    found = [finding for finding in map(lock_judged, locks) if finding is not None]
    yield from found
    if not found:
        yield Finding("lock", "ok", f"{counted(len(locks), 'lock')}, each free and to be had")
