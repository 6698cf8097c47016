"""``login --issuer``: where its metadata sends secrets, what is kept of it, what is wrong in it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve

from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply, Response
from grantflow.testing import Script
from tests.support.cli_stage import ISSUER, Stage

LOGIN = ("login", "--issuer", ISSUER, "--client-id", "app")


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays()
    return made


def described(stage: Stage, **changes: object) -> list[str]:
    """Put other metadata before the scripted server, wherever its endpoints are said to be."""
    document = {**stage.transport.server.metadata(), **changes}
    asked: list[str] = []

    def transport(request: Request) -> Reply:
        asked.append(request.url)
        if request.method == "GET":
            return Response(200, {}, json.dumps(document).encode())
        path = request.url.rpartition("/")[2]
        return stage.transport(evolve(request, url=f"{ISSUER}/{path}"))

    stage.answers_with(transport)
    return asked


def told(stage: Stage, *argv: str) -> list[str]:
    ran = stage.run(*LOGIN, *argv)
    assert ran.code == 0, ran.err
    return [line for line in ran.err.splitlines() if "another origin" in line]


def test_endpoints_at_home_are_nothing_to_tell(stage: Stage) -> None:
    assert told(stage) == []


def test_other_origins_are_told_with_what_is_there(stage: Stage) -> None:
    described(
        stage,
        token_endpoint="https://api.server.test:443/token",
        revocation_endpoint="https://api.server.test/revoke",
        userinfo_endpoint="https://server.test:8443/me",
    )
    assert told(stage) == [
        f"grantflow: {ISSUER} uses another origin: https://api.server.test (token, revocation)",
        f"grantflow: {ISSUER} uses another origin: https://server.test:8443 (userinfo)",
    ]


def test_another_scheme_or_a_sibling_host_is_another_origin(stage: Stage) -> None:
    described(stage, token_endpoint="https://server.test.evil.example/token")
    [line] = told(stage, "--json")
    assert "https://server.test.evil.example (token)" in line


def test_endpoints_for_certificates_are_told_as_well(stage: Stage) -> None:
    described(stage, mtls_endpoint_aliases={"token_endpoint": "https://mtls.server.test/token"})
    [line] = told(stage)
    assert "https://mtls.server.test (with a certificate)" in line


def test_what_was_discovered_is_kept_with_the_profile(stage: Stage) -> None:
    twin = "https://mtls.server.test/token"
    asked = described(stage, mtls_endpoint_aliases={"token_endpoint": twin})
    told(stage)
    assert asked[0].endswith("/.well-known/oauth-authorization-server")
    spelling = stage.profiles()["server.test"]["spelling"]
    assert spelling["mtls_endpoint_aliases"] == {f"{ISSUER}/token": twin}  # type: ignore[index]
    asked.clear()
    stage.clock.advance(timedelta(hours=1))
    assert stage.run("token").code == 0
    assert stage.run("logout").code == 0
    assert asked == [f"{ISSUER}/token", f"{ISSUER}/revoke", f"{ISSUER}/revoke"]


@pytest.mark.parametrize(("asked", "told"), [(ISSUER, f"{ISSUER}/"), (f"{ISSUER}/", ISSUER)])
def test_the_slash_of_a_root_counts_for_nothing(stage: Stage, asked: str, told: str) -> None:
    described(stage, issuer=told)
    ran = stage.run("login", "--issuer", asked, "--client-id", "app")
    assert ran.code == 0, ran.err


def test_another_issuer_is_no_matter_of_slashes(stage: Stage) -> None:
    described(stage, issuer="https://evil.example")
    ran = stage.run(*LOGIN)
    assert ran.code == 1
    assert "it is of https://evil.example, not of" in ran.complaint()
    assert "slash" not in ran.err


def test_the_metadata_s_own_order_does_not_choose_the_proof(stage: Stage) -> None:
    methods = ["private_key_jwt", "client_secret_post", "client_secret_basic", "none"]
    stage.plays(Script(clients={"app": "hunter2hunter2"}, approve_after=timedelta()))
    described(stage, token_endpoint_auth_methods_supported=methods)
    stage.monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", "hunter2hunter2")
    told(stage)
    assert stage.profiles()["server.test"]["client_auth"] == "client_secret_basic"
