"""Client assertions: what they say, who can check them, and that none is sent twice (RFC 7523)."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
import traceback
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TypeAlias, cast
from urllib.parse import parse_qs

import pytest
from attrs import evolve
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID
from joserfc.jwk import JWKRegistry

from grantflow import (
    Authorized,
    Client,
    ClientAssertion,
    ClientCredentialsFlow,
    Fault,
    MemoryStore,
    Request,
    Response,
    Secret,
    TokenSource,
    run,
)
from grantflow.core.client.authentication import (
    ClientAuthentication,
    ClientSecretJwt,
    ClientSecretPost,
    MutualTls,
    PrivateKeyJwt,
    Public,
)
from grantflow.core.values.request import Assertion
from grantflow.core.values.response import Reply
from grantflow.secrets import from_file
from grantflow.shell.ports import Transport
from grantflow.shell.signing.signer import ASSERTION_TYPE, check
from grantflow.signing import Signer, signed
from grantflow.testing import VirtualClock
from tests.support.samples import ACME, reply

PASSWORD = "correct-horse-battery-staple-for-hs256"
PrivateKey: TypeAlias = (
    ec.EllipticCurvePrivateKey
    | rsa.RSAPrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)

CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
EDWARDS: dict[str, Callable[[], PrivateKey]] = {
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
}

Members: TypeAlias = Mapping[str, object]


@cache
def key_for(alg: str) -> PrivateKey:
    if alg in CURVES:
        return ec.generate_private_key(CURVES[alg])
    if alg in EDWARDS:
        return EDWARDS[alg]()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: PrivateKey, password: bytes | None = None) -> str:
    locked = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked).decode()


def jwk(key: PrivateKey, **members: str) -> str:
    kind = {"Ellip": "EC", "RSAPr": "RSA", "_RSAP": "RSA", "ECPri": "EC"}
    kty = kind.get(type(key).__name__[:5], "OKP")
    found = JWKRegistry.import_key(pem(key), kty).as_dict(private=True)
    return json.dumps({**found, **members})


def opened(part: str) -> bytes:
    assert "=" not in part
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def members(part: str) -> Members:
    return cast("Members", json.loads(opened(part)))


def raw(signature: bytes) -> bytes:
    """DER as JWS wants it (RFC 7518 section 3.4), for P-256."""
    return b"".join(number.to_bytes(32, "big") for number in utils.decode_dss_signature(signature))


def checked(token: str, alg: str, key: PrivateKey) -> None:
    """Verify with the public half, by other code than the library's; raises if it is forged."""
    head, _, signature = token.rpartition(".")
    octets, data = opened(signature), head.encode()
    size = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
    match key.public_key():
        case ec.EllipticCurvePublicKey() as public:
            half = len(octets) // 2
            assert half == (public.key_size + 7) // 8
            r, s = (int.from_bytes(part, "big") for part in (octets[:half], octets[half:]))
            der = utils.encode_dss_signature(r, s)
            public.verify(der, data, ec.ECDSA(size[alg[2:]]))
        case rsa.RSAPublicKey() as public if alg.startswith("RS"):
            public.verify(octets, data, padding.PKCS1v15(), size[alg[2:]])
        case rsa.RSAPublicKey() as public:
            digest = size[alg[2:]]
            pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
            public.verify(octets, data, pss, digest)
        case public:
            public.verify(octets, data)


def client_with(authentication: ClientAuthentication, issuer: str | None = None) -> Client:
    provider = evolve(ACME, issuer=issuer)
    return Client(provider=provider, client_id="app", authentication=authentication)


