"""What is remembered of each sign-in: all that renewing and revoking need, and never a secret.

Rules:

1. One file, ``profiles.json``, replaced whole under a lock; 0600 like the tokens beside it.
2. Members that this version does not know are kept, in the file and in each profile.
3. A damaged file is moved aside and reported; a damaged profile costs that profile only.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias, final
from urllib.parse import urlsplit

from attrs import asdict, evolve, field, fields, frozen

from grantflow.cli.errors import FAILED, PERSON_NEEDED, CommandError, usage
from grantflow.cli.parser import nearest
from grantflow.cli.redact import quoted
from grantflow.core.values.json import Json, Members, plain
from grantflow.core.values.parsing import text_of, words
from grantflow.shell.environment import home
from grantflow.shell.stores.private_file import PrivateFile

VERSION: Final = 1

Grant: TypeAlias = Literal["device", "client_credentials", "given"]
"""How the token came: the two grants, or by hand (``--token-stdin``)."""

DAMAGED: Final = "damaged"
"""The ``word`` of the error that ``load`` raises after it moved a damaged file aside."""

_FILE: Final = "profiles.json"
_LETTERS: Final = frozenset(string.ascii_letters + string.digits + "._-")
_LONGEST_NAME: Final = 100


@final
@frozen(kw_only=True)
class Profile:
    """One sign-in as it is remembered.

    ``param`` are the further parameters of ``--param``. ``provider`` was named, with ``values``
    for its gaps, and perhaps found in ``provider_file``; all three are only for saying so again.
    ``spelling`` is the rest of what the provider is, besides the endpoints here: a versioned
    document (``grantflow.providers.document_of``), read only where something is to be sent.
    ``registration`` is where the client is stored that was registered for it (``registering``).
    ``dpop`` is the public key that its tokens are bound to, ``dpop_key_file`` the name of the file
    with the private one (``proofs``). ``token_key`` is the key of its token in the store, and so
    the name of its file. ``signed_in_at`` is when a person, or a secret, last did (ISO 8601); a
    renewal does not count.
    """

    name: str = ""
    grant: Grant = "device"
    provider: str | None = None
    provider_file: str | None = None
    values: tuple[tuple[str, str], ...] = ()
    spelling: Members = field(factory=Members)
    issuer: str | None = None
    token_endpoint: str | None = None
    device_authorization_endpoint: str | None = None
    revocation_endpoint: str | None = None
    client_id: str | None = None
    client_auth: str = "none"
    client_secret_file: str | None = None
    client_key_file: str | None = None
    client_assertion_file: str | None = None
    scope: tuple[str, ...] = ()
    audience: str | None = None
    resource: tuple[str, ...] = ()
    param: tuple[tuple[str, str], ...] = ()
    registration: str | None = None
    dpop: Members = field(factory=Members)
    dpop_key_file: str | None = None
    token_key: str | None = None
    signed_in_at: str | None = None

    @property
    def server(self) -> str | None:
        """Return where this profile signs in, in the words of whoever made it."""
        return self.issuer or self.token_endpoint

    @property
    def place(self) -> str | None:
        """Return what a person calls it: the provider's name, else where it is."""
        return self.provider or self.server

    def document(self) -> dict[str, object]:
        """Return the JSON members; what is not set is left out."""
        members: dict[str, object] = asdict(self, recurse=False)
        return {
            name: plain(value) if isinstance(value, Members) else value
            for name, value in members.items()
            if name != "name" and value is not None and value not in ((), Members())
        }


_MEMBERS: Final = frozenset(each.name for each in fields(Profile))


@final
@frozen
class Profiles:
    """The whole file: documents as they were read, in the order of the sign-ins."""

    default: str | None = None
    documents: Mapping[str, object] = field(factory=dict[str, object])
    rest: Mapping[str, object] = field(factory=dict[str, object])

    def chosen(self, name: str | None) -> str:
        """Return the name itself if there is such a profile, the default one without a name."""
        if name is None:
            return self._default()
        if name not in self.documents:
            _check_started(name)
            rest = nearest(name, self.documents, "grantflow list shows what there is")
            raise usage(f"unknown profile {quoted(name)}{rest}")
        return name

    def named(self, name: str | None) -> Profile:
        """Return one profile, the default one without a name."""
        found = self.chosen(name)
        return profile_of(found, self.documents[found])

    def with_(self, profile: Profile) -> Profiles:
        """Return the profiles after a sign-in: this one is the last, and the default."""
        before = self.documents.get(profile.name)
        known = before if isinstance(before, dict) else {}
        unknown = {name: value for name, value in known.items() if name not in _MEMBERS}
        others = {name: each for name, each in self.documents.items() if name != profile.name}
        made = {**others, profile.name: {**unknown, **profile.document()}}
        return evolve(self, default=profile.name, documents=made)

    def without(self, name: str) -> Profiles:
        """Return the profiles without one; no other one becomes the default unasked."""
        left = {each: document for each, document in self.documents.items() if each != name}
        return evolve(self, default=None if self.default == name else self.default, documents=left)

    def name_for(self, profile: Profile) -> str:
        """Return a name for a new profile, numbered where it is taken.

        It is the provider's, else its server's host.
        """
        try:
            host = profile.provider or urlsplit(profile.server or "").netloc
        except ValueError:  # whoever uses the address complains about it
            host = ""
        clean = "".join(each if each in _LETTERS else "-" for each in host).strip("-.")
        base = clean[: _LONGEST_NAME - 4] or "default"
        name, count = base, 1
        while name in self.documents and not self._same(name, profile):
            count += 1
            name = f"{base}-{count}"
        return name

    def _same(self, name: str, profile: Profile) -> bool:
        try:
            return _ask(self.named(name)) == _ask(profile)
        except CommandError:
            return False

    def _default(self) -> str:
        if self.default is not None and self.default in self.documents:
            return self.default
        if self.documents:
            raise usage(
                f"which profile? Name one of: {', '.join(self.documents)}; "
                "grantflow default NAME chooses one for good"
            )
        raise nobody()


