"""What tells two stored tokens apart: every field of a client, its provider and its formats."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import AttrsInstance, evolve, fields

from grantflow import (
    Client,
    ClientSecretBasic,
    ClientSecretPost,
    DPoP,
    MutualTls,
    PrivateKeyJwt,
    Provider,
    RequestFormat,
    ResponseFormat,
    Secret,
)
from grantflow.core.client.identity import key_of

X = "https://x.example/x"
ACME = Provider(
    name="acme",
    token_endpoint="https://acme.example/token",
    device_authorization_endpoint="https://acme.example/device",
)
CLIENT = Client(provider=ACME, client_id="app", scope="read", resource=("https://a", "https://b"))
ED25519 = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}


def signing(data: bytes) -> bytes:
    return data


# Every field is judged here, with another value: a new one fails until it is.
TELLS: dict[type[AttrsInstance], dict[str, object]] = {
    Client: {
        "client_id": "other",
        "scope": "write",
        "audience": "api",
        "resource": ("https://a",),
        "target": "https://a",
        "extra": {"tenant": "t"},
        "dpop": DPoP(key=signing, public=ED25519, alg="EdDSA", thumbprint="jkt-1"),
        "provider": evolve(ACME, token_endpoint="https://y.example/y"),
    },
    Provider: {
        "token_endpoint": X,
        "device_authorization_endpoint": X,
        "poll_endpoint": X,
        "refresh_endpoint": X,
        "authorization_endpoint": X,
        "encoding": "json",
        "headers": {"X-Tenant": "t"},
        "client_id_header": "X-Client",
        "scope_separator": ",",
        "audience": "another",
        "device": RequestFormat(fixed={"a": "b"}),
        "poll": RequestFormat(fixed={"a": "b"}),
        "token": RequestFormat(fixed={"a": "b"}),
        "refresh": RequestFormat(fixed={"a": "b"}),
        "exchange": RequestFormat(fixed={"a": "b"}),
        "poll_at": "where",
        "flow": "two_step",
        "pkce": True,
        "pkce_supported": True,
    },
    RequestFormat: {
        "method": "GET",
        "encoding": "multipart",
        "rename": {"scope": "scopes"},
        "drop": "scope",
        "fixed": {"account_id": "1"},
        "echo": "user_code",
        "again": "scope",
        "path": "device_code",
    },
}
SILENT: dict[type[AttrsInstance], dict[str, object]] = {
    Client: {"authentication": ClientSecretPost("s")},
    Provider: {
        "name": "other",
        "registration_endpoint": X,
        "revocation_endpoint": X,
        "introspection_endpoint": X,
        "userinfo_endpoint": X,
        "issuer": X,
        "auth_methods": ("none",),
        "send_client_id": "always",
        "public_basic": True,
        "assertion_audience": "endpoint",
        "mtls_endpoint_aliases": {X: "https://y.example"},
        # A client with a scope of its own never asks for the usual one.
        "scope": ("usual",),
        "revocation": RequestFormat(method="GET"),
        "introspection": RequestFormat(method="GET"),
        "registration": RequestFormat(method="GET"),
        "answers": ResponseFormat(root="data"),
        "poll_host": "y.example",
        "verification_uri": X,
        "link_scheme": "https",
        "link_parameter": "code",
        "link_needs_code": True,
        "shows_code": False,
        "interval": timedelta(seconds=1),
        "lifetime": timedelta(seconds=1),
        "authorization_scheme": "Token",
        "scopes_supported": ("read",),
        "client_id_metadata_document_supported": True,
        "notes": ("revocation_endpoint of the metadata is not used",),
    },
    RequestFormat: {
        "send_client_id": "always",
        "assertion_audience": "endpoint",
        "secret_in": "body",
    },
}
CASES = [
    (kind, name, value, tells)
    for tells, judged in ((True, TELLS), (False, SILENT))
    for kind, each in judged.items()
    for name, value in each.items()
]


def holding(kind: type[AttrsInstance], name: str, value: object) -> Client:
    if kind is Client:
        return evolve(CLIENT, **{name: value})
    if kind is Provider:
        return evolve(CLIENT, provider=evolve(ACME, **{name: value}))
    poll = evolve(RequestFormat(), **{name: value})
    return evolve(CLIENT, provider=evolve(ACME, poll=poll))


@pytest.mark.parametrize("kind", [Client, Provider, RequestFormat])
def test_every_field_is_judged(kind: type[AttrsInstance]) -> None:
    assert set(TELLS[kind]) ^ set(SILENT[kind]) == {each.name for each in fields(kind)}


@pytest.mark.parametrize(
    ("kind", "name", "value", "tells"), CASES, ids=lambda each: getattr(each, "__name__", None)
)
def test_a_field_tells_two_tokens_apart_or_not(
    kind: type[AttrsInstance], name: str, value: object, tells: bool
) -> None:
    changed = holding(kind, name, value)
    assert changed != CLIENT
    assert (key_of(changed, "device") != key_of(CLIENT, "device")) is tells


def test_no_two_of_them_meet() -> None:
    keys = {
        key_of(holding(kind, name, value), "device") for kind, name, value, tell in CASES if tell
    }
    assert len(keys) == sum(tell for *_, tell in CASES)


@pytest.mark.parametrize(
    "proof", [ClientSecretBasic("a"), ClientSecretBasic("b"), PrivateKeyJwt("PEM"), MutualTls("c")]
)
def test_how_the_client_proves_itself_is_no_matter(proof: object) -> None:
    assert key_of(evolve(CLIENT, authentication=proof), "device") == key_of(CLIENT, "device")


@pytest.mark.parametrize("where", ["headers", "fixed", "extra"])
def test_a_secret_counts_by_its_digest(where: str) -> None:
    def holds(value: str | Secret) -> str:
        pairs = {"X-Key": value}
        if where == "extra":
            return key_of(evolve(CLIENT, extra=pairs), "device")
        changes: dict[str, object] = (
            {"headers": pairs} if where == "headers" else {"token": RequestFormat(fixed=pairs)}
        )
        return key_of(evolve(CLIENT, provider=evolve(ACME, **changes)), "device")

    assert holds(Secret("one")) == holds(Secret("one"))
    assert len({holds(Secret("one")), holds(Secret("two")), holds("one")}) == 3


def test_the_usual_scope_is_as_if_it_were_said() -> None:
    usual = evolve(CLIENT, scope=(), provider=evolve(ACME, scope=("read",)))
    assert key_of(usual, "device") == key_of(CLIENT, "device")


def test_a_function_has_no_place_in_a_key() -> None:
    with pytest.raises(TypeError, match="extra: pairs of a name and text is needed, not function"):
        evolve(CLIENT, extra={"assertion": signing})


def test_a_value_of_another_kind_is_named() -> None:
    holder = evolve(CLIENT)
    object.__setattr__(holder, "audience", 1.5)  # past the validators
    with pytest.raises(TypeError, match="a float has no place in a key; give it an identity"):
        key_of(holder, "device")
