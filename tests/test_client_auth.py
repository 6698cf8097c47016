"""How a client names and proves itself (RFC 6749 section 2.3.1)."""

from __future__ import annotations

from base64 import b64decode
from typing import Literal

import pytest
from attrs import evolve

from grantflow import Client, ClientSecretBasic, ClientSecretPost, Public, Request, Secret
from grantflow.core.client_auth import (
    ClientAuthentication,
    ClientSecretJwt,
    MutualTls,
    PrivateKeyJwt,
)
from grantflow.core.values import Assertion, Certificate
from values import ACME

ID, SECRET = "cl:ient", "s%+ /é"


def request(authentication: ClientAuthentication) -> Request:
    client = Client(provider=ACME, client_id=ID, authentication=authentication)
    return client.request(ACME.token_endpoint, ())


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("rfc6749", "cl%3Aient:s%25%2B%20%2F%C3%A9"),
        ("plus", "cl%3Aient:s%25%2B+%2F%C3%A9"),
        ("raw", "cl:ient:s%+ /é"),
    ],
)
def test_basic_is_encoded_as_named(
    encoding: Literal["rfc6749", "plus", "raw"], expected: str
) -> None:
    made = request(ClientSecretBasic(SECRET, encoding))
    scheme, _, text = made.header_map()["Authorization"].partition(" ")
    assert (scheme, b64decode(text).decode()) == ("Basic", expected)


def test_basic_percent_encodes_unless_told_otherwise() -> None:
    assert ClientSecretBasic(SECRET).encoding == "rfc6749"


def test_the_client_id_is_in_the_body_even_beside_basic() -> None:
    assert request(ClientSecretBasic(SECRET)).body() == b"client_id=cl%3Aient"


def test_post_puts_the_secret_into_the_body() -> None:
    made = request(ClientSecretPost(SECRET))
    assert made.body() == b"client_id=cl%3Aient&client_secret=s%25%2B+%2F%C3%A9"
    assert "Authorization" not in made.header_map()


def test_public_only_names_itself() -> None:
    made = request(Public())
    assert made.body() == b"client_id=cl%3Aient"
    assert "Authorization" not in made.header_map()


def test_plain_text_is_wrapped_at_once() -> None:
    assert ClientSecretBasic("x").secret == ClientSecretPost(Secret("x")).secret == Secret("x")


@pytest.mark.parametrize("kind", [ClientSecretBasic, ClientSecretPost])
def test_an_empty_secret_is_a_mistake(kind: type[ClientSecretBasic | ClientSecretPost]) -> None:
    with pytest.raises(ValueError, match="secret: it is empty"):
        kind("")


def test_an_unknown_encoding_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="encoding"):
        ClientSecretBasic("x", "rot13")  # type: ignore[arg-type]


def test_an_assertion_is_left_to_the_shell_to_sign() -> None:
    made = request(PrivateKeyJwt("PEM", kid="k1"))
    assert made.form == (("client_id", ID),)
    with pytest.raises(ValueError, match="assertion: sign it first"):
        made.body()
    assert made.assertion == Assertion(
        client_id=ID,
        audience=ACME.token_endpoint,
        key=Secret("PEM"),
        algorithm="ES256",
        key_id="k1",
    )
    issued = Client(
        provider=evolve(ACME, issuer="https://acme.example"),
        client_id=ID,
        authentication=ClientSecretJwt(SECRET),
    ).request(ACME.token_endpoint, ())
    assert issued.assertion == Assertion(
        client_id=ID, audience="https://acme.example", key=Secret(SECRET), algorithm="HS256"
    )
    named = request(ClientSecretJwt(SECRET, alg="HS512", audience="https://else.example"))
    assert named.assertion is not None
    assert (named.assertion.audience, named.assertion.algorithm) == (
        "https://else.example",
        "HS512",
    )


def test_a_key_may_be_a_function() -> None:
    def sign(data: bytes) -> bytes:
        return data

    assert PrivateKeyJwt(sign).key is sign


def test_mutual_tls_presents_a_certificate() -> None:
    made = request(MutualTls("client.pem", "client.key"))
    assert made.certificate == Certificate("client.pem", "client.key")
    assert made.body() == b"client_id=cl%3Aient"


def test_only_hmac_signs_with_a_shared_secret() -> None:
    with pytest.raises(ValueError, match="alg"):
        ClientSecretJwt("x", alg="ES256")


@pytest.mark.parametrize("alg", ["none", "HS256", ""])
def test_only_a_private_key_s_algorithm_signs_with_a_private_key(alg: str) -> None:
    with pytest.raises(ValueError, match="alg"):
        PrivateKeyJwt("PEM", alg=alg)
