"""``--client-key-file``: proofs by a key or a certificate, remembered by the file's path."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
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


def header_of(request: Request) -> dict[str, object]:
    form = dict(request.form)
    assertion = form["client_assertion"]
    text = assertion if isinstance(assertion, str) else assertion.reveal()
    part = text.split(".")[0]
    found: dict[str, object] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


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
