"""``--client-key-file``: proofs by a key or a certificate, remembered by the file's path."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey, OKPKey, RSAKey

from grantflow import Request
from grantflow.core.values.request import Certificate
from grantflow.core.values.response import Reply, Response
from tests.support.cli_stage import ISSUER, Stage

ROBOT = ("login", "--issuer", ISSUER, "--client-id", "robot", "--grant", "client_credentials")
SECRET = "a-long-shared-secret-of-32-letters"


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays()
    return made


def listen(stage: Stage) -> list[Request]:
    """Keep what the command sends."""
    sent: list[Request] = []

    def transport(request: Request) -> Reply:
        sent.append(request)
        return stage.transport(request)

    stage.answers_with(transport)
    return sent


def part_of(request: Request, number: int) -> dict[str, object]:
    form = dict(request.form)
    assertion = form["client_assertion"]
    text = assertion if isinstance(assertion, str) else assertion.reveal()
    part = text.split(".")[number]
    found: dict[str, object] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def header_of(request: Request) -> dict[str, object]:
    return part_of(request, 0)


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (lambda: ECKey.generate_key("P-256"), "ES256"),
        (lambda: ECKey.generate_key("P-384"), "ES384"),
        (lambda: RSAKey.generate_key(2048), "RS256"),
        (lambda: OKPKey.generate_key("Ed25519"), "EdDSA"),
    ],
    ids=["ES256", "ES384", "RS256", "EdDSA"],
)
def test_a_private_key_signs_by_its_own_kind(
    stage: Stage, key: Callable[[], ECKey | RSAKey | OKPKey], alg: str
) -> None:
    pem = key().as_pem(private=True)
    (stage.folder / "key.pem").write_bytes(pem)
    sent = listen(stage)
    ran = stage.run(*ROBOT, "--client-key-file", "key.pem")
    assert ran.code == 0, ran.err
    assert header_of(sent[-1])["alg"] == alg
    (profile,) = stage.profiles().values()
    assert profile["client_auth"] == "private_key_jwt"
    assert profile["client_key_file"] == str(stage.folder / "key.pem")
    assert pem.decode().splitlines()[1] not in json.dumps(stage.document())
    stage.clock.advance(timedelta(minutes=10))
    assert stage.run("token", "--min-ttl", "3500").code == 0, "and again, from the profile alone"
    assert header_of(sent[-1])["alg"] == alg


RSA = RSAKey.generate_key(2048)


@pytest.mark.parametrize("alg", ["RS512", "PS256"])
def test_an_algorithm_may_be_asked_for(stage: Stage, alg: str) -> None:
    """As the NHS's API platform (RS512) and the FAPI profile of banks (PS256) want it."""
    (stage.folder / "key.pem").write_bytes(RSA.as_pem(private=True))
    sent = listen(stage)
    asked = ("--client-key-file", "key.pem", "--client-key-alg", alg, "--client-key-id", "k-1")
    ran = stage.run(*ROBOT, *asked)
    assert ran.code == 0, ran.err
    assert (header_of(sent[-1])["alg"], header_of(sent[-1])["kid"]) == (alg, "k-1")
    stage.clock.advance(timedelta(minutes=10))
    assert stage.run("token", "--min-ttl", "3500").code == 0, "and again, from the profile alone"
    assert (header_of(sent[-1])["alg"], header_of(sent[-1])["kid"]) == (alg, "k-1")


def test_a_jwk_says_what_it_signs_with(stage: Stage) -> None:
    key = {**RSA.as_dict(private=True), "alg": "PS256", "kid": "of-the-jwk"}
    (stage.folder / "key.jwk").write_text(json.dumps(key))
    sent = listen(stage)
    ran = stage.run(*ROBOT, "--client-key-file", "key.jwk")
    assert ran.code == 0, ran.err
    assert header_of(sent[-1])["alg"] == "PS256"
    assert header_of(sent[-1])["kid"] == "of-the-jwk"


def test_a_key_that_cannot_sign_as_asked_is_told(stage: Stage) -> None:
    (stage.folder / "key.pem").write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    ran = stage.run(*ROBOT, "--client-key-file", "key.pem", "--client-key-alg", "PS256")
    assert ran.code == 2
    assert "does not hold a private key in PEM or JWK that can sign with PS256" in ran.complaint()


def test_a_certificate_beside_the_key_names_it(stage: Stage) -> None:
    """Microsoft Entra finds the key by the thumbprint of its certificate."""
    pem, thumbprint = certified()
    (stage.folder / "pair.pem").write_bytes(pem)
    sent = listen(stage)
    ran = stage.run(*ROBOT, "--client-key-file", "pair.pem")
    assert ran.code == 0, ran.err
    assert header_of(sent[-1])["x5t#S256"] == thumbprint


