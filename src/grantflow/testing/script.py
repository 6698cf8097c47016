"""What a scripted authorization server does, and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Literal, TypeAlias, final

from attrs import field, frozen

from grantflow.core.values.json import Members
from grantflow.core.values.response import Fault, Reply
from grantflow.core.values.secret import Secret, secret

Endpoint: TypeAlias = Literal[
    "device",
    "poll",
    "client_credentials",
    "refresh",
    "token_exchange",
    "jwt_bearer",
    "other_grant",
    "register",
    "revoke",
    "introspect",
    "userinfo",
    "metadata",
]
"""What a request asks for: an endpoint, and at the token endpoint the grant."""


@final
@frozen
class Outage:
    """From ``start`` until before ``end`` a request gets ``reply`` instead of an answer.

    ``endpoint`` is where, everywhere by default; ``times`` is how often at most. ``acted=True``
    plays the nastier kind: the server does what was asked, only its answer is lost.
    """

    start: timedelta = timedelta()
    end: timedelta | None = None
    reply: Reply = field(default=Fault("timeout", "maybe", "scripted outage"))
    acted: bool = False
    endpoint: Endpoint | None = field(default=None, kw_only=True)
    times: int | None = field(default=None, kw_only=True)

    def covers(self, endpoint: Endpoint | None, at: timedelta, used: int) -> bool:
        """Return whether it affects a request at ``at``, after it affected ``used`` others."""
        return (
            self.start <= at
            and (self.end is None or at < self.end)
            and self.endpoint in (None, endpoint)
            and (self.times is None or used < self.times)
        )


Credential: TypeAlias = Secret | Members | None
"""How a registered client proves itself: a secret, a public JWK, or not at all."""


def _credential(value: Secret | str | Mapping[str, object] | None) -> Credential:
    if value is None:
        return None
    return Members(value) if isinstance(value, Mapping) else secret(value)


def _clients(
    clients: Mapping[str, Secret | str | Mapping[str, object] | None] | None,
) -> Mapping[str, Credential] | None:
    if clients is None:
        return None
    return MappingProxyType({name: _credential(value) for name, value in clients.items()})


def _members(value: Mapping[str, object]) -> Mapping[str, object]:
    return MappingProxyType(dict(value))


def _words(value: str | Iterable[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    return tuple(value.split()) if isinstance(value, str) else tuple(value)


@final
@frozen(kw_only=True)
class Script:
    """How the server and the person at its approval page behave. All spans are exact.

    The person (``person`` is the subject of the tokens) approves ``approve_after`` the code was
    issued, or denies ``deny_after``; with neither, only ``decided`` or the approval page decide.
    A code is valid for ``lifetime``, an access token for ``token_lifetime`` (``None``: the server
    does not say). ``refresh`` issues refresh tokens, ``rotation`` replaces one at each use,
    ``reuse_detection`` then ends the grant when an old one comes back. ``latency`` is that of a
    round trip, ``outages`` are faults by time, endpoint and count. ``slow_downs`` polls of each
    code are answered with ``slow_down``, however late they come, and with ``slow_down_interval``.

    ``clients`` are the registered ones with a secret, a public JWK (``private_key_jwt``) or
    ``None`` for a public client; without the argument any client is accepted, and its proof is not
    checked. ``registration`` lets clients register (RFC 7591). ``grant_types`` are further grants
    that the token endpoint answers with a token at once.

    ``scope`` is what is granted at most. The scope ``openid`` brings an ID token with ``claims``.
    ``token_members`` and ``device_members`` are set in those answers, and with ``None`` left out.
    ``dpop`` binds a token to the key of a proof (RFC 9449); ``nonces`` wants a nonce in each proof.
    """

    approve_after: timedelta | None = None
    deny_after: timedelta | None = None
    person: str = "alice"
    lifetime: timedelta = timedelta(minutes=10)
    interval: timedelta = timedelta(seconds=5)
    token_lifetime: timedelta | None = timedelta(hours=1)
    refresh: bool = True
    rotation: bool = True
    reuse_detection: bool = True
    latency: timedelta = timedelta()
    outages: tuple[Outage, ...] = ()
    slow_downs: int = 0
    slow_down_interval: timedelta | None = None
    clients: Mapping[str, Credential] | None = field(default=None, converter=_clients, hash=False)
    registration: bool = False
    grant_types: tuple[str, ...] = ()
    scope: tuple[str, ...] | None = field(default=None, converter=_words)
    claims: Mapping[str, object] = field(factory=dict, converter=_members, hash=False)
    token_members: Mapping[str, object] = field(factory=dict, converter=_members, hash=False)
    device_members: Mapping[str, object] = field(factory=dict, converter=_members, hash=False)
    dpop: bool = True
    nonces: bool = False
