"""Sign-ins that were started and wait for another process to finish them, one per profile.

Rules:

1. What is stored here fetches the token once the person has approved: it is in a private file, and
   is removed when the sign-in has ended.
2. A file is rewritten after every answer, so the next process does not poll too early.
3. One process at a time finishes a sign-in: it holds the file's lock.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, final

from attrs import frozen

from grantflow.cli.errors import CommandError, ProfileError, nearest, quoted, usage
from grantflow.cli.output import warn
from grantflow.core.values.json import Members, plain
from grantflow.core.values.parsing import moment_of, text_of
from grantflow.core.values.secret import Secret
from grantflow.shell.environment import home
from grantflow.shell.profiles import profile as documents
from grantflow.shell.profiles.profile import Profile
from grantflow.shell.stores.private_file import NotAFileError, PrivateFile, explained

VERSION: Final = 1

# Not the bare name of the profile: Windows reserves some names.
_BEGIN: Final = "login-"
_END: Final = ".json"
_START_AGAIN: Final = "start one with grantflow login --start"


@final
@frozen(kw_only=True)
class Start:
    """A sign-in that waits.

    ``run`` is what ``dump_run`` made, of no use after ``expires_at``; ``entropy`` is what some
    flows were made of. ``named`` says that the person chose the profile's name.
    """

    profile: Profile
    named: bool
    entropy: Secret
    started_at: datetime
    expires_at: datetime
    run: Mapping[str, object]


def write(start: Start) -> None:
    """Store a sign-in; it replaces what its profile started before."""
    document = {
        "version": VERSION,
        "profile": start.profile.document(),
        "named": start.named,
        "entropy": start.entropy.reveal(),
        "started_at": start.started_at.isoformat(),
        "expires_at": start.expires_at.isoformat(),
        "run": dict(start.run),
    }
    file = PrivateFile(_path(start.profile.name))
    with file.locked():
        file.write(Secret(json.dumps(document, indent=1)))


def read(name: str) -> Start:
    """Return the sign-in of a profile; ``CommandError`` says what is wrong with its file."""
    try:
        data = PrivateFile(_path(name)).read()
    except NotAFileError as error:
        raise damaged(name, f"it is {error}") from None
    if data is None:
        raise _missing(name, [])
    found = _read(name, data)
    if isinstance(found, str):
        raise damaged(name, found)
    return found


def _read(name: str, data: bytes) -> Start | str:
    try:
        document: object = json.loads(data)
        found = Members(document) if isinstance(document, dict) else None
    except (ValueError, RecursionError):
        found = None
    if found is None:
        return "it is not a JSON object"
    if found.get("version") != VERSION:
        return "another version of grantflow wrote it"
    described, run = found.get("profile"), found.get("run")
    entropy = text_of(found.get("entropy"))
    began, ends = moment_of(found.get("started_at")), moment_of(found.get("expires_at"))
    if not isinstance(described, Members) or not isinstance(run, Members):
        return "it is incomplete"
    if entropy is None or began is None or ends is None:
        return "it is incomplete"
    profile = documents.read(name, plain(described))
    if isinstance(profile, str):
        return f"its profile is not usable: {profile}"
    return Start(
        profile=profile,
        named=found.get("named") is True,
        entropy=Secret(entropy),
        started_at=began,
        expires_at=ends,
        run=run,
    )


def remove(name: str) -> None:
    """Drop the sign-in of a profile."""
    file = PrivateFile(_path(name))
    with file.locked():
        file.remove(with_lock=True)


def sweep(now: datetime) -> None:
    """Drop the sign-ins whose codes have expired."""
    for name in names():
        try:
            expired = read(name).expires_at <= now
        except ProfileError:
            continue  # it stays for inspection
        if expired:
            remove(name)


def valid(now: datetime) -> list[Start]:
    """Return the sign-ins that can still be finished; warn about those that cannot be read."""
    found: list[Start] = []
    for name in names():
        try:
            found.append(read(name))
        except ProfileError as error:
            warn(str(error))
    return [each for each in found if now < each.expires_at]


def finishing(name: str) -> str:
    """Return the command line that finishes the sign-in of a profile."""
    return f"grantflow login --finish --profile {name}"


def drop(name: str) -> None:
    """Drop the sign-in of a profile, unless a process is finishing it."""
    with held(name):
        remove(name)


def names() -> list[str]:
    """Return the profiles that have started a sign-in, sorted."""
    with explained(f"cannot list {_folder()}"):
        try:
            files = os.listdir(_folder())
        except FileNotFoundError:
            return []
    found = [each for each in files if each.startswith(_BEGIN) and each.endswith(_END)]
    return sorted(each.removeprefix(_BEGIN).removesuffix(_END) for each in found)


def choose(asked: str | None, now: datetime) -> str:
    """Return whose sign-in to finish: the one asked for, else the only pending one."""
    known = names()
    if asked is not None:
        if asked not in known:
            raise _missing(asked, known)
        return asked
    if not known:
        raise CommandError("no sign-in was started", _START_AGAIN)
    found = known if len(known) == 1 else [name for name in known if _is_valid(name, now)]
    if len(found) != 1:
        rest = ", ".join(found or known)
        raise usage("several sign-ins are pending", f"add --profile with one of: {rest}")
    return found[0]


@contextmanager
def held(name: str) -> Iterator[None]:
    """Keep every other process from finishing this sign-in; ``CommandError`` if one does."""
    path = _path(name)
    # Not the lock of the file: that is taken by whatever writes or removes it meanwhile.
    finishing = PrivateFile(path, lock_of=path.with_name(f"{path.name}.finishing"))
    with finishing.locked(wait=False) as alone:
        if not alone:
            raise CommandError(f"another process is finishing the sign-in of {name}")
        yield


def damaged(name: str, problem: str) -> CommandError:
    """Return the error of a sign-in that cannot be resumed."""
    return CommandError(
        f"the started sign-in of {name} cannot be resumed: {problem} ({_path(name)})",
        "start again with grantflow login --start",
        kind="damaged",
    )


def _is_valid(name: str, now: datetime) -> bool:
    try:
        return now < read(name).expires_at
    except ProfileError:
        return False


def _missing(name: str, known: list[str]) -> CommandError:
    advice = nearest(name, known, _START_AGAIN)
    return usage(f"no sign-in of {quoted(name)} was started", advice)


def _folder() -> Path:
    return home() / "starts"


def _path(name: str) -> Path:
    return _folder() / f"{_BEGIN}{name}{_END}"
