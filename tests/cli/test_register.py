"""``login`` where a provider wants each client registered: once, and until that ends."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply, Response
from grantflow.core.values.secret import Secret
from grantflow.testing import Script
from tests.support.cli_stage import ISSUER, Stage

DAY = timedelta(days=1)
ACME = f"""
[acme]
token_endpoint = "{ISSUER}/token"
device_authorization_endpoint = "{ISSUER}/device"
revocation_endpoint = "{ISSUER}/revoke"
registration_endpoint = "{ISSUER}/register"
auth_methods = ["client_secret_post"]
"""
SECRETS = {f"made-{number}": f"s3cret-of-{number}" for number in range(1, 4)}


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays(Script(clients=dict(SECRETS), approve_after=timedelta(seconds=12)))
    made.home.mkdir(mode=0o700)
    (made.home / "providers.toml").write_text(ACME)
    return made


def registers(stage: Stage, life: timedelta = 90 * DAY) -> list[Request]:
    """Answer requests for a registration, and keep them."""
    asked: list[Request] = []

    def transport(request: Request) -> Reply:
        if not request.url.endswith("/register"):
            return stage.transport(request)
        asked.append(request)
        client_id = f"made-{len(asked)}"
        ends = int((stage.clock.now().wall + life).timestamp())
        made = {
            "client_id": client_id,
            "client_secret": SECRETS[client_id],
            "client_secret_expires_at": ends,
            "token_endpoint_auth_method": "client_secret_post",
        }
        return Response(201, {}, json.dumps(made).encode())

    stage.answers_with(transport)
    return asked


def login(stage: Stage, *more: str) -> str:
    ran = stage.run("login", "acme", *more)
    assert ran.code == 0, ran.err
    return ran.err


def proof(request: Request) -> tuple[str | None, str | None]:
    form = {
        name: value.reveal() if isinstance(value, Secret) else value for name, value in request.form
    }
    return form.get("client_id"), form.get("client_secret")


def test_a_client_is_registered_and_everything_goes_by_it(stage: Stage) -> None:
    asked = registers(stage)
    login(stage, "--scope", "read")
    assert json.loads(asked[0].body())["client_name"] == "grantflow"
    assert proof(stage.transport.requests[-1]) == ("made-1", "s3cret-of-1")
    assert stage.profiles()["acme"]["client_id"] == "made-1"
    assert "s3cret-of-1" not in json.dumps(stage.document())
    stage.clock.advance(timedelta(hours=2))
    assert stage.run("token").code == 0
    assert (stage.counts["refresh"], len(asked)) == (1, 1)
    assert stage.run("doctor").code == 0
    assert stage.run("logout").code == 0
    assert stage.counts["revoke"] >= 1


def test_a_registration_is_used_until_it_ends(stage: Stage) -> None:
    asked = registers(stage)
    login(stage)
    stage.run("logout")
    stage.clock.advance(80 * DAY)
    login(stage)
    login(stage, "--profile", "other")
    assert len(asked) == 1
    stage.clock.advance(10 * DAY)
    login(stage)
    assert len(asked) == 2
    assert list(stage.profiles()) == ["other", "acme"]
    assert stage.profiles()["acme"]["client_id"] == "made-2"
    assert len([each for each in stage.tokens() if "refresh_token" in each]) == 2


def test_a_registration_that_ended_wants_a_person(stage: Stage) -> None:
    registers(stage)
    login(stage, "--profile", "one")
    stage.clock.advance(91 * DAY)
    asked = dict(stage.counts)
    for _ in range(2):
        ran = stage.run("token", "one", "--no-input")
        assert ran.code == 3
        assert ran.complaint() == (
            "grantflow: the registered client of profile 'one' has expired; "
            "run: grantflow login acme --profile one"
        )
        assert stage.counts == asked
        login(stage, "--profile", "two")  # which registers anew, in the place of the former one
        asked = dict(stage.counts)


def test_a_sign_in_in_two_halves_is_of_one_client(stage: Stage) -> None:
    asked = registers(stage)
    assert stage.run("login", "acme", "--start").code == 0
    ran = stage.run("login", "--finish")
    assert (ran.code, len(asked)) == (0, 1), ran.err
    assert proof(stage.transport.requests[-1]) == ("made-1", "s3cret-of-1")


def test_a_registration_that_is_refused_is_told(stage: Stage) -> None:
    body = b'{"error": "invalid_client_metadata", "error_description": "no"}'
    stage.answers_with(lambda request: Response(400, {}, body))
    ran = stage.run("login", "acme")
    assert ran.code == 1
    assert ran.complaint().startswith(
        f"grantflow: {ISSUER}/register: the server refused: invalid_client_metadata (no)"
    )
    assert not (stage.home / "profiles.json").exists()


@pytest.mark.parametrize(
    "more",
    [
        ("--client-auth", "none"),
        ("--client-secret-file", "secret.txt"),
        ("--grant", "client_credentials"),
    ],
)
def test_who_has_a_secret_has_an_id(stage: Stage, more: tuple[str, ...]) -> None:
    (stage.folder / "secret.txt").write_text("s3cret")
    asked = registers(stage)
    ran = stage.run("login", "acme", *more)
    assert (ran.code, asked) == (2, [])
    assert "--client-id is missing" in ran.complaint()


def test_an_id_of_one_s_own_is_used_as_ever(stage: Stage) -> None:
    asked = registers(stage)
    stage.monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", "s3cret-of-3")
    login(stage, "--client-id", "made-3")
    assert asked == []
    assert "registration" not in stage.profiles()["acme"]


def test_aws_needs_no_client_id(stage: Stage) -> None:
    base = "https://oidc.eu-central-1.amazonaws.com"
    portal = "https://acme.awsapps.com/start"
    sent: list[tuple[str, dict[str, object]]] = []
    answers: dict[str, dict[str, object]] = {
        "client/register": {
            "clientId": "c-1",
            "clientSecret": "s-1",
            "clientSecretExpiresAt": int((stage.clock.now().wall + 90 * DAY).timestamp()),
        },
        "device_authorization": {
            "deviceCode": "dc-1",
            "userCode": "WDJB-MJHT",
            "verificationUri": f"{portal}/#/device",
            "verificationUriComplete": f"{portal}/#/device?user_code=WDJB-MJHT",
            "expiresIn": 600,
            "interval": 1,
        },
        "token": {
            "accessToken": "at-1",
            "tokenType": "Bearer",
            "expiresIn": 3600,
            "refreshToken": "rt-1",
        },
    }

    def transport(request: Request) -> Reply:
        what = request.url.removeprefix(f"{base}/")
        sent.append((what, json.loads(request.body())))
        return Response(200, {}, json.dumps(answers[what]).encode())

    stage.answers_with(transport)
    where = ("aws", "--set", "region=eu-central-1", "--set", f"start_url={portal}")
    ran = stage.run("login", *where, "--scope", "sso:account:access")
    assert ran.code == 0, ran.err
    assert [what for what, _ in sent] == ["client/register", "device_authorization", "token"]
    assert sent[0][1]["scopes"] == ["sso:account:access"]
    assert sent[1][1]["startUrl"] == portal
    assert (sent[2][1]["clientId"], sent[2][1]["clientSecret"]) == ("c-1", "s-1")
    stage.clock.advance(timedelta(hours=2))
    assert stage.run("token").out == "at-1\n"
    assert (sent[3][1]["refreshToken"], sent[3][1]["clientSecret"]) == ("rt-1", "s-1")
