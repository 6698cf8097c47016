"""How a client names and proves itself (RFC 6749 section 2.3.1)."""

from __future__ import annotations

from base64 import b64decode
from email import message_from_bytes
from email.message import Message
from typing import Literal

import pytest
from attrs import evolve

from grantflow import (
    Client,
    ClientAssertion,
    ClientCredentialsFlow,
    ClientSecretBasic,
    ClientSecretHeaders,
    ClientSecretPost,
    DeviceFlow,
    Provider,
    Public,
    Request,
    RequestFormat,
    Secret,
    Send,
)
from grantflow.core.client.authentication import (
    ClientAuthentication,
    ClientSecretJwt,
    MutualTls,
    PrivateKeyJwt,
)
from grantflow.core.values.request import Assertion, Certificate
from tests.support.samples import ACME, moment

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


DEVICE = "https://acme.example/device"
ACMES: dict[str, Provider] = {
    "by the rule": evolve(ACME, device_authorization_endpoint=DEVICE),
    "always": evolve(ACME, device_authorization_endpoint=DEVICE, send_client_id="always"),
    "if needed": evolve(ACME, device_authorization_endpoint=DEVICE, send_client_id="if_needed"),
    "never": evolve(ACME, device_authorization_endpoint=DEVICE, send_client_id="never"),
}
PROOFS: dict[str, ClientAuthentication] = {
    "none": Public(),
    "post": ClientSecretPost(SECRET),
    "basic": ClientSecretBasic(SECRET),
    "secret jwt": ClientSecretJwt(SECRET),
    "key jwt": PrivateKeyJwt("PEM"),
    "issued": ClientAssertion(lambda: "eyJ"),
    "tls": MutualTls("cert.pem"),
    "headers": ClientSecretHeaders("plain"),
}
NAMED = {"none", "post", "tls"}


@pytest.mark.parametrize("rule", ACMES)
@pytest.mark.parametrize("proof", PROOFS)
@pytest.mark.parametrize("place", ["device", "poll", "token", "refresh", "exchange", "revocation"])
def test_where_the_client_id_is_in_the_body(place: str, proof: str, rule: str) -> None:
    provider = ACMES[rule]
    client = Client(provider=provider, client_id="app", authentication=PROOFS[proof])
    endpoint = DEVICE if place == "device" else provider.token_endpoint
    form = dict(client.request(endpoint, (), getattr(provider, place)).form)
    told = proof in NAMED or (place == "device" and proof != "headers")
    expected = {
        "by the rule": told,
        "if needed": proof in NAMED,
        "always": True,
        "never": False,
    }
    assert ("client_id" in form) == expected[rule]


def test_one_kind_of_request_may_name_the_client_by_itself() -> None:
    provider = evolve(ACME, refresh=RequestFormat(send_client_id="always"))
    client = Client(provider=provider, client_id="app", authentication=ClientSecretBasic(SECRET))
    assert dict(client.request(ACME.token_endpoint, (), provider.refresh).form) == {
        "client_id": "app"
    }
    assert client.request(ACME.token_endpoint, (), provider.token).form == ()


@pytest.mark.parametrize(
    ("proof", "place", "in_body", "in_header"),
    [
        (ClientSecretPost("s"), "basic", False, True),
        (ClientSecretPost("s"), None, True, False),
        (ClientSecretBasic("s"), "body", True, False),
        (ClientSecretBasic("s"), "basic", False, True),
        (Public(), "basic", False, False),
    ],
)
def test_one_kind_of_request_may_have_the_secret_elsewhere(
    proof: ClientAuthentication,
    place: Literal["basic", "body"] | None,
    in_body: bool,
    in_header: bool,
) -> None:
    client = Client(provider=ACME, client_id="app", authentication=proof)
    asked = client.request(ACME.token_endpoint, (), RequestFormat(secret_in=place))
    assert ("client_secret" in dict(asked.form)) is in_body
    assert ("Authorization" in asked.header_map()) is in_header


def test_a_place_for_the_secret_is_one_of_two() -> None:
    with pytest.raises(ValueError, match="secret_in: unknown name 'bassic'; did you mean basic"):
        RequestFormat(secret_in="bassic")  # type: ignore[arg-type]


def test_a_public_client_may_have_to_use_basic() -> None:
    client = Client(provider=evolve(ACME, public_basic=True), client_id="app")
    made = client.request(ACME.token_endpoint, ())
    assert made.header_map()["Authorization"] == "Basic YXBwOg=="
    assert made.form == ()


@pytest.mark.parametrize(
    ("said", "audience"),
    [
        (None, "https://acme.example"),
        ("token_endpoint", ACME.token_endpoint),
        ("endpoint", "https://acme.example/revoke"),
        ("https://acme.example/", "https://acme.example/"),
    ],
)
def test_whom_an_assertion_is_for(said: str | None, audience: str) -> None:
    provider = evolve(ACME, issuer="https://acme.example", assertion_audience=said)
    client = Client(provider=provider, client_id="app", authentication=PrivateKeyJwt("PEM"))
    made = client.request("https://acme.example/revoke", (), provider.revocation)
    assert isinstance(made.assertion, Assertion)
    assert made.assertion.audience == audience
    other = RequestFormat(assertion_audience="https://of.one.kind")
    made = client.request("https://acme.example/revoke", (), other)
    assert isinstance(made.assertion, Assertion)
    assert made.assertion.audience == "https://of.one.kind"


