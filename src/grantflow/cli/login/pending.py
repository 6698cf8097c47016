"""Sign-ins that were started and wait for another process to finish them, one for each profile.

Rules:

1. What is kept here fetches the token once the person has approved: it lies in a file of its
   owner's alone, and is removed when the sign-in has ended.
2. A file is rewritten after every answer, so whoever goes on with it is never too early.
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

from grantflow.cli.errors import CommandError, usage
from grantflow.cli.output import tell
from grantflow.cli.parser import nearest
from grantflow.cli.profiles import profiles
from grantflow.cli.profiles.profiles import Profile
from grantflow.cli.redact import quoted
from grantflow.core.values.json import Members, plain
from grantflow.core.values.parsing import moment_of, text_of
from grantflow.core.values.secret import Secret
from grantflow.shell.environment import home
from grantflow.shell.stores.private_file import NotAFileError, PrivateFile, explained

VERSION: Final = 1

# Not the bare name of the profile: Windows has names that no file may have.
_BEGIN: Final = "login-"
_END: Final = ".json"
_MISSING: Final = "something is missing in it"


@final
@frozen(kw_only=True)
class Start:
    """A sign-in that waits.

    ``run`` is what ``dump_run`` made, of no use after ``expires_at``; ``entropy`` is what some
    flows were made of. ``named`` says that somebody chose the name of the profile.
    """

    profile: Profile
    named: bool
    entropy: Secret
    started_at: datetime
    expires_at: datetime
    run: Mapping[str, object]


def write(start: Start) -> None:
    """Keep a sign-in, in the place of what its profile started before."""
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
        raise _none(name, [])
    try:
        document: object = json.loads(data)
        found = Members(document) if isinstance(document, dict) else None
    except (ValueError, RecursionError):
        found = None
    if found is None:
        raise damaged(name, "it is not JSON, or no object")
    if found.get("version") != VERSION:
        raise damaged(name, "another version of grantflow wrote it")
    told_of, run = found.get("profile"), found.get("run")
    entropy = text_of(found.get("entropy"))
    began, ends = moment_of(found.get("started_at")), moment_of(found.get("expires_at"))
    if not isinstance(told_of, Members) or not isinstance(run, Members):
        raise damaged(name, _MISSING)
    if entropy is None or began is None or ends is None:
        raise damaged(name, _MISSING)
    try:
        profile = profiles.profile_of(name, plain(told_of))
    except CommandError:
        raise damaged(name, "its profile is not usable") from None
    return Start(
        profile=profile,
        named=found.get("named") is True,
        entropy=Secret(entropy),
        started_at=began,
        expires_at=ends,
        run=run,
    )


def remove(name: str) -> None:
    """Forget the sign-in of a profile."""
    file = PrivateFile(_path(name))
    with file.locked():
        file.remove(with_lock=True)


def sweep(now: datetime) -> None:
    """Forget the sign-ins whose codes have ended; nobody can finish them."""
    for name in names():
        try:
            ended = read(name).expires_at <= now
        except CommandError:
            continue  # somebody may want to look at it
        if ended:
            remove(name)


def alive(now: datetime) -> list[Start]:
    """Return the sign-ins that can still be finished; what is wrong with the others is told."""
    found: list[Start] = []
    for name in names():
        try:
            found.append(read(name))
        except CommandError as error:
            tell(f"grantflow: {error}")
    return [each for each in found if now < each.expires_at]


def finishing(name: str) -> str:
    """Return the command line that finishes the sign-in of a profile."""
    return f"grantflow login --finish --profile {name}"


def drop(name: str) -> None:
    """Forget the sign-in of a profile, unless a process is about to finish it."""
    with held(name):
        remove(name)


def names() -> list[str]:
    """Return the profiles that have started a sign-in, in order."""
    with explained(f"cannot list {_folder()}"):
        try:
            files = os.listdir(_folder())
        except FileNotFoundError:
            return []
    found = [each for each in files if each.startswith(_BEGIN) and each.endswith(_END)]
    return sorted(each.removeprefix(_BEGIN).removesuffix(_END) for each in found)


def chosen(asked: str | None, now: datetime) -> str:
    """Return whose sign-in to finish: the one asked for, else the only one that waits."""
    known = names()
    if asked is not None:
        if asked not in known:
            raise _none(asked, known)
        return asked
    if not known:
        raise CommandError("no sign-in was started here; start one with grantflow login --start")
    alive = known if len(known) == 1 else [name for name in known if _is_alive(name, now)]
    if len(alive) != 1:
        raise usage(f"which sign-in? Add --profile with one of: {', '.join(alive or known)}")
    return alive[0]


@contextmanager
def held(name: str) -> Iterator[None]:
    """Keep every other process from finishing this sign-in; ``CommandError`` if one does."""
    path = _path(name)
    # Not the lock of the file: that is taken by whoever writes or removes it meanwhile.
    finishing = PrivateFile(path, lock_of=path.with_name(f"{path.name}.finishing"))
    with finishing.locked(wait=False) as alone:
        if not alone:
            raise CommandError(f"another process is finishing the sign-in of {name}")
        yield


def damaged(name: str, problem: str) -> CommandError:
    """Return the error of a sign-in that cannot be gone on with."""
    return CommandError(
        f"the started sign-in of {name} cannot be finished: {problem} ({_path(name)}); "
        "start again with grantflow login --start",
        word="damaged",
    )


def _is_alive(name: str, now: datetime) -> bool:
    try:
        return now < read(name).expires_at
    except CommandError:
        return False


def _none(name: str, known: list[str]) -> CommandError:
    rest = nearest(name, known, "start one with grantflow login --start")
    return usage(f"no sign-in of {quoted(name)} was started here{rest}")


def _folder() -> Path:
    return home() / "starts"


def _path(name: str) -> Path:
    return _folder() / f"{_BEGIN}{name}{_END}"
