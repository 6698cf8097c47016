"""Which stored token answers which request: the key of the store."""

from __future__ import annotations

from hashlib import sha256
from typing import Literal, TypeAlias

from grantflow.core.client.client import Client
from grantflow.core.client.dpop import DPoP
from grantflow.core.values.secret import Secret

Grant: TypeAlias = Literal["device", "client_credentials"]


def _shown(value: str | Secret) -> str:
    return value if isinstance(value, str) else ""


def _bound(dpop: DPoP) -> tuple[str, str]:
    # Who takes nothing but bound tokens must not find a bearer token there.
    return "dpop" if dpop.required else "dpop, or bearer", dpop.thumbprint


def key_of(client: Client, grant: Grant | Literal["app_token"], profile: str = "") -> str:
    """Return where the token of this ask is stored; the scope counts as a set.

    Length-prefixed before it is hashed, so that no two asks meet.

    >>> from grantflow.core.client.provider import Provider
    >>> acme = Provider(name="acme", token_endpoint="https://acme.example/token")
    >>> from attrs import evolve
    >>> one = Client(provider=acme, client_id="app", scope="a b")
    >>> key_of(one, "device") == key_of(evolve(one, scope="b a"), "device")
    True
    >>> key_of(one, "device") == key_of(evolve(one, scope="a"), "device")
    False
    """
    provider = client.provider
    parts = [
        ("at", provider.issuer or provider.token_endpoint),
        ("client", client.client_id),
        ("grant", grant),
        ("profile", profile),
        *(("scope", word) for word in sorted(set(client.scope))),
        ("audience", "" if client.audience is None else f"={client.audience}"),
        *(("resource", each) for each in sorted(set(client.resource))),
        # A secret extra tells asks apart by its name alone.
        *sorted((f"extra {name}", _shown(value)) for name, value in client.extra),
        *([] if client.target is None else [("target", client.target)]),
        *([] if client.dpop is None else [_bound(client.dpop)]),
    ]
    told = "".join(f"{len(text)}:{text}" for pair in parts for text in pair)
    return sha256(told.encode("utf-8", "surrogatepass")).hexdigest()
