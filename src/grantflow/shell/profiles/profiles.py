"""The file of the profiles.

Rules:

1. One file, ``profiles.json``, replaced whole under a lock; 0600 like the tokens beside it.
2. Members that this version does not know are kept, in the file and in each profile.
3. A damaged file is moved aside and reported; a damaged profile costs that profile only.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, final
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from grantflow.core.acquisition.resource import is_under
from grantflow.core.acquisition.unauthorized import token_origin
from grantflow.shell.environment import home
from grantflow.shell.profiles import profile as document
from grantflow.shell.profiles.errors import ProfileError, login_required, nearest, quoted, usage
from grantflow.shell.profiles.profile import Profile
from grantflow.shell.stores.private_file import PrivateFile

VERSION: Final = 1

DAMAGED: Final = "damaged"
"""The ``kind`` of the error that ``load`` raises after it moved a damaged file aside."""

UNKNOWN_ORIGIN: Final = "unknown_origin"
"""The ``kind`` of the error of ``for_url`` if no profile has a token for the URL."""

_FILE: Final = "profiles.json"
_LETTERS: Final = frozenset(string.ascii_letters + string.digits + "._-")
_LONGEST_NAME: Final = 100


@final
@frozen
class Profiles:
    """The whole file: documents as they were read, in the order of the sign-ins.

    ``chosen`` says that the default profile was chosen by ``grantflow default``.
    """

    default: str | None = None
    documents: Mapping[str, object] = field(factory=dict[str, object])
    rest: Mapping[str, object] = field(factory=dict[str, object])
    chosen: bool = False

    def name(self, asked: str | None, pending: Callable[[], Iterable[str]] = tuple) -> str:
        """Return the name if there is such a profile, without one the default profile's.

        ``pending`` are the profiles whose sign-in was started and is not finished.
        """
        if asked is None:
            return self._default()
        if asked in self.documents:
            return asked
        if asked in pending():
            raise login_required(
                f"the sign-in of {asked} was started and waits for approval",
                f"finish it with grantflow login --finish --profile {asked}",
            )
        advice = nearest(asked, self.documents, "grantflow list shows the profiles")
        raise ProfileError(
            f"no profile {quoted(asked)} in {home()}", advice, kind="unknown_profile"
        )

    def named(self, asked: str | None, pending: Callable[[], Iterable[str]] = tuple) -> Profile:
        """Return a profile, without a name the default one."""
        name = self.name(asked, pending)
        found = document.read(name, self.documents[name])
        if isinstance(found, Profile):
            return found
        raise ProfileError(
            f"profile {name!r} in {path()} is not usable: {found}",
            f"remove it with grantflow logout {name}, and sign in again",
        )

    def for_url(self, url: str) -> Profile:
        """Return the profile whose tokens may go to a URL; ``ProfileError`` if none or several.

        Among several it is the one whose resource (RFC 8707) the URL is under, most closely; else
        the default profile.
        """
        origin = token_origin(url)
        if origin is None:
            raise usage("an https URL is needed to find a profile (http is only for loopback)")
        found = [each for each in self.usable() if origin in each.destinations]
        closest = max((_closeness(each, url) for each in found), default=0)
        best = [each for each in found if _closeness(each, url) == closest]
        chosen = [each for each in best if each.name == self.default]
        if len(best) == 1 or chosen:
            return (chosen or best)[0]
        if not best:
            raise ProfileError(
                f"no profile has a token for {_place(origin)}",
                f"sign in with grantflow login {_place(origin)}, "
                f"or add --origin {_place(origin)} to a login",
                kind=UNKNOWN_ORIGIN,
            )
        names = ", ".join(each.name for each in best)
        raise usage(f"several profiles have a token for {_place(origin)}", f"name one of {names}")

    def usable(self) -> Iterator[Profile]:
        """Yield each profile that can be read."""
        for name in self.documents:
            with suppress(ProfileError):
                yield self.named(name)

    def with_(self, profile: Profile) -> Profiles:
        """Return the profiles after a sign-in: this one is the last.

        It is the default one as well, unless another one was chosen.
        """
        before = self.documents.get(profile.name)
        known = before if isinstance(before, dict) else {}
        unknown = {name: value for name, value in known.items() if name not in document.MEMBERS}
        others = {name: each for name, each in self.documents.items() if name != profile.name}
        made = {**others, profile.name: {**unknown, **profile.document()}}
        stays = self.chosen and self.default in others
        return evolve(self, default=self.default if stays else profile.name, documents=made)

    def without(self, name: str) -> Profiles:
        """Return the profiles without one; no other one becomes the default."""
        left = {each: document for each, document in self.documents.items() if each != name}
        if self.default != name:
            return evolve(self, documents=left)
        return evolve(self, default=None, chosen=False, documents=left)

    def name_for(self, profile: Profile) -> str:
        """Return a name for a new profile, numbered if it is taken.

        It is the provider's, else its server's host.
        """
        try:
            host = profile.provider or urlsplit(profile.url or profile.server or "").netloc
        except ValueError:  # reported when the address is used
            host = ""
        clean = "".join(each if each in _LETTERS else "-" for each in host).strip("-.")
        base = clean[: _LONGEST_NAME - 4] or "default"
        name, count = base, 1
        while name in self.documents and not self.is_same(name, profile):
            count += 1
            name = f"{base}-{count}"
        return name

    def is_same(self, name: str, profile: Profile) -> bool:
        """Return whether a profile is one of the same client at the same server."""
        try:
            return _identity(self.named(name)) == _identity(profile)
        except ProfileError:
            return False

    def _default(self) -> str:
        if self.default is not None and self.default in self.documents:
            return self.default
        if self.documents:
            raise usage(
                "there is no default profile",
                f"pass one of {', '.join(self.documents)}, or set it with grantflow default NAME",
            )
        raise nobody()


def _closeness(profile: Profile, url: str) -> int:
    """Return how much of a URL the resource of a profile covers, in characters."""
    covering = [each for each in profile.resource if is_under(url, each)]
    return max((len(each) for each in covering), default=0)


def _place(origin: str) -> str:
    return origin.removesuffix(":443" if origin.startswith("https:") else ":80")


def nobody() -> ProfileError:
    """Return the error of whatever needs a profile if there is none."""
    return ProfileError(
        f"no profiles in {home()}",
        "sign in with grantflow login --issuer URL --client-id ID",
        kind="no_profiles",
    )


def _identity(profile: Profile) -> tuple[object, ...]:
    """Return what makes two sign-ins the same; a wider scope is not another profile."""
    return (
        profile.server,
        profile.registration or profile.client_id,
        profile.grant,
        profile.audience,
        sorted(profile.resource),
    )


def checked_name(name: str) -> str:
    """Return a profile's name, if it is one."""
    if not name or len(name) > _LONGEST_NAME or not set(name) <= _LETTERS or name[0] == "-":
        raise usage(
            "a profile's name is made of letters, digits and . _ - and does not begin with -, "
            f"unlike {quoted(name)}"
        )
    return name


