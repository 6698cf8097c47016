"""``grantflow token [PROFILE]`` with a token that lives: two files are read, and little is loaded.

It runs in front of other commands, thousands of times a day. Rules:

1. It prints what the full command would print, or leaves everything to the full command: a flag,
   a variable, a mode, a member or a character that it does not know, a token that may be stale.
2. It changes nothing, and warns of nothing: what needs that is left to the full command.
3. It loads ``json`` and ``hashlib``, and of grantflow nothing; not even ``typing``.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypeGuard

_SURELY_FRESH = 31
"""Seconds; the full command counts a token as stale 30 seconds before its end, or later."""

_READ = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
)
_POSIX = os.name == "posix"
_DEEPEST = 8
# Not dpop: where a bound token is stored takes the thumbprint of its key.
_MEMBERS = frozenset(
    {
        "grant",
        "provider",
        "provider_file",
        "values",
        "spelling",
        "issuer",
        "token_endpoint",
        "device_authorization_endpoint",
        "revocation_endpoint",
        "client_id",
        "client_auth",
        "client_secret_file",
        "client_key_file",
        "client_assertion_file",
        "scope",
        "registration",
        "signed_in_at",
        "audience",
        "resource",
        "param",
    }
)
_NAMES = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-:")
_PATH = _NAMES | frozenset("/~")


def now() -> float:
    """Return the wall time in seconds since 1970; the tests put their own here."""
    return time.time()


def printed(argv: Sequence[str]) -> bool:
    """Print the token that ``argv`` asks for, if that is quickly done; tell whether it was."""
    token = found(argv)
    if token is None or sys.stdout is None:
        return False
    print(token, flush=True)
    return True


def found(argv: Sequence[str]) -> str | None:
    """Return the access token that ``argv`` asks for, if it is quickly found."""
    if not argv or argv[0] != "token":
        return None
    named = [each for each in argv[1:] if each != "--no-input"]
    # A token of the environment outranks every file.
    if any(each.startswith("GRANTFLOW_TOKEN") for each in os.environ):
        return None
    home = _home()
    if home is None or len(named) > 1 or not all(_is_name(each) for each in named):
        return None
    profile = _profile(os.path.join(home, "profiles.json"), named)
    key = None if profile is None else _key(*profile)
    if key is None:
        return None
    return _token(os.path.join(home, "tokens", f"{key}.json"))


def _is_name(text: str) -> bool:
    return bool(text) and text[0] != "-" and _NAMES.issuperset(text)


def _home() -> str | None:
    named = os.environ.get("GRANTFLOW_HOME")
    if named:
        return None if named.startswith("~") else named
    if sys.platform != "linux" or "ANDROID_DATA" in os.environ:
        from grantflow.shell.environment import home

        return str(home())
    data = os.environ.get("XDG_DATA_HOME", "").strip()
    if not data:
        user = os.environ.get("HOME", "")
        data = os.path.join(user, ".local", "share") if user.startswith("/") else ""
    return os.path.join(data, "grantflow") if data.startswith("/") else None


def _document(path: str) -> dict[str, object] | None:
    """Return a JSON object of a file that is its owner's alone."""
    try:
        descriptor = os.open(path, _READ)
        with open(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode) or (_POSIX and mode & 0o077):
                return None
            members: object = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return None
    return members if isinstance(members, dict) and members.get("version") == 1 else None


def _profile(path: str, named: list[str]) -> tuple[str, dict[str, object]] | None:
    file = _document(path) or {}
    name = named[0] if named else file.get("default")
    profiles = file.get("profiles")
    if not isinstance(name, str) or not isinstance(profiles, dict) or not _is_name(name):
        return None
    found = profiles.get(name)
    # What another version remembers may say where the token is, as everything here does.
    return (name, found) if isinstance(found, dict) and _MEMBERS.issuperset(found) else None


def _key(name: str, profile: Mapping[str, object]) -> str | None:
    """Return the name under which the profile's token is stored (``core.tokens.key_of``)."""
    grant = profile.get("grant")
    if not _is_plain(profile):
        return None
    if grant == "given":
        return f"given-{_hash(name)}"
    issuer, token_endpoint = profile.get("issuer"), profile.get("token_endpoint")
    client_id, audience = profile.get("client_id"), profile.get("audience")
    scope, resource = profile.get("scope", []), profile.get("resource", [])
    param = profile.get("param", [])
    ends = [
        profile[each]
        for each in ("device_authorization_endpoint", "revocation_endpoint")
        if each in profile
    ]
    if (
        not (grant == "device" or grant == "client_credentials")
        or not (issuer is None or _is_text(issuer))
        or not (audience is None or _is_text(audience))
        or not _is_text(client_id)
        or not _is_endpoint(token_endpoint)
        or not all(_is_endpoint(each) for each in ends)
        or not _are_texts(scope)
        or not _are_texts(resource)
        or any(word.split() != [word] for word in scope)
        or not _are_pairs(param)
        or any(":" in each for each, _ in param)
    ):
        return None
    parts = [
        ("at", issuer or token_endpoint),
        ("client", client_id),
        ("grant", grant),
        ("profile", name),
        *(("scope", word) for word in sorted(set(scope))),
        ("audience", "" if audience is None else f"={audience}"),
        *(("resource", each) for each in sorted(set(resource))),
        *sorted((f"extra {each}", value) for each, value in param),
    ]
    told = "".join(f"{len(text)}:{text}" for pair in parts for text in pair)
    try:
        return _hash(told)
    except UnicodeEncodeError:  # half a character
        return None


def _hash(text: str) -> str:
    from hashlib import sha256

    return sha256(text.encode()).hexdigest()


def _token(path: str) -> str | None:
    file = _document(path)
    if file is None or not _is_plain(file):
        return None
    token, ends = file.get("access_token"), file.get("expires_at")
    others = [file[each] for each in ("refresh_token", "id_token") if each in file]
    if not _is_sendable(token) or not all(_is_sendable(each) for each in others):
        return None
    return token if ends is None or _is_far(ends) else None


def _is_far(ends: object) -> bool:
    """Tell whether a time, spelt as the full command spells it, is far enough away."""
    if not isinstance(ends, str) or not ends.endswith("+00:00"):
        return False
    from datetime import datetime

    try:
        found = datetime.fromisoformat(ends)
    except ValueError:
        return False
    return found.timestamp() - now() > _SURELY_FRESH


def _is_plain(value: object, depth: int = _DEEPEST) -> bool:
    """Tell whether a JSON value is not deep; what is, is read more carefully elsewhere."""
    if isinstance(value, (dict, list)):
        inner: Iterable[object] = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(_is_plain(each, depth - 1) for each in inner)
    return True


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip())


def _is_sendable(value: object) -> TypeGuard[str]:
    return _is_text(value) and value.isascii() and value.isprintable()


def _are_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _are_pairs(value: object) -> TypeGuard[list[list[str]]]:
    return isinstance(value, list) and all(_are_texts(each) and len(each) == 2 for each in value)


def _is_endpoint(value: object) -> TypeGuard[str]:
    """Tell whether a URL is as plain as most: https, a name, perhaps a port, a path."""
    if not isinstance(value, str) or not value.startswith("https://"):
        return False
    host, _, path = value[len("https://") :].partition("/")
    name, colon, port = host.partition(":")
    usable_port = not colon or (port.isdigit() and int(port) <= 65535)
    return bool(name) and usable_port and _HOST.issuperset(host) and _PATH.issuperset(path)