class Recorder:
    """A transport that gives the replies in order, the last one again and again."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = [*replies, reply(200, {"access_token": "at", "token_type": "Bearer"})]
        self.requests: list[Request] = []

    def __call__(self, request: Request, /) -> Reply:
        self.requests.append(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def form(self, at: int = -1) -> dict[str, list[str]]:
        return parse_qs(self.requests[at].body().decode())

    def tokens(self) -> list[str]:
        return [self.form(at)["client_assertion"][0] for at in range(len(self.requests))]


def sent(
    authentication: ClientAuthentication, issuer: str | None = None
) -> tuple[str, Members, Members]:
    """The assertion of one request, its header and its claims."""
    wire = Recorder()
    request = client_with(authentication, issuer).request(ACME.token_endpoint, (("a", "b"),))
    signed(wire, VirtualClock())(request)
    token = wire.tokens()[0]
    header, claims, _ = token.split(".")
    return token, members(header), members(claims)


# What an assertion says.


def test_the_assertion_travels_as_two_parameters() -> None:
    wire = Recorder()
    request = client_with(ClientSecretJwt(PASSWORD)).request(ACME.token_endpoint, (("a", "b"),))
    signed(wire)(request)
    assert wire.requests[0].assertion is None
    form = wire.form()
    assert list(form) == ["a", "client_assertion_type", "client_assertion"]
    assert form["client_assertion_type"] == [ASSERTION_TYPE]


def test_the_claims_are_those_of_the_rfc() -> None:
    _, header, claims = sent(ClientSecretJwt(PASSWORD))
    now = int(VirtualClock().now().wall.timestamp())
    assert header == {"alg": "HS256", "typ": "JWT"}
    assert claims.keys() == {"iss", "sub", "aud", "iat", "exp", "jti"}
    assert claims["iss"] == claims["sub"] == "app"
    assert claims["aud"] == ACME.token_endpoint
    assert (claims["iat"], claims["exp"]) == (now, now + 60)
    assert len(str(claims["jti"])) == 32


def test_the_audience_is_the_issuer_unless_said_otherwise() -> None:
    issuer = "https://acme.example"
    assert sent(ClientSecretJwt(PASSWORD), issuer)[2]["aud"] == issuer
    other = ClientSecretJwt(PASSWORD, audience="urn:other")
    assert sent(other, issuer)[2]["aud"] == "urn:other"


def test_the_key_is_named_as_told_else_as_the_jwk_says() -> None:
    text = jwk(key_for("ES256"), kid="of-the-jwk")
    assert sent(PrivateKeyJwt(pem(key_for("ES256"))))[1] == {"alg": "ES256", "typ": "JWT"}
    assert sent(PrivateKeyJwt(text))[1]["kid"] == "of-the-jwk"
    assert sent(PrivateKeyJwt(text, kid="told"))[1]["kid"] == "told"


# Who can check it.


@pytest.mark.parametrize("size", ["256", "384", "512"])
def test_a_shared_secret_signs(size: str) -> None:
    token, header, _ = sent(ClientSecretJwt(PASSWORD, alg=f"HS{size}"))
    head, _, signature = token.rpartition(".")
    digest = hmac.new(PASSWORD.encode(), head.encode(), getattr(hashlib, f"sha{size}")).digest()
    assert opened(signature) == digest
    assert header["alg"] == f"HS{size}"


@pytest.mark.parametrize("spelt", [pem, jwk])
@pytest.mark.parametrize(
    "alg",
    [*CURVES, *EDWARDS, "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
)
def test_a_private_key_signs(alg: str, spelt: Callable[[PrivateKey], str]) -> None:
    key = key_for(alg if alg in CURVES or alg in EDWARDS else "RSA")
    name = "EdDSA" if alg in EDWARDS else alg
    token, header, _ = sent(PrivateKeyJwt(spelt(key), alg=name))
    assert header["alg"] == name
    checked(token, name, key)


def test_a_function_signs_what_the_public_key_verifies() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    asked: list[bytes] = []

    def hsm(data: bytes) -> bytes:
        asked.append(data)
        return raw(key.sign(data, ec.ECDSA(hashes.SHA256())))

    token, header, _ = sent(PrivateKeyJwt(hsm, kid="slot-1"))
    checked(token, "ES256", key)
    assert header == {"alg": "ES256", "typ": "JWT", "kid": "slot-1"}
    assert asked == [token.rpartition(".")[0].encode()]


# Never twice.


def test_each_send_signs_anew() -> None:
    for authentication in (ClientSecretJwt(PASSWORD), PrivateKeyJwt(pem(key_for("ES256")))):
        wire = Recorder()
        send = signed(wire)
        request = client_with(authentication).request(ACME.token_endpoint, ())
        for _ in range(20):
            send(request)
        assert len(set(wire.tokens())) == 20
        jtis = {members(token.split(".")[1])["jti"] for token in wire.tokens()}
        assert len(jtis) == 20


def test_a_retry_of_a_run_is_no_replay() -> None:
    wire = Recorder(reply(503), Fault("refused", "no"))
    clock = VirtualClock()
    flow = ClientCredentialsFlow(client_with(ClientSecretJwt(PASSWORD)))
    assert isinstance(run(flow, wire, clock), Authorized)
    claims = [members(token.split(".")[1]) for token in wire.tokens()]
    assert len({claim["jti"] for claim in claims}) == len(claims) == 3
    # And it was made when it was sent, not when the run began.
    times = [cast("int", claim["iat"]) for claim in claims]
    assert times == sorted(set(times))


def test_a_source_signs_its_requests_by_its_clock() -> None:
    wire, clock = Recorder(), VirtualClock()
    clock.advance(timedelta(days=3))
    client = client_with(PrivateKeyJwt(jwk(key_for("ES256"))))
    client = evolve(
        client, provider=evolve(client.provider, revocation_endpoint="https://acme.example/revoke")
    )
    store = MemoryStore()
    source = TokenSource(client, "client_credentials", store=store, transport=wire, clock=clock)
    assert source.token().access_token == Secret("at")
    wire.replies = [Response(200)]
    source.try_logout()
    assert [request.url for request in wire.requests] == [
        ACME.token_endpoint,
        "https://acme.example/revoke",
    ]
    claims = [members(token.split(".")[1]) for token in wire.tokens()]
    assert {claim["iat"] for claim in claims} == {int(clock.now().wall.timestamp())}
    assert claims[0]["jti"] != claims[1]["jti"]


def test_wrapping_twice_changes_nothing() -> None:
    wire = Recorder()
    once = signed(wire)
    assert signed(once) is once
    layered: Transport = signed(lambda request: once(request))
    layered(client_with(ClientSecretJwt(PASSWORD)).request(ACME.token_endpoint, ()))
    assert len(wire.form()["client_assertion"]) == 1


def test_a_key_is_read_once_and_the_next_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = JWKRegistry.import_key

    def counted(data: str, kty: str) -> object:
        read.append(kty)
        return real(data, kty)

    monkeypatch.setattr(JWKRegistry, "import_key", counted)
    signer = Signer()
    old, new = (
        client_with(PrivateKeyJwt(pem(key_for(alg)), alg=alg)).request(ACME.token_endpoint, ())
        for alg in ("ES256", "ES384")
    )
    for request in (old, old, new, new):
        signer(request)
    assert len(read) == 2


# Without need, nothing.


@pytest.mark.parametrize(
    "authentication", [Public(), ClientSecretPost("s"), MutualTls("cert.pem", "cert.key")]
)
def test_a_request_without_an_assertion_passes_untouched(
    authentication: ClientAuthentication,
) -> None:
    wire = Recorder()
    request = client_with(authentication).request(ACME.token_endpoint, ())
    assert signed(wire)(request) is wire.replies[0]
    assert wire.requests[0] is request


PROGRAM = """
import sys
from grantflow import Client, ClientCredentialsFlow, Provider, Response, run
from grantflow.core.client.authentication import ClientSecretJwt, ClientSecretPost, PrivateKeyJwt
from grantflow.shell.signing.signer import check