def test_an_audience_is_a_word_or_a_url() -> None:
    with pytest.raises(ValueError, match="assertion_audience: token_endpoint, endpoint or a URL"):
        evolve(ACME, assertion_audience="issuers")


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
    assert made.form == ()
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
    assert isinstance(named.assertion, Assertion)
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
    with pytest.raises(ValueError, match="certificate: present it"):
        made.body()
    with pytest.raises(ValueError, match="certificate: present it"):
        made.header_map()
    assert made.presented().body() == b"client_id=cl%3Aient"


def test_only_hmac_signs_with_a_shared_secret() -> None:
    with pytest.raises(ValueError, match="alg"):
        ClientSecretJwt("x", alg="ES256")


@pytest.mark.parametrize("alg", ["none", "HS256", ""])
def test_only_a_private_key_s_algorithm_signs_with_a_private_key(alg: str) -> None:
    with pytest.raises(ValueError, match="alg"):
        PrivateKeyJwt("PEM", alg=alg)


# Headers


def test_headers_carry_id_and_secret_and_the_body_neither() -> None:
    made = request(ClientSecretHeaders("s3cret"))
    assert made.body() == b""
    shown = made.header_map()
    assert (shown["client-id"], shown["client-secret"]) == (ID, "s3cret")
    other = request(ClientSecretHeaders("s3cret", id_header="X-Id", secret_header="X-Key"))
    assert (other.header_map()["X-Id"], other.header_map()["X-Key"]) == (ID, "s3cret")


@pytest.mark.parametrize("text", ["line\n", " blank", "a\r\nb", "\u2603", "a\x00b"])
def test_what_no_header_can_hold_is_told_before_it_is_sent(text: str) -> None:
    with pytest.raises(ValueError, match="^secret: no header can hold it") as caught:
        ClientSecretHeaders(text)
    assert text not in str(caught.value)
    with pytest.raises(ValueError, match="^client_id: no header can hold it"):
        Client(provider=ACME, client_id=text, authentication=ClientSecretHeaders("s3cret"))
    with pytest.raises(ValueError, match="^client_id: no header can hold it"):
        Client(provider=evolve(ACME, client_id_header="x-api-key"), client_id=text)
    assert Client(provider=ACME, client_id=text).client_id == text  # elsewhere it is encoded
    assert ClientSecretHeaders("s3cr\u00e9t")


@pytest.mark.parametrize("name", ["", "a b", "x:y", "x\n", "é"])
def test_a_header_has_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="secret_header: .* is no header name"):
        ClientSecretHeaders("s", secret_header=name)


def test_a_client_id_may_go_into_a_header_as_well() -> None:
    provider = evolve(ACME, client_id_header="x-api-key")
    asked = Client(provider=provider, client_id="app").request(ACME.token_endpoint, ())
    assert (asked.header_map()["x-api-key"], asked.body()) == ("app", b"client_id=app")


# An assertion of somebody else's


def test_an_issued_assertion_waits_for_the_shell() -> None:
    made = request(ClientAssertion(lambda: "jwt-1"))
    with pytest.raises(ValueError, match="assertion: sign it first"):
        made.body()


def test_an_issued_assertion_needs_a_function() -> None:
    with pytest.raises(TypeError, match="source: a function"):
        ClientAssertion("eyJ")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# Mutual TLS at endpoints of its own (RFC 8705 section 5)

TWINS = Provider.from_metadata(
    {
        "issuer": "https://as.example",
        "token_endpoint": "https://as.example/token",
        "device_authorization_endpoint": "https://as.example/device",
        "mtls_endpoint_aliases": {
            "token_endpoint": "https://mtls.as.example/token",
            "device_authorization_endpoint": "https://mtls.as.example/device",
            "x": 1,
        },
    }
).unwrap()


@pytest.mark.parametrize(
    ("authentication", "host"), [(MutualTls("c.pem"), "mtls.as.example"), (Public(), "as.example")]
)
def test_only_who_shows_a_certificate_goes_to_the_twins(
    authentication: ClientAuthentication, host: str
) -> None:
    client = Client(provider=TWINS, client_id="app", authentication=authentication)
    for due, path in (
        (DeviceFlow(client).due(DeviceFlow(client).start(moment())), "device"),
        (
            ClientCredentialsFlow(client).due(ClientCredentialsFlow(client).start(moment())),
            "token",
        ),
    ):
        assert isinstance(due, Send)
        assert due.request.url == f"https://{host}/{path}"


def test_a_twin_is_https_as_well() -> None:
    with pytest.raises(ValueError, match="mtls_endpoint_aliases: must be https"):
        evolve(TWINS, mtls_endpoint_aliases={"https://as.example/token": "http://as.example/token"})


# Bodies


def test_multipart_is_read_by_a_real_parser() -> None:
    fields = (("scope", "a b"), ("ü", "x\r\n--y"), ("secret", Secret("s3cret")))
    made = Request("https://as.example", form=fields, encoding="multipart")
    kind = made.header_map()["Content-Type"].encode()
    message = message_from_bytes(b"Content-Type: " + kind + b"\r\n\r\n" + made.body())
    parts = message.get_payload()
    assert isinstance(parts, list)
    read = [part.get_payload(decode=True) for part in parts if isinstance(part, Message)]
    assert read == [b"a b", b"x\r\n--y", b"s3cret"]
    assert made.body() == evolve(made).body()


def test_scopes_may_be_a_list() -> None:
    several = evolve(ACME, scope_separator=None)
    asked = Client(provider=several, client_id="app", scope="a b")
    assert asked.wishes() == (("scope", "a"), ("scope", "b"))
    listed = evolve(asked, provider=evolve(several, encoding="json"), scope="a")
    assert listed.request(ACME.token_endpoint, listed.wishes()).body() == (
        b'{"scope": ["a"], "client_id": "app"}'
    )
