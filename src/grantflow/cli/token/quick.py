"""``grantflow token`` with a stored token that is valid: two files are read, and little is loaded.

It runs in front of other commands, thousands of times a day. Rules:

1. It prints what the full command would print, or leaves everything to the full command: a flag,
   a variable, a file mode or a member that it does not know, a token that may be about to expire.
2. It changes nothing and warns of nothing: that is left to the full command.
3. It decides nothing twice: the profile names the file of its token, ``formats`` prints, and
   ``shell.environment`` knows the folder. Of grantflow it loads those two, and not even ``typing``.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import time

from grantflow.cli.token import formats
from grantflow.shell.checksum import NAME, checksum
from grantflow.shell.environment import data_folder
from grantflow.shell.profiles import GRANTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeGuard

_SURELY_FRESH = 31
"""Seconds; the full command renews a token 30 seconds before it expires, or later."""

_READ = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
)
_POSIX = os.name == "posix"
_NAMES = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-:")
_WITH_VALUE = ("--format", "--min-ttl", "--host", "--kubernetes-version")
_SWITCHES = ("--no-input", "--id-token")


def printed(argv: Sequence[str], now: float | None = None) -> bool:
    """Print the token that ``argv`` asks for, if that is quickly done; return whether it was."""
    stdout = sys.stdout
    found = None if stdout is None else answer(argv, time.time() if now is None else now)
    if stdout is None or found is None:
        return False
    stdout.write("".join(f"{line}\n" for line in found))
    stdout.flush()
    return True


def answer(argv: Sequence[str], now: float) -> list[str] | None:
    """Return the lines that answer ``argv``, if they are quickly found; ``now`` is a Unix time."""
    if not argv or argv[0] != "token":
        return None
    # A token of the environment outranks every file, and --verbose tells more.
    if any(each.startswith(("GRANTFLOW_TOKEN", "GRANTFLOW_DEBUG")) for each in os.environ):
        return None
    asked = _options(argv[1:])
    if asked is None:
        return None
    words, flags = asked
    kind, least = flags.get("--format", "text"), flags.get("--min-ttl", "0")
    if kind not in formats.FORMATS or kind == "docker-credential":
        return None
    if not (least.isascii() and least.isdigit()) or len(least) > 9:
        return None
    is_git = kind == "git-credential"
    if is_git and (not words or words.pop() != "get"):
        return None
    only_id = "--id-token" in flags
    if len(words) > 1 or ("--host" in flags and not is_git) or (only_id and is_git):
        return None
    if "--kubernetes-version" in flags and kind != "kubernetes":
        return None
    try:
        folder = data_folder()
    except OSError:
        return None
    profile = _profile(folder, words, alone=is_git and "--host" not in flags)
    until = now + max(int(least), _SURELY_FRESH)
    token = None if profile is None else _token(folder, profile, until)
    if profile is None or token is None:
        return None
    if only_id and not _has_id(token, until):
        return None
    if is_git:
        return _for_git(folder, profile, token, flags.get("--host"))
    wish = formats.Wish("id_token" if only_id else "access_token")
    if kind == "kubernetes":
        named = flags.get("--kubernetes-version")
        usual = None if named is None else formats.version_of(named)
        if named is not None and usual is None:
            return None
        request = formats.exec_request(os.environ.get("KUBERNETES_EXEC_INFO"), usual)
        if isinstance(request, str) or (_type(token) == "dpop" and not only_id):
            return None
        wish.version = request[0]
    if kind in formats.HEADERS:
        wish.scheme = formats.scheme_in(profile)
        if formats.scheme_for(token, wish) is None:
            return None
    return formats.lines(kind, token, wish)


def _options(argv: Sequence[str]) -> tuple[list[str], dict[str, str]] | None:
    """Return the words and the flags with their values; one with a value at most once."""
    words: list[str] = []
    flags: dict[str, str] = {}
    rest = iter(argv)
    for each in rest:
        name, equals, value = each.partition("=")
        if name in _WITH_VALUE and name not in flags:
            flags[name] = value if equals else next(rest, "")
        elif each in _SWITCHES:
            flags[each] = ""
        elif each and each[0] != "-" and _NAMES.issuperset(each):
            words.append(each)
        else:
            return None
    return words, flags


def _document(path: str) -> dict[str, object] | None:
    """Return a JSON object from a file that is private to its owner."""
    try:
        descriptor = os.open(path, _READ)
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or (_POSIX and not _is_private(found)):
                return None
            members: object = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return None
    return members if isinstance(members, dict) and members.get("version") == 1 else None


def _is_private(found: os.stat_result) -> bool:
    return not found.st_mode & 0o077 and found.st_uid in (os.geteuid(), 0)


def _profile(folder: str, named: list[str], *, alone: bool) -> dict[str, object] | None:
    """Return a profile; ``alone``: without a name only if no other one may be meant."""
    file = _document(os.path.join(folder, "profiles.json")) or {}
    name = named[0] if named else file.get("default")
    profiles = file.get("profiles")
    if alone and not named and isinstance(profiles, dict) and len(profiles) > 1:
        return None
    found = profiles.get(name) if isinstance(profiles, dict) and isinstance(name, str) else None
    if not isinstance(found, dict) or not _is_flat(found) or found.get("store", "file") != "file":
        return None
    grant = found.get("grant")
    needed = () if grant == "given" else ("token_endpoint", "client_id")
    return found if grant in GRANTS and all(_is_text(found.get(each)) for each in needed) else None


def _token(folder: str, profile: dict[str, object], until: float) -> dict[str, object] | None:
    """Return the stored members of a token that is valid until then, if they are plain."""
    key = profile.get("token_key")
    if not isinstance(key, str) or not key or not _NAMES.issuperset(key):
        return None
    found = _document(os.path.join(folder, "tokens", f"{key}.json"))
    if found is None or not _is_flat(found):
        return None
    said = found.pop(NAME, None)
    if said is not None and said != checksum(found):
        return None
    needed = [found.get("access_token"), found.get("token_type", "Bearer")]
    others = [found[each] for each in ("refresh_token", "id_token") if each in found]
    scope = found.get("scope", ["-"])
    plain = all(_is_plain(each) for each in (*needed, *others)) and _are_words(scope)
    return found if plain and _is_valid(found.get("expires_at"), until) else None


def _has_id(token: dict[str, object], until: float) -> bool:
    """Return whether there is an ID token that is valid until then."""
    from grantflow.cli.token.claims import instant

    return (instant(token.get("id_token")) or 0) > until


def _is_valid(ends: object, until: float) -> bool:
    """Return whether a time, written as the full command writes it, is later than ``until``."""
    if ends is None:
        return True
    if not isinstance(ends, str) or not ends.endswith("+00:00"):
        return False
    from datetime import datetime

    try:
        found = datetime.fromisoformat(ends)
    except ValueError:
        return False
    return found.isoformat() == ends and found.timestamp() > until


def _is_flat(value: object, depth: int = 8) -> bool:
    """Return whether a JSON value is not deep; one that is may be refused by the full command."""
    if isinstance(value, (dict, list)):
        inner: Iterable[object] = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(_is_flat(each, depth - 1) for each in inner)
    return True


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip())


def _is_plain(value: object) -> bool:
    return _is_text(value) and value.isascii() and value.isprintable()


def _are_words(value: object) -> bool:
    rows: Iterable[object] = value if isinstance(value, list) else (None,)
    return all(isinstance(each, str) and each.split() == [each] for each in rows)


def _type(token: dict[str, object]) -> str:
    return str(token.get("token_type", "")).lower()


def _for_git(
    folder: str, profile: dict[str, object], token: dict[str, object], host: str | None
) -> list[str] | None:
    """Answer git's question (``token.git``), if it is about the one place of this profile."""
    if sys.stdin is None or sys.stdin.isatty():
        return None
    if os.path.lexists(os.path.join(folder, "rejected.json")):
        return None
    text = sys.stdin.read()
    question: dict[str, str] = {}
    for line in text.splitlines():
        if not line:
            break
        name, _, value = line.partition("=")
        question[name] = value
    may_be_bearer = "capability[]" in question and "basic" not in text.lower()
    protocol, asked = question.get("protocol", ""), question.get("host", "")
    origin = f"{protocol}://{asked}"
    is_plain = bool(asked) and _HOST.issuperset(asked) and not may_be_bearer
    if is_plain and (protocol == "https" or _is_here(protocol, asked)):
        issuer = profile.get("issuer")
        server = profile.get("token_endpoint", "") if issuer is None else issuer
        own = origin == server or str(server).startswith(f"{origin}/")
        if "origins" in profile:
            origins = profile["origins"]
            own = isinstance(origins, list) and origin in origins
        named = protocol == "https" and asked == host
        if own if host is None else named:
            user = question.get("username") or profile.get("git_user") or formats.USER
            return formats.lines("git-credential", token, formats.Wish(user=str(user)))
    from io import StringIO

    sys.stdin = StringIO(text)  # the full command reads the question again
    return None


def _is_here(protocol: str, host: str) -> bool:
    return protocol == "http" and host.partition(":")[0] in ("127.0.0.1", "localhost")