answer = Response(200, {}, b'{"access_token": "a", "token_type": "Bearer"}')
acme = Provider(name="acme", token_endpoint="https://acme.example/token")
client = Client(provider=acme, client_id="app", authentication=%s)
check(client.authentication)
print(type(run(ClientCredentialsFlow(client), lambda request: answer)).__name__)
print(*sys.modules)
"""


def outcome_of(authentication: str) -> tuple[str, set[str]]:
    output = subprocess.run(
        [sys.executable, "-c", PROGRAM % authentication],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return output[0], set(output[1].split())


@pytest.mark.parametrize(
    "authentication",
    ["ClientSecretPost('s')", "ClientSecretJwt('s')", "PrivateKeyJwt(lambda data: data[:64])"],
)
def test_joserfc_is_loaded_for_the_text_of_a_private_key_only(authentication: str) -> None:
    ending, loaded = outcome_of(authentication)
    assert ending == "Authorized"
    assert not loaded & {"joserfc", "cryptography", "requests"}


def test_a_missing_joserfc_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("joserfc", "joserfc.jwk", "joserfc.jws"):
        monkeypatch.setitem(sys.modules, name, None)
    check(ClientSecretJwt(PASSWORD))
    with pytest.raises(ImportError, match=r"pip install 'grantflow\[jwt\]'"):
        check(PrivateKeyJwt(pem(key_for("ES256"))))


# Mistakes.

UNREADABLE: dict[str, tuple[Callable[[], str], str]] = {
    "no key at all": (lambda: "hunter2-is-no-key", "ES256"),
    "an empty text": (lambda: "", "ES256"),
    "a public key": (
        lambda: (
            key_for("ES256")
            .public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            .decode()
        ),
        "ES256",
    ),
    "a key with a password": (lambda: pem(key_for("ES256"), b"hunter2"), "ES256"),
    "a key of another curve": (lambda: pem(key_for("ES384")), "ES256"),
    "a key of another kind": (lambda: pem(key_for("RSA")), "ES256"),
    "an elliptic key for RSA": (lambda: pem(key_for("ES256")), "RS256"),
    "an elliptic key for EdDSA": (lambda: pem(key_for("ES256")), "EdDSA"),
    "a JWK of another algorithm": (lambda: jwk(key_for("RSA"), alg="PS256"), "RS256"),
    "a JWK for encryption": (lambda: jwk(key_for("ES256"), use="enc"), "ES256"),
    "half a JWK": (lambda: '{"kty": "EC", "d": "hunter2"', "ES256"),
    "a JWK without its numbers": (lambda: '{"kty": "EC", "crv": "P-256"}', "ES256"),
    "a JWK with an unknown curve": (
        lambda: '{"kty": "EC", "crv": "P-1", "x": "aa", "y": "aa", "d": "hunter2"}',
        "ES256",
    ),
    "a damaged PEM": (
        lambda: "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----",
        "ES256",
    ),
    "a set of keys": (lambda: json.dumps({"keys": [json.loads(jwk(key_for("ES256")))]}), "ES256"),
    "a password for RSA": (lambda: "hunter2", "RS256"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_key_that_cannot_be_used_is_named_and_not_shown(name: str) -> None:
    make, alg = UNREADABLE[name]
    text = make()
    with pytest.raises(
        ValueError, match=rf"^key: .* a private .* \(\w+\): .* is needed, for {alg}$"
    ) as caught:
        check(PrivateKeyJwt(text, alg=alg))
    assert_hides(caught.value, text)


def test_a_private_key_is_no_password() -> None:
    authentication = ClientSecretJwt(pem(key_for("ES256")))
    with pytest.raises(ValueError, match=r"^key: HS256 signs with a shared secret") as caught:
        check(authentication)
    assert_hides(caught.value, pem(key_for("ES256")))


def assert_hides(error: BaseException, text: str) -> None:
    """The text is in no message, and in no local variable of the library's frames."""
    assert error.__context__ is None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [frame for frame in frames if "grantflow" in Path(frame.f_code.co_filename).parts]
    assert ours
    told = f"{error} " + " ".join(repr(frame.f_locals) for frame in ours)
    for line in {text, "hunter2", *text.splitlines()}:
        assert len(line) < 5 or line not in told


