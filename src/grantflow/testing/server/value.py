"""The server as a value, and what it remembers of sign-ins, grants and tokens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal, TypeAlias, final
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from grantflow.core.client.provider import Provider
from grantflow.core.flows.device import GRANT_TYPE
from grantflow.core.values.secret import Secret
from grantflow.testing.clock import EPOCH
from grantflow.testing.script import Credential, Script
from grantflow.testing.server.book import Book

Verdict: TypeAlias = Literal["approved", "denied"]
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@final
@frozen(kw_only=True)
class SignIn:
    """A device code that was issued, and what became of it."""

    device_code: Secret
    user_code: str
    client_id: str
    scope: str
    issued_at: timedelta
    ends_at: timedelta
    interval: timedelta
    asked_at: timedelta
    slowed: int = 0
    verdict: Verdict | None = None
    person: str | None = None
    used: bool = False


@final
@frozen(kw_only=True)
class Grant:
    """What was granted once, for as long as its refresh tokens are valid.

    ``thumbprint`` is that of the key that its tokens are bound to (RFC 9449).
    """

    number: int
    client_id: str
    subject: str
    scope: str
    refresh_token: str | None = field(default=None, repr=False)
    revoked: bool = False
    thumbprint: str | None = None


@final
@frozen(kw_only=True)
class Access:
    """An access token that was issued."""

    grant: int
    ends_at: timedelta | None
    scope: str
    revoked: bool = False
    thumbprint: str | None = None


@final
@frozen
class Server:
    """An authorization server at one instant: a value; every answer returns the next one.

    ``issuer`` is its address; ``epoch`` is the wall time at which its time starts; ``seed``
    makes its codes differ from another server's. ``counts`` is how often it was asked for what.
    ``known_as`` are further URLs that proofs and assertions for it may name.

    >>> from grantflow import Request
    >>> from grantflow.testing import answer
    >>> server = Server(Script(approve_after=timedelta(seconds=12)))
    >>> ask = Request(server.issuer + "/device", form={"client_id": "app"})
    >>> server, reply = answer(server, ask, timedelta(seconds=3))
    >>> reply.status, server.counts["device"]
    (200, 1)
    """

    script: Script = field(factory=Script)
    issuer: str = field(default="https://server.test", kw_only=True)
    epoch: datetime = field(default=EPOCH, kw_only=True)
    seed: str = field(default="grantflow", kw_only=True, repr=False)
    counts: Mapping[str, int] = field(factory=dict[str, int], kw_only=True)
    known_as: frozenset[str] = field(default=frozenset(), kw_only=True, repr=False)
    sign_ins: Book[SignIn] = field(factory=Book[SignIn], kw_only=True, repr=False)
    user_codes: Book[str] = field(factory=Book[str], kw_only=True, repr=False)
    grants: Book[Grant] = field(factory=Book[Grant], kw_only=True, repr=False)
    access: Book[Access] = field(factory=Book[Access], kw_only=True, repr=False)
    refreshes: Book[int] = field(factory=Book[int], kw_only=True, repr=False)
    registered: Book[tuple[Credential]] = field(
        factory=Book[tuple[Credential]], kw_only=True, repr=False
    )
    seen: Book[bool] = field(factory=Book[bool], kw_only=True, repr=False)
    outages_used: Mapping[int, int] = field(factory=dict[int, int], kw_only=True, repr=False)
    issued: int = field(default=0, kw_only=True)

    @property
    def provider(self) -> Provider:
        """Return this server as a provider, for a ``Client``."""
        return Provider.from_metadata(self.metadata()).unwrap()

    def metadata(self) -> dict[str, object]:
        """Return the metadata document (RFC 8414)."""
        script = self.script
        found: dict[str, object] = {
            "issuer": self.issuer,
            "token_endpoint": f"{self.issuer}/token",
            "device_authorization_endpoint": f"{self.issuer}/device",
            "revocation_endpoint": f"{self.issuer}/revoke",
            "introspection_endpoint": f"{self.issuer}/introspect",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "grant_types_supported": [
                GRANT_TYPE,
                "client_credentials",
                "refresh_token",
                TOKEN_EXCHANGE,
                JWT_BEARER,
                *script.grant_types,
            ],
            "token_endpoint_auth_methods_supported": [
                "none",
                "client_secret_basic",
                "client_secret_post",
                "client_secret_jwt",
                "private_key_jwt",
            ],
            "response_types_supported": [],
        }
        if script.registration:
            found["registration_endpoint"] = f"{self.issuer}/register"
        if script.dpop:
            found["dpop_signing_alg_values_supported"] = ["ES256", "EdDSA", "PS256", "RS256"]
        return found

    def path(self, url: str) -> str:
        """Return the path that a URL means, without the issuer's own."""
        return urlsplit(url).path.removeprefix(urlsplit(self.issuer).path)

    def sign_in(self, user_code: str) -> SignIn | None:
        """Return the sign-in with this user code, as a person may type it."""
        device_code = self.user_codes.get(typed(user_code))
        return None if device_code is None else self.sign_ins.get(device_code)

    def credential(self, client_id: str) -> tuple[Credential] | None:
        """Return what proves a registered client, or ``None`` if it is not registered."""
        listed = self.script.clients or {}
        return (listed[client_id],) if client_id in listed else self.registered.get(client_id)


def typed(user_code: str) -> str:
    """Return a user code as it is compared: without dashes, spaces and case."""
    return "".join(each for each in user_code.upper() if each.isalnum())


def counted(server: Server, what: str) -> Server:
    """Return the server after it counted one more request."""
    return evolve(server, counts={**server.counts, what: server.counts.get(what, 0) + 1})


def with_code(server: Server, kind: str) -> tuple[Server, str]:
    """Return the server after it issued a code that no other one of this seed has."""
    text = f"{server.seed}:{server.issued}:{kind}"
    digest = sha256(text.encode()).hexdigest()[:40]
    return evolve(server, issued=server.issued + 1), f"{kind}-{digest}" if kind else digest


def with_sign_in(server: Server, found: SignIn) -> Server:
    """Return the server with a sign-in as it is now."""
    return evolve(server, sign_ins=server.sign_ins.with_(found.device_code.reveal(), found))


def seconds(span: timedelta) -> float:
    """Return a span as JSON has it: a whole number if it is one."""
    number = span.total_seconds()
    return int(number) if number.is_integer() else number