def path() -> Path:
    """Return where the file is."""
    return home() / _FILE


def load() -> Profiles:
    """Return the profiles; a damaged file is moved aside, and ends the command."""
    try:
        return _read()
    except ValueError:
        pass
    file = PrivateFile(path())
    with file.locked():
        try:
            return _read()  # another process may have been quicker
        except ValueError as damage:
            aside = file.move_aside(None)
            raise ProfileError(
                f"{path()} was damaged ({damage}) and is now {aside.name}",
                "repair it there, or sign in again with grantflow login",
                kind=DAMAGED,
            ) from damage


def add(profile: Profile) -> Profiles:
    """Remember a sign-in in the file; return the profiles."""
    return _change(lambda found: found.with_(profile))


def choose(name: str) -> None:
    """Set the default profile in the file."""
    _change(lambda found: evolve(found, default=found.name(name), chosen=True))


def remove(name: str) -> None:
    """Drop a profile from the file."""
    _change(lambda found: found.without(name))


def _change(edit: Callable[[Profiles], Profiles]) -> Profiles:
    """Replace the file by what ``edit`` makes of it, under its lock."""
    file = PrivateFile(path())
    with file.locked():
        try:
            found = _read()
        except ValueError:
            raise ProfileError(f"{path()} was damaged meanwhile", "try again") from None
        changed = edit(found)
        members = {
            **changed.rest,
            "version": VERSION,
            "default": changed.default,
            **({"default_chosen": True} if changed.chosen else {}),
            "profiles": dict(changed.documents),
        }
        file.write(json.dumps(members, indent=1).encode())
    return changed


def default_name() -> str | None:
    """Return the default profile's name, ``None`` if the file does not say."""
    try:
        return _read().default
    except (OSError, ValueError, ProfileError):
        return None


def _read() -> Profiles:
    """Return what the file says; ``ValueError`` if it is damaged."""
    text = PrivateFile(path()).read()
    return Profiles() if text is None else parsed(text)


_OWN: Final = ("version", "default", "default_chosen", "profiles")


def parsed(text: bytes) -> Profiles:
    """Return what the text of the file says; ``ValueError`` if it is damaged."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    version, default, chosen, documents = (found.get(name) for name in _OWN)
    if isinstance(version, int) and version > VERSION:
        raise ProfileError(f"{path()} was written by a newer grantflow", "update this one")
    if version != VERSION or not isinstance(documents, dict):
        raise ValueError("it has no profiles")
    rest = {name: value for name, value in found.items() if name not in _OWN}
    return Profiles(
        default if isinstance(default, str) else None, documents, rest, chosen=chosen is True
    )