@pytest.mark.parametrize("alg", ["none", "ES256K", "HS1", ""])
def test_an_unknown_algorithm_is_refused(alg: str) -> None:
    keys: list[Secret | Callable[[bytes], bytes]] = [Secret(PASSWORD), lambda data: data]
    for key in keys:
        assertion = Assertion(client_id="app", audience="a", key=key, algorithm=alg)
        request, wire = Request(ACME.token_endpoint, assertion=assertion), Recorder()
        with pytest.raises(ValueError, match=r"^alg: .* is none of HS256, .*ES256, .*EdDSA$"):
            signed(wire)(request)
        assert wire.requests == []


def test_nothing_is_sent_after_a_mistake() -> None:
    wire = Recorder()
    client = client_with(PrivateKeyJwt("hunter2"))
    with pytest.raises(ValueError, match=r"^key: "):
        run(ClientCredentialsFlow(client), wire, VirtualClock())
    assert wire.requests == []


def test_a_signature_in_der_is_told_from_a_raw_one() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(ValueError, match=r"^key: .* is 64: R and S side by side .*not DER$"):
        sent(PrivateKeyJwt(lambda data: key.sign(data, ec.ECDSA(hashes.SHA256()))))


def test_a_key_service_that_is_away_is_a_fault_and_tried_again() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    troubles = [TimeoutError("the key service did not answer")]

    def far(data: bytes) -> bytes:
        if troubles:
            raise troubles.pop()
        return raw(key.sign(data, ec.ECDSA(hashes.SHA256())))

    client = client_with(PrivateKeyJwt(far))
    wire = Recorder()
    request = client.request(ACME.token_endpoint, ())
    fault = Fault("other", "no", "the key could not sign: the key service did not answer")
    assert signed(wire)(request) == fault
    assert wire.requests == []
    troubles.append(TimeoutError("again"))
    assert isinstance(run(ClientCredentialsFlow(client), wire, VirtualClock()), Authorized)
    assert len(wire.requests) == 1