def _check_started(name: str) -> None:
    """Say what is missing where there is no profile yet, but a sign-in that will make one."""
    from grantflow.cli.login import pending as starts

    if name in starts.names():
        raise CommandError(
            f"the sign-in of {name} was started and waits for a person; "
            f"go on with {starts.finishing(name)}",
            PERSON_NEEDED,
            word="login_required",
        )


def nobody(code: int = FAILED) -> CommandError:
    """Return the error of a command that needs a profile where there is none."""
    return CommandError(
        "nobody has signed in here yet; sign in with grantflow login --issuer URL --client-id ID",
        code,
        word="login_required",
    )


def _ask(profile: Profile) -> tuple[object, ...]:
    """Return what makes two sign-ins the same; a wider scope is no other profile."""
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
            f"a profile's name is made of letters, digits and . _ - and does not begin with -, "
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
            raise CommandError(
                f"{path()} was damaged ({damage}) and is now {aside.name}; "
                "repair it there, or sign in again with grantflow login",
                word=DAMAGED,
            ) from damage


def add(profile: Profile) -> None:
    """Remember a sign-in in the file."""
    _change(lambda found: found.with_(profile))


def choose(name: str) -> None:
    """Make a profile the default one, in the file."""
    _change(lambda found: evolve(found, default=found.chosen(name)))


def remove(name: str) -> None:
    """Drop a profile from the file."""
    _change(lambda found: found.without(name))


def _change(edit: Callable[[Profiles], Profiles]) -> None:
    """Replace the file by what ``edit`` makes of it, under its lock."""
    file = PrivateFile(path())
    with file.locked():
        try:
            found = _read()
        except ValueError:
            raise CommandError(f"{path()} was damaged meanwhile; try again") from None
        changed = edit(found)
        document = {
            **changed.rest,
            "version": VERSION,
            "default": changed.default,
            "profiles": dict(changed.documents),
        }
        file.write(json.dumps(document, indent=1).encode())


def default_name() -> str | None:
    """Return the default profile's name, and nothing where the file does not tell."""
    try:
        return _read().default
    except (OSError, ValueError, CommandError):
        return None


def _read() -> Profiles:
    """Return what the file says; ``ValueError`` where it is damaged."""
    text = PrivateFile(path()).read()
    return Profiles() if text is None else parsed(text)


def parsed(text: bytes) -> Profiles:
    """Return what the text of the file says; ``ValueError`` where it is damaged."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("it holds no JSON object")
    version, default, documents = (found.get(n) for n in ("version", "default", "profiles"))
    if isinstance(version, int) and version > VERSION:
        raise CommandError(f"{path()} was written by a newer grantflow; update this one")
    if version != VERSION or not isinstance(documents, dict):
        raise ValueError("it holds no profiles")
    rest = {n: value for n, value in found.items() if n not in ("version", "default", "profiles")}
    return Profiles(default if isinstance(default, str) else None, documents, rest)


_NEEDED: Final = ("token_endpoint", "client_id")


def profile_of(name: str, document: object) -> Profile:
    """Return a profile as it was written; ``CommandError`` where it is not usable."""
    try:
        found = Members(document if isinstance(document, dict) else {})
    except ValueError:
        found = Members()
    grant = _grant(found)
    missing = [each for each in _NEEDED if text_of(found.get(each)) is None]
    if grant is None or (missing and grant != "given"):
        problem = f"{missing[0]} is missing" if missing else "its grant is not known"
        raise CommandError(
            f"profile {name!r} in {path()} is not usable: {problem}; "
            f"remove it with grantflow logout {name}, and sign in again"
        )
    return Profile(
        name=name,
        grant=grant,
        provider=text_of(found.get("provider")),
        provider_file=text_of(found.get("provider_file")),
        values=_pairs(found.get("values")),
        spelling=_members(found.get("spelling")),
        issuer=text_of(found.get("issuer")),
        token_endpoint=text_of(found.get("token_endpoint")),
        device_authorization_endpoint=text_of(found.get("device_authorization_endpoint")),
        revocation_endpoint=text_of(found.get("revocation_endpoint")),
        client_id=text_of(found.get("client_id")),
        client_auth=text_of(found.get("client_auth")) or "none",
        client_secret_file=text_of(found.get("client_secret_file")),
        client_key_file=text_of(found.get("client_key_file")),
        client_assertion_file=text_of(found.get("client_assertion_file")),
        scope=words(found.get("scope")) or (),
        audience=text_of(found.get("audience")),
        resource=words(found.get("resource")) or (),
        param=_pairs(found.get("param")),
        registration=text_of(found.get("registration")),
        dpop=_members(found.get("dpop")),
        dpop_key_file=text_of(found.get("dpop_key_file")),
        token_key=text_of(found.get("token_key")),
        signed_in_at=text_of(found.get("signed_in_at")),
    )


def _grant(found: Members) -> Grant | None:
    match found.get("grant"):
        case "device" | "client_credentials" | "given" as grant:
            return grant
        case _:
            return None


def _members(value: Json) -> Members:
    return value if isinstance(value, Members) else Members()


def _pairs(value: Json) -> tuple[tuple[str, str], ...]:
    rows = value if isinstance(value, tuple) else ()
    pairs = [words(row) or () for row in rows if isinstance(row, tuple)]
    return tuple((pair[0], pair[1]) for pair in pairs if len(pair) == 2)