def certified() -> tuple[bytes, str]:
    """A certificate and its key in one PEM, and the certificate's thumbprint."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "robot")])
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    thumbprint = urlsafe_b64encode(made.fingerprint(hashes.SHA256())).rstrip(b"=").decode()
    return made.public_bytes(serialization.Encoding.PEM) + private, thumbprint


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (None, ISSUER),
        ("token_endpoint", f"{ISSUER}/token"),
        ("endpoint", f"{ISSUER}/token"),
        ("https://audience.example/", "https://audience.example/"),
    ],
)
def test_the_audience_of_an_assertion_may_be_asked_for(
    stage: Stage, asked: str | None, told: str
) -> None:
    (stage.folder / "key.pem").write_bytes(RSA.as_pem(private=True))
    sent = listen(stage)
    more = () if asked is None else ("--client-assertion-audience", asked)
    ran = stage.run(*ROBOT, "--client-key-file", "key.pem", *more)
    assert part_of(sent[-1], 1)["aud"] == told
    if not told.startswith(ISSUER):  # the played server wants its own name
        assert ran.code == 1
        return
    assert ran.code == 0, ran.err
    stage.clock.advance(timedelta(minutes=10))
    assert stage.run("token", "--min-ttl", "3500").code == 0, "and again, from the profile alone"
    assert part_of(sent[-1], 1)["aud"] == told


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (("--client-assertion-audience", "nonsense"), "--client-assertion-audience: token_end"),
        (
            ("--client-assertion-audience", "endpoint", "--client-auth", "none"),
            "--client-assertion-audience is about an assertion, and none has none",
        ),
        (("--client-key-id", "k"), "--client-key-id is about a --client-key-file"),
        (("--client-key-alg", "PS256"), "--client-key-alg is about a --client-key-file"),
    ],
)
def test_what_is_said_of_a_key_needs_one(stage: Stage, argv: tuple[str, ...], hint: str) -> None:
    (stage.folder / "key.pem").write_bytes(RSA.as_pem(private=True))
    key = ("--client-key-file", "key.pem") if "nonsense" in argv else ()
    ran = stage.run(*ROBOT, *key, *argv)
    assert ran.code == 2
    assert hint in ran.complaint()


def test_a_shared_secret_signs_too(stage: Stage) -> None:
    (stage.folder / "secret.txt").write_text(SECRET)
    sent = listen(stage)
    argv = ("--client-auth", "client_secret_jwt", "--client-secret-file", "secret.txt")
    ran = stage.run(*ROBOT, *argv)
    assert ran.code == 0, ran.err
    assert header_of(sent[-1])["alg"] == "HS256"


def test_a_certificate_is_presented(stage: Stage) -> None:
    pair = stage.folder / "pair.pem"
    pair.write_text("certificate and key")
    sent = listen(stage)
    ran = stage.run(*ROBOT, "--client-auth", "tls_client_auth", "--client-key-file", "pair.pem")
    assert ran.code == 0, ran.err
    assert sent[-1].certificate == Certificate(str(pair))


@pytest.mark.parametrize("method", ["private_key_jwt", "tls_client_auth"])
def test_a_key_must_be_named(stage: Stage, method: str) -> None:
    ran = stage.run(*ROBOT, "--client-auth", method)
    assert ran.code == 2
    assert "--client-key-file" in ran.complaint()


def test_a_key_file_that_is_not_there(stage: Stage) -> None:
    ran = stage.run(*ROBOT, "--client-key-file", "nowhere.pem")
    assert ran.code == 2
    assert "cannot read the key file" in ran.complaint()


def test_a_key_file_without_a_key(stage: Stage) -> None:
    (stage.folder / "key.pem").write_text("hunter2hunter2")
    ran = stage.run(*ROBOT, "--client-key-file", "key.pem")
    assert ran.code == 2
    assert "does not hold a private key" in ran.complaint()
    assert "hunter2" not in ran.err


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (("--client-auth=client_secret_jwt", "--client-secret-file=key"), "holds several lines"),
        (("--client-key-file=text",), "does not hold a private key"),
        (
            ("--client-auth=private_key_jwt", "--client-key-file=public"),
            "does not hold a private key",
        ),
        (("--client-auth=private_key_jwt", "--client-key-file=none"), "cannot read the key file"),
        (("--client-auth=client_secret_post",), "needs the client's secret"),
    ],
)
def test_what_cannot_prove_is_told_before_anything_is_sent(
    stage: Stage, argv: tuple[str, ...], hint: str
) -> None:
    pair = ECKey.generate_key("P-256")
    (stage.folder / "key").write_bytes(pair.as_pem(private=True))
    (stage.folder / "public").write_bytes(pair.as_pem(private=False))
    (stage.folder / "text").write_text("hunter2hunter2")
    sent = listen(stage)
    ran = stage.run(*ROBOT, *argv)
    assert ran.code == 2
    assert hint in ran.complaint()
    assert sent == []


def test_the_proof_that_the_metadata_chooses_is_checked_before_it_is_used(stage: Stage) -> None:
    (stage.folder / "key").write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    document = stage.transport.server.metadata()
    document["token_endpoint_auth_methods_supported"] = ["client_secret_jwt"]
    methods: list[str] = []

    def transport(request: Request) -> Reply:
        methods.append(request.method)
        return Response(200, {}, json.dumps(document).encode())

    stage.answers_with(transport)
    ran = stage.run(*ROBOT, "--client-secret-file", "key")
    assert ran.code == 2
    assert "holds several lines" in ran.complaint()
    assert "POST" not in methods