def test_a_function_is_not_called_by_a_check() -> None:
    def pin_pad(data: bytes) -> bytes:
        raise AssertionError("asked for a PIN")

    check(PrivateKeyJwt(pin_pad))


def test_nothing_shows_a_secret() -> None:
    text = pem(key_for("ES256"))
    for authentication in (ClientSecretJwt(PASSWORD), PrivateKeyJwt(text)):
        wire = Recorder()
        send = signed(wire)
        client = client_with(authentication)
        request = client.request(ACME.token_endpoint, ())
        send(request)
        shown = repr((authentication, client, request, request.assertion, send, wire.requests))
        assert PASSWORD not in shown
        assert text.splitlines()[1] not in shown
        assert wire.tokens()[0] not in shown
        assert Secret(wire.tokens()[0]) in set(wire.requests[0].secrets())


# Somebody else's assertion: a platform's token, fetched at each send


def test_an_issued_assertion_is_fetched_for_every_send(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("jwt-1\n")
    client = client_with(ClientAssertion(from_file(file)))
    wire = Recorder(reply(503, b""))
    clock = VirtualClock()
    request = client.request(ACME.token_endpoint, ())
    send = signed(wire, clock)
    send(request)
    file.write_text("jwt-2\n")  # the platform has renewed it
    send(request)
    assert wire.tokens() == ["jwt-1", "jwt-2"]
    assert wire.form()["client_assertion_type"] == [ASSERTION_TYPE]


def test_an_assertion_of_another_type() -> None:
    wire = Recorder()
    saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"
    client = client_with(ClientAssertion(lambda: Secret("<saml>"), assertion_type=saml))
    signed(wire)(client.request(ACME.token_endpoint, ()))
    assert wire.form()["client_assertion_type"] == [saml]


def test_a_token_file_that_is_not_there_is_a_fault_that_did_not_arrive(tmp_path: Path) -> None:
    wire = Recorder()
    client = client_with(ClientAssertion(from_file(tmp_path / "none")))
    fault = signed(wire)(client.request(ACME.token_endpoint, ()))
    assert isinstance(fault, Fault)
    assert fault.reached == "no"
    assert "none" in fault.detail
    assert wire.requests == []


# A key that is named by its certificate (RFC 7515 sections 4.1.7 and 4.1.8)


def test_a_certificate_names_the_key() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
    made = x509.CertificateBuilder(
        name, name, private.public_key(), 1, now, now + timedelta(days=1)
    ).sign(private, hashes.SHA256())
    text = made.public_bytes(Encoding.PEM).decode()
    _, header, _ = sent(PrivateKeyJwt(jwk(private), certificate=text))
    assert opened(str(header["x5t#S256"])) == made.fingerprint(hashes.SHA256())
    assert opened(str(header["x5t"])) == made.fingerprint(hashes.SHA1())
    check(PrivateKeyJwt(jwk(private), certificate=text))


@pytest.mark.parametrize("text", ["", "client.pem", "-----BEGIN CERTIFICATE-----\nx"])
def test_what_is_no_certificate_is_told_before_anything_is_sent(text: str) -> None:
    with pytest.raises(ValueError, match="certificate: the PEM text of one certificate"):
        check(PrivateKeyJwt(jwk(key_for("ES256")), certificate=text))
