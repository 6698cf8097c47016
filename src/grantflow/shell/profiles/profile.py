"""One profile: what a sign-in remembers, and its JSON document.

It holds everything that renewing and revoking need, and never a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias, final

from attrs import asdict, field, fields, frozen

from grantflow.core.acquisition.unauthorized import token_origin
from grantflow.core.values.json import Json, Members, plain
from grantflow.core.values.parsing import text_of, words
from grantflow.shell.profiles import GRANTS

Grant: TypeAlias = Literal["device", "client_credentials", "given"]
"""How the token was acquired: by a grant, or by hand (``--token-stdin``)."""

Pairs: TypeAlias = tuple[tuple[str, str], ...]


@final
@frozen(kw_only=True)
class Profile:
    """One sign-in as it is remembered."""

    name: str = ""
    grant: Grant = "device"
    url: str | None = None
    """The resource that the sign-in began at (RFC 9728)."""
    provider: str | None = None
    """The provider that was named; with the next two, only for naming it again."""
    provider_file: str | None = None
    values: Pairs = ()
    """What ``--set`` said."""
    spelling: Members = field(factory=Members)
    """The rest of the provider besides the endpoints here: a versioned document
    (``grantflow.providers.document_of``), read only before a request."""
    issuer: str | None = None
    token_endpoint: str | None = None
    device_authorization_endpoint: str | None = None
    revocation_endpoint: str | None = None
    client_id: str | None = None
    client_auth: str = "none"
    client_secret_file: str | None = None
    client_secret_command: str | None = None
    client_key_file: str | None = None
    client_key_id: str | None = None
    client_key_alg: str | None = None
    client_assertion_file: str | None = None
    client_assertion_audience: str | None = None
    scope: tuple[str, ...] = ()
    audience: str | None = None
    resource: tuple[str, ...] = ()
    param: Pairs = ()
    origins: tuple[str, ...] = ()
    """Where its tokens may go (``--origin``); none: to its own server only."""
    git_user: str | None = None
    """The user name that its provider's git server wants beside a token."""
    registration: str | None = None
    """The store key of the client that was registered for it (RFC 7591)."""
    dpop: Members = field(factory=Members)
    """The public key that its tokens are bound to (RFC 9449)."""
    dpop_key_file: str | None = None
    """The name of the file with the private key."""
    store: str = "file"
    token_key: str | None = None
    """The key of its token in the store, and so the name of its file."""
    signed_in_at: str | None = None
    """When it was last signed in (ISO 8601); a renewal does not count."""

    @property
    def server(self) -> str | None:
        """Return where this profile signs in: its issuer, else its token endpoint."""
        return self.issuer or self.token_endpoint

    @property
    def place(self) -> str | None:
        """Return the provider's name, else where it is."""
        return self.provider or self.server

    @property
    def destinations(self) -> frozenset[str]:
        """Return the origins that its tokens may go to: those remembered, else its own server."""
        named = self.origins or ((self.server,) if self.server else ())
        found = (token_origin(each) for each in named)
        return frozenset(each for each in found if each is not None)

    @property
    def only_renews(self) -> bool:
        """Return whether there is nowhere to ask a person, so a refresh token began it."""
        asks = self.device_authorization_endpoint or self.spelling.get("flow")
        return self.grant == "device" and self.token_endpoint is not None and not asks

    @property
    def proof_file(self) -> str | None:
        """Return the file with which its client authenticates, if it has one."""
        named = (self.client_secret_file, self.client_key_file, self.client_assertion_file)
        return next((each for each in named if each is not None), None)

    def document(self) -> dict[str, object]:
        """Return the JSON members; what is at its default is left out."""
        members: dict[str, object] = asdict(self, recurse=False)
        return {
            name: plain(value) if isinstance(value, Members) else value
            for name, value in members.items()
            if name != "name" and value != _DEFAULTS[name]
        } | {"grant": self.grant}


def _members(value: Json) -> Members:
    return value if isinstance(value, Members) else Members()


def _pairs(value: Json) -> Pairs:
    rows = value if isinstance(value, tuple) else ()
    pairs = [words(row) or () for row in rows if isinstance(row, tuple)]
    return tuple((pair[0], pair[1]) for pair in pairs if len(pair) == 2)


_READERS: Final[Mapping[str, Callable[[Json], object]]] = {
    "str": text_of,
    "str | None": text_of,
    "tuple[str, ...]": lambda value: words(value) or (),
    "Pairs": _pairs,
    "Members": _members,
}
"""How a field is read, by its type."""

_DEFAULTS: Final[Mapping[str, object]] = asdict(Profile(), recurse=False)
MEMBERS: Final = frozenset(_DEFAULTS)


def read(name: str, document: object) -> Profile | str:
    """Read what ``Profile.document`` wrote; text says why the profile is not usable."""
    try:
        found = Members(document if isinstance(document, dict) else {})
    except ValueError:
        found = Members()
    grant = found.get("grant")
    if grant not in GRANTS:
        return "its grant is not known"
    for needed in ("token_endpoint", "client_id"):
        if grant != "given" and text_of(found.get(needed)) is None:
            return f"{needed} is missing"
    readers = {each.name: _READERS.get(str(each.type)) for each in fields(Profile)}
    values = {
        field: value
        for field, reader in readers.items()
        if reader is not None and field in found and (value := reader(found[field])) is not None
    }
    return Profile(**{**values, "name": name, "grant": grant})  # type: ignore[arg-type]
