"""``grantflow login URL``: a sign-in that begins at the resource (RFC 9728)."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply, Response
from grantflow.testing import Script
from tests.support.cli_stage import ISSUER, Stage

HOUR = timedelta(hours=1)
URL = "https://api.test/mcp"
PLACE = "https://api.test/.well-known/oauth-protected-resource/mcp"


class World:
    """A resource in front of the scripted server, which registers clients."""

    def __init__(self, stage: Stage, *, registers: bool = True, challenge: str = "") -> None:
        self._stage = stage
        self._registers = registers
        self._challenge = challenge or f'Bearer resource_metadata="{PLACE}", scope="read"'
        self.asked: list[Request] = []
        self.offered = ["read", "offline_access"]
        stage.answers_with(self)

    def __call__(self, request: Request) -> Reply:
        self.asked.append(request)
        if request.url == URL:
            return Response(401, {"www-authenticate": self._challenge}, b"")
        if request.url == PLACE:
            said = {"resource": URL, "authorization_servers": [ISSUER]}
            return _json(200, said | {"scopes_supported": ["read", "write"]})
        if request.url.endswith("/register"):
            made = {"client_id": "app", "token_endpoint_auth_method": "none"}
            return _json(201, made)
        reply = self._stage.transport(request)
        if "/.well-known/" in request.url and isinstance(reply, Response) and reply.status == 200:
            found = json.loads(reply.body) | {"scopes_supported": self.offered}
            if self._registers:
                found["registration_endpoint"] = f"{ISSUER}/register"
            return _json(200, found)
        return reply

    def sent(self, path: str) -> list[dict[str, object]]:
        """What was sent to an endpoint, each as its parameters."""
        return [dict(each.form) for each in self.asked if each.url == f"{ISSUER}{path}"]


def _json(status: int, found: object) -> Response:
    return Response(status, {"content-type": "application/json"}, json.dumps(found).encode())


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays(Script(approve_after=timedelta()))
    return made


def test_a_url_is_enough(stage: Stage) -> None:
    world = World(stage)
    ran = stage.run("login", URL)
    assert ran.code == 0, ran.err
    assert "Signed in: profile api.test" in ran.err
    [profile] = stage.profiles().values()
    assert profile["url"] == URL
    assert profile["resource"] == [URL]
    assert profile["origins"] == ["https://api.test"]
    assert profile["client_id"] == "app"
    assert profile["scope"] == ["read", "offline_access"]
    [registered] = world.sent("/register")
    assert registered["token_endpoint_auth_method"] == "none"
    [asked] = world.sent("/device")
    assert (asked["resource"], asked["scope"]) == (URL, "read offline_access")
    assert stage.run("token", "--for", f"{URL}/x").out == stage.run("token").out != ""


def test_the_resource_is_named_at_every_request(stage: Stage) -> None:
    world = World(stage)
    stage.run("login", URL)
    stage.clock.advance(2 * HOUR)
    assert stage.run("token", "--for", URL, "--no-input").code == 0
    assert [each["resource"] for each in world.sent("/token")] == [URL, URL]
    assert len(world.sent("/register")) == 1


def test_a_second_login_registers_no_second_client(stage: Stage) -> None:
    world = World(stage)
    stage.run("login", URL)
    assert stage.run("login", URL).code == 0
    assert len(world.sent("/register")) == 1
    assert list(stage.profiles()) == ["api.test"]


def test_what_is_said_outranks_what_is_found(stage: Stage) -> None:
    world = World(stage)
    argv = ("--client-id", "app", "--scope", "write", "--resource", "https://api.test/")
    ran = stage.run("login", URL, *argv, "--profile", "work", "--origin", "https://b.test")
    assert ran.code == 0, ran.err
    assert world.sent("/register") == []
    profile = stage.profiles()["work"]
    assert profile["scope"] == ["write"]
    assert profile["resource"] == ["https://api.test/"]
    assert profile["origins"] == ["https://api.test", "https://b.test"]


def test_scopes_are_a_person_s_choice_without_a_challenge(stage: Stage) -> None:
    world = World(stage, challenge="Bearer")
    world.offered = []
    ran = stage.run("login", URL)
    assert ran.code == 0, ran.err
    assert f"no scope is requested; {URL} knows: read write (--scope chooses)" in ran.err
    assert "scope" not in world.sent("/device")[0]


def test_the_line_that_signs_in_again_begins_at_the_url(stage: Stage) -> None:
    stage.plays(Script(approve_after=timedelta(), refresh=False))
    World(stage)
    stage.run("login", URL)
    stage.clock.advance(2 * HOUR)
    ran = stage.run("token", "--no-input")
    assert ran.code == 3
    assert f"grantflow login {URL} --scope read" in ran.complaint()
    assert "--issuer" not in ran.err
    assert "--client-id" not in ran.err


def test_without_registration_a_client_id_is_needed(stage: Stage) -> None:
    world = World(stage, registers=False)
    ran = stage.run("login", URL)
    assert ran.code == 2
    assert "--client-id is missing" in ran.complaint()
    assert world.sent("/device") == []


def test_an_issuer_registers_as_well(stage: Stage) -> None:
    world = World(stage)
    ran = stage.run("login", "--issuer", ISSUER)
    assert ran.code == 0, ran.err
    assert len(world.sent("/register")) == 1


def test_a_token_by_hand_remembers_the_origin(stage: Stage) -> None:
    assert stage.run("login", URL, "--token-stdin", "--profile", "p", stdin="at-1").code == 0
    assert stage.run("token", "--for", f"{URL}/x").out == "at-1\n"


@pytest.mark.parametrize(
    ("url", "code", "hint"),
    [
        ("http://api.test/mcp", 2, "url: must be https"),
        ("https://u:hunter2@api.test/", 2, "url: must not hold a user name or password"),
        ("https://other.test/", 1, "does not say who issues tokens for it"),
        ("https://[", 2, "url: is not a URL"),
    ],
)
def test_what_is_no_resource_is_told(stage: Stage, url: str, code: int, hint: str) -> None:
    World(stage)
    ran = stage.run("login", url)
    assert ran.code == code
    assert hint in ran.complaint()
    assert "hunter2" not in ran.err
    assert not (stage.home / "profiles.json").exists()
