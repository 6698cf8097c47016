"""The folders and files: are they what they should be, and their owner's alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from shlex import quote
from typing import Final, Literal, final

from attrs import evolve, frozen

from grantflow.cli.doctor.finding import Finding, counted
from grantflow.shell.stores.private_file import TEMPORARY
from grantflow.shell.stores.token_document import read_document

_OTHERS: Final = 0o077
_WRITE: Final = 0o022
_POSIX: Final = os.name == "posix"
_OPEN: Final = frozenset({"providers.toml"})
"""Written by the user, and no secret: others may read it, but not change where secrets go."""


@final
@frozen(kw_only=True)
class Place:
    """What lies at a path. ``mode`` has the permissions, where the system knows such."""

    path: Path
    kind: Literal["nothing", "folder", "file", "other"]
    mode: int = 0
    mine: bool = True
    writable: bool = True
    trouble: str = ""
    damage: str = ""


def folder_at(path: Path) -> Place:
    """Look at a folder; a link to one counts as one."""
    return _seen(path, path.stat)


def file_at(path: Path) -> Place:
    """Look at a file; a link is none."""
    return _seen(path, path.lstat)


def token_at(path: Path) -> Place:
    """Look at a file that should hold a token, and into it."""
    place = file_at(path)
    if place.kind != "file" or place.trouble:
        return place
    try:
        read_document(path.read_bytes())
    except OSError as error:
        return evolve(place, trouble=_words(error))
    except ValueError as error:
        return evolve(place, damage=str(error))
    return place


def inside(folder: Path) -> list[Path]:
    """Return what lies in a folder, locks aside, in order; nothing where it cannot be listed."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:  # the folder's own finding says so
        return []
    return [folder / name for name in names if not name.endswith(".lock")]


def _seen(path: Path, look: Callable[[], os.stat_result]) -> Place:
    try:
        found = look()
    except FileNotFoundError:
        return Place(path=path, kind="nothing")
    except OSError as error:
        return Place(path=path, kind="other", trouble=_words(error))
    return Place(
        path=path,
        kind=_kind(found.st_mode),
        mode=stat.S_IMODE(found.st_mode) if _POSIX else 0,
        mine=not _POSIX or found.st_uid == os.geteuid(),
        writable=os.access(path, os.W_OK),
    )


def _kind(mode: int) -> Literal["folder", "file", "other"]:
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "other"


def _words(error: OSError) -> str:
    return error.strerror or str(error)


_ELSEWHERE: Final = "or set GRANTFLOW_HOME to another folder"


def folder_judged(place: Place) -> Finding:
    """Judge a folder that should be private."""
    path = place.path
    match place:
        case Place(trouble=trouble) if trouble:
            return Finding("folder", "problem", f"{path}: {trouble}", f"repair it, {_ELSEWHERE}")
        case Place(kind="nothing"):
            return Finding("folder", "ok", f"{path} is made by the first sign-in")
        case Place(kind="file" | "other"):
            return Finding("folder", "problem", f"{path} is no folder", f"remove it, {_ELSEWHERE}")
        case Place(mine=False):
            advice = f"make it yours with chown, {_ELSEWHERE}"
            return Finding("folder", "problem", f"{path} belongs to somebody else", advice)
        case Place(mode=mode) if mode & _OTHERS:
            said = f"others may look into {path} (mode {mode:04o})"
            return Finding("folder", "problem", said, f"chmod 700 {quote(str(path))}")
        case Place(writable=False):
            advice = f"chmod 700 {quote(str(path))}, {_ELSEWHERE}"
            return Finding("folder", "problem", f"nothing can be written into {path}", advice)
        case _:
            return Finding("folder", "ok", f"{path} is its owner's alone")


def file_judged(place: Place) -> Finding | None:
    """Judge a file that should be private; nothing is said of one that is as it should be."""
    path = place.path
    named = quote(str(path))
    match place:
        case Place(kind="nothing"):
            return None
        case Place(trouble=trouble) if trouble:
            advice = f"make it readable for you alone: chmod 600 {named}"
            return Finding("file", "problem", f"{path}: {trouble}", advice)
        case Place(kind="folder" | "other"):
            said = f"{path} is no file (a link is not followed)"
            return Finding("file", "problem", said, "put the file itself there, or remove it")
        case Place(mine=False):
            said = f"{path} belongs to somebody else"
            return Finding("file", "problem", said, "remove it, and sign in again")
        case Place(mode=mode) if path.name in _OPEN:
            if not mode & _WRITE:
                return None
            said = f"others may change {path} (mode {mode:04o})"
            return Finding("file", "problem", said, f"look through it, then chmod 600 {named}")
        case Place(mode=mode) if mode & _OTHERS:
            said = f"others may read {path} (mode {mode:04o})"
            advice = f"chmod 600 {named}; if somebody may have read it, log out and sign in again"
            return Finding("file", "problem", said, advice)
        case Place(damage=damage) if damage:
            advice = "it is moved aside at its next use; then sign in again"
            return Finding("file", "problem", f"{path}: {damage}", advice)
        case _:
            return _left_over(path)


def _left_over(path: Path) -> Finding | None:
    if ".damaged-" in path.name:
        said = f"{path} was damaged, and is kept aside"
        return Finding("file", "note", said, "look into it if you miss something, else remove it")
    if path.name.endswith(TEMPORARY):
        return Finding("file", "note", f"{path} was left by a crash; the next sign-in removes it")
    return None


def findings(home: Path) -> Iterator[Finding]:
    """Look at all folders and files under ``home``."""
    tokens = home / "tokens"
    folders = [home, *sorted({tokens, *(path for path in inside(home) if path.is_dir())})]
    yield from (folder_judged(folder_at(folder)) for folder in folders)
    paths = [path for folder in folders for path in inside(folder) if path not in folders]
    places = [
        token_at(path) if path.parent == tokens and path.suffix == ".json" else file_at(path)
        for path in paths
    ]
    found = [finding for finding in map(file_judged, places) if finding is not None]
    yield from found
    if not any(each.level == "problem" for each in found):
        said = f"{counted(len(places), 'file')}, each its owner's alone and readable"
        yield Finding("file", "ok", said)
