"""Which stored token answers which request: the key of the store.

Whatever changes the bytes of any request that leads to the token tells two tokens apart, but for
how the client proves itself (DESIGN: Identity). A field of ``Client``, ``Provider`` or
``RequestFormat`` that is not listed here as silent does; at its default it adds nothing to the key,
so a new field changes no key that was in use before it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Final, Literal, TypeAlias

from attrs import NOTHING, AttrsInstance, fields

from grantflow.core.client.client import Client
from grantflow.core.client.dialect import RequestFormat
from grantflow.core.client.dpop import DPoP
from grantflow.core.client.provider import Provider
from grantflow.core.values.secret import Secret

Grant: TypeAlias = Literal["device", "client_credentials"]

PROOF: Final = frozenset(
    {
        "assertion_audience",
        "auth_methods",
        "authentication",
        "issuer",
        "mtls_endpoint_aliases",
        "public_basic",
        "secret_in",
        "send_client_id",
    }
)
"""Fields of how the client proves itself; the issuer is the audience of that."""

AFTERWARDS: Final = frozenset(
    {
        "answers",
        "authorization_scheme",
        "client_id_metadata_document_supported",
        "interval",
        "introspection",
        "introspection_endpoint",
        "lifetime",
        "link_needs_code",
        "link_parameter",
        "link_scheme",
        "name",
        "notes",
        "poll_host",
        "registration",
        "registration_endpoint",
        "revocation",
        "revocation_endpoint",
        "scopes_supported",
        "shows_code",
        "userinfo_endpoint",
        "verification_uri",
    }
)
"""Fields that are in no request that leads to the token: how answers are read and shown, and what
is asked before a client is there or after the token is."""

_IN_WORDS: Final = frozenset(
    {"provider", "client_id", "scope", "audience", "resource", "extra", "dpop", "target"}
)
"""Fields of a client, and of its provider, that ``key_of`` tells by themselves."""


def key_of(client: Client, grant: str, profile: str = "") -> str:
    """Return where the token of this request is stored; the scope counts as a set.

    ``grant`` is a ``Grant``, ``app_token``, or what tells another flow's tokens apart.

    Length-prefixed before it is hashed, so that no two requests meet; a secret parameter is told by
    its digest.

    >>> from grantflow.core.client.provider import Provider
    >>> acme = Provider(name="acme", token_endpoint="https://acme.example/token")
    >>> from attrs import evolve
    >>> one = Client(provider=acme, client_id="app", scope="a b")
    >>> key_of(one, "device") == key_of(evolve(one, scope="b a"), "device")
    True
    >>> key_of(one, "device") == key_of(evolve(one, scope="a"), "device")
    False
    """
    audience = client.asked_audience
    parts = (
        ("client", client.client_id),
        ("grant", grant),
        ("profile", profile),
        ("scope", tuple(sorted(set(client.asked_scope)))),
        ("audience", audience),
        ("resource", tuple(sorted(set(client.resource)))),
        ("extra", tuple(sorted((name, _told(value)) for name, value in client.extra))),
        ("target", client.target),
        ("dpop", None if client.dpop is None else _bound(client.dpop)),
        ("provider", tuple(_unusual(client.provider))),
    )
    return fingerprint(parts)


def fingerprint(value: object) -> str:
    """Return a digest that no other value of texts, secrets, numbers and tuples has."""
    return sha256(_told(value).encode("utf-8", "surrogatepass")).hexdigest()


def _bound(dpop: DPoP) -> tuple[str, str]:
    # Who takes nothing but bound tokens must not find a bearer token there.
    return "dpop" if dpop.required else "dpop, or bearer", dpop.thumbprint


def _unusual(
    value: AttrsInstance, silent: Collection[str] = PROOF | AFTERWARDS | _IN_WORDS
) -> Iterator[tuple[str, object]]:
    """Yield the fields that are not at their defaults, by name."""
    for each in fields(type(value)):
        held: object = getattr(value, each.name)
        if isinstance(held, RequestFormat):
            held = tuple(_unusual(held)) or _usual(value, each.name)
        if each.name not in silent and held != _usual(value, each.name):
            yield each.name, held


def _usual(value: AttrsInstance, name: str) -> object:
    plain = _PLAIN.get(type(value))
    return NOTHING if plain is None else getattr(plain, name)


_PLAIN: Final[dict[type, object]] = {
    RequestFormat: RequestFormat(),
    Provider: Provider(name="", token_endpoint="https://localhost"),
}


def _told(value: object) -> str:
    """Write a value so that no other one is written the same."""
    match value:
        case None:
            return "-"
        case str():
            return f"s{value}"
        case Secret():
            text = value.reveal().encode("utf-8", "surrogatepass")
            return f"#{sha256(text).hexdigest()}"
        case bool() | int() | timedelta():
            return f"={value}"
        case tuple():
            return "(" + "".join(f"{len(text)}:{text}" for text in map(_told, value))
        case _:
            raise TypeError(f"a {type(value).__name__} has no place in a key; give it an identity")
