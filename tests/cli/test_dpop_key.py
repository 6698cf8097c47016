"""``login --dpop``, ``--client-assertion-file`` and ``--client-auth client_secret_headers``."""

from __future__ import annotations

import json
import os
import signal
import sys
from base64 import urlsafe_b64decode
from datetime import timedelta
from pathlib import Path

import pytest

from grantflow import Client, TokenSource
from grantflow.core.client.provider import Provider
from grantflow.core.values.request import Request
from grantflow.core.values.response import Reply, Response
from grantflow.core.values.secret import Secret
from grantflow.shell.discovery import discover
from grantflow.shell.stores import FileStore
from grantflow.signing import kept_dpop_key
from grantflow.testing import Script
from tests.support.cli_stage import ISSUER, Stage

HOURS = timedelta(hours=2)


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays()
    return made


def text_of(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def proofs(stage: Stage) -> list[dict[str, object]]:
    """Play a server that binds tokens, and keep the public keys that prove something."""
    shown: list[dict[str, object]] = []

    def transport(request: Request) -> Reply:
        reply = stage.transport(request)
        proof = next((text_of(value) for name, value in request.headers if name == "DPoP"), None)
        if proof is None or not isinstance(reply, Response) or reply.status != 200:
            return reply
        head = proof.partition(".")[0]
        shown.append(json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))["jwk"])
        answer = {**json.loads(reply.body), "token_type": "DPoP"}
        return Response(200, {}, json.dumps(answer).encode())

    stage.answers_with(transport)
    return shown


def key_file(stage: Stage, name: str = "server.test") -> Path:
    return stage.home / "keys" / f"dpop-{name}.json"


def public_key(stage: Stage, profile: str) -> dict[str, object]:
    """The key that a profile names, without the algorithm and the thumbprint beside it."""
    found = stage.profiles()[profile]["dpop"]
    assert isinstance(found, dict)
    assert found.keys() >= {"alg", "jkt"}
    return {name: text for name, text in found.items() if name not in ("alg", "jkt")}


def private_part(stage: Stage) -> str:
    return str(json.loads(key_file(stage).read_text())["d"])


# -- a key for the tokens


def test_the_tokens_are_bound_to_a_key_that_is_kept(stage: Stage) -> None:
    shown = proofs(stage)
    stage.login("--dpop", "--scope", "read")
    public = public_key(stage, "server.test")
    assert shown == [public]
    assert private_part(stage) not in json.dumps(stage.document())
    if sys.platform != "win32":
        for each in (key_file(stage).parent, key_file(stage)):
            assert each.stat().st_mode & 0o077 == 0
    stage.clock.advance(HOURS)
    ran = stage.run("token", "--format", "header")
    assert ran.out.startswith("Authorization: DPoP ")
    assert shown == [public, public]
    status = stage.run("status")
    assert "bound to                 a key of this machine (DPoP)" in status.out.splitlines()
    assert json.loads(stage.run("status", "--json").out)["dpop"] is True
    assert "server.test: the key of its tokens is present" in stage.run("doctor").out
    assert private_part(stage) not in ran.err + status.out + stage.run("list", "--json").out
    assert stage.run("logout").code == 0
    assert stage.tokens() == []


def test_a_program_that_makes_no_proofs_is_not_handed_a_bound_token_in_silence(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "execve", lambda *_: 0)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    proofs(stage)
    stage.login("--dpop")
    stage.login("--profile", "plain")
    for words in (("token", "{}", "--format", "kubernetes"), ("run", "{}", "--", sys.executable)):
        for name, told in (("server.test", True), ("plain", False)):
            ran = stage.run(*(word.format(name) for word in words))
            assert ran.code in (0, None)  # execve does not return
            assert ("this token is bound to a key (DPoP)" in ran.err) == told


def test_the_next_sign_in_of_a_profile_has_its_key(stage: Stage) -> None:
    shown = proofs(stage)
    stage.login("--dpop")
    stage.run("logout")
    stage.login("--dpop")
    assert shown[0] == shown[1]
    stage.login("--dpop", "--profile", "other")
    assert shown[2] != shown[0]


def test_the_library_finds_the_token_by_the_key_in_the_file(stage: Stage) -> None:
    proofs(stage)
    stage.login("--dpop", "--profile", "work")
    provider = discover(ISSUER, stage.transport)
    assert isinstance(provider, Provider)
    client = Client(provider=provider, client_id="app", dpop=kept_dpop_key(key_file(stage, "work")))
    source = TokenSource(
        client, interactive=False, profile="work", store=FileStore(), clock=stage.clock
    )
    assert source.token().access_token.reveal() == stage.tokens()[0]["access_token"]


def test_a_bound_sign_in_is_apart_from_a_plain_one(stage: Stage) -> None:
    stage.login()
    plain = stage.tokens()[0]["access_token"]
    proofs(stage)
    stage.login("--dpop")
    [token] = stage.tokens()
    assert (token["token_type"], token["access_token"] != plain) == ("DPoP", True)
    stage.answers_with(stage.transport)
    stage.login()
    assert stage.tokens()[0]["token_type"] == "Bearer"
    assert "dpop" not in stage.profiles()["server.test"]


def test_both_halves_of_a_sign_in_prove_the_same_key(stage: Stage) -> None:
    shown = proofs(stage)
    ran = stage.run("login", "--start", "--issuer", ISSUER, "--client-id", "app", "--dpop")
    assert ran.code == 0, ran.err
    stage.monkeypatch.setattr(
        "grantflow.shell.profiles.profiles.Profiles.name_for", lambda *_: "renamed"
    )
    assert stage.run("login", "--finish").code == 0
    assert shown == [public_key(stage, "renamed")]
    stage.clock.advance(HOURS)
    assert stage.run("token").code == 0
    assert shown[0] == shown[1]


def test_a_server_that_binds_nothing_is_refused(stage: Stage) -> None:
    stage.plays(Script(approve_after=timedelta(), dpop=False))
    ran = stage.run("login", "--issuer", ISSUER, "--client-id", "app", "--dpop")
    assert ran.code == 1
    assert ran.err.splitlines()[-1].endswith(
        "does not bind tokens to a key; sign in without --dpop"
    )
    assert stage.tokens() == []


@pytest.mark.parametrize(
    ("damage", "hint"),
    [
        (None, "is missing: "),
        ("{", "cannot be read as a private key"),
        ("other", "holds another key than the tokens of server.test are bound to"),
    ],
)
def test_a_key_that_is_lost_or_damaged_is_told(stage: Stage, damage: str | None, hint: str) -> None:
    proofs(stage)
    stage.login("--dpop")
    path = key_file(stage)
    path.unlink()
    if damage == "other":
        kept_dpop_key(path)
    elif damage is not None:
        path.write_text(damage)
        path.chmod(0o600)
    assert stage.run("token").code == 0, "what is stored needs no key"
    examined = stage.run("doctor", "--json")
    [found] = [each for each in json.loads(examined.out)["checks"] if each["check"] == "key"]
    assert (examined.code, found["level"]) == (1, "problem")
    assert str(path) in found["message"]
    assert found["advice"].startswith("put ")
    stage.clock.advance(HOURS)
    asked = dict(stage.counts)
    ran = stage.run("token")
    assert ran.code == 1
    assert hint in ran.complaint()
    assert str(path) in ran.complaint()
    assert stage.counts == asked
    assert stage.run("status").code == 0
    ran = stage.run("logout")
    assert (ran.code, ran.complaint().endswith("here with --local-only")) == (1, True)
    assert stage.run("logout", "--local-only").code == 0
    assert stage.tokens() == []


def test_without_joserfc_it_is_told_before_a_person_is_asked(stage: Stage) -> None:
    for name in ("joserfc", "joserfc.jwk", "joserfc.jws"):
        stage.monkeypatch.setitem(sys.modules, name, None)
    ran = stage.run("login", "--issuer", ISSUER, "--client-id", "app", "--dpop")
    assert ran.code == 2
    assert ran.complaint().endswith("needs the joserfc library: pip install 'grantflow[jwt]'")
    assert "device" not in stage.counts


def test_who_signs_in_again_is_told_how(stage: Stage) -> None:
    stage.plays(Script(approve_after=timedelta(), refresh=False))
    proofs(stage)
    stage.login("--dpop")
    stage.clock.advance(HOURS)
    ran = stage.run("token", "--no-input")
    assert (ran.code, ran.complaint().endswith("--dpop --profile server.test")) == (3, True)


# -- an assertion that somebody else signs

ROBOT = ("login", "--token-endpoint", f"{ISSUER}/token", "--grant", "client_credentials")
ASSERTED = (*ROBOT, "--client-id", "robot", "--client-assertion-file", "assertion.jwt")


def forms(stage: Stage) -> list[dict[str, str]]:
    sent: list[dict[str, str]] = []

    def transport(request: Request) -> Reply:
        sent.append({name: text_of(value) for name, value in request.form})
        body = b'{"access_token": "at-1", "token_type": "Bearer", "expires_in": 3600}'
        return Response(200, {}, body)

    stage.answers_with(transport)
    return sent


def test_an_assertion_is_read_at_each_use(stage: Stage) -> None:
    sent = forms(stage)
    (stage.folder / "assertion.jwt").write_text("first.asser.tion\n")
    ran = stage.run(*ASSERTED)
    assert ran.code == 0, ran.err
    (stage.folder / "assertion.jwt").write_text("second.asser.tion\n")
    stage.clock.advance(HOURS)
    assert stage.run("token").code == 0
    assert [each["client_assertion"] for each in sent] == ["first.asser.tion", "second.asser.tion"]
    assert sent[0]["client_assertion_type"].endswith(":jwt-bearer")
    [profile] = stage.profiles().values()
    assert profile["client_assertion_file"] == str(stage.folder / "assertion.jwt")
    assert profile["client_auth"] == "client_assertion"
    assert "asser.tion" not in json.dumps(stage.document())


def test_an_assertion_that_is_not_there_is_told(stage: Stage) -> None:
    sent = forms(stage)
    ran = stage.run(*ASSERTED)
    assert (ran.code, sent) == (2, [])
    assert "assertion.jwt' cannot be read" in ran.complaint()
    assert "check --client-assertion-file" in ran.complaint()
    ran = stage.run(*ASSERTED, "--client-auth", "client_secret_post")
    assert (ran.code, "exclude each other" in ran.complaint()) == (2, True)
    ran = stage.run(*ROBOT, "--client-id", "robot", "--client-auth", "client_assertion")
    assert (ran.code, "use --client-assertion-file FILE" in ran.complaint()) == (2, True)
    (stage.folder / "assertion.jwt").write_text("an.asser.tion")
    assert stage.run(*ASSERTED).code == 0
    (stage.folder / "assertion.jwt").unlink()
    ran = stage.run("doctor", "--json")
    assert "assertion.jwt: No such file" in ran.out


# -- id and secret in headers


def test_id_and_secret_go_in_headers(stage: Stage) -> None:
    seen: list[Request] = []

    def transport(request: Request) -> Reply:
        seen.append(request)
        return Response(200, {}, b'{"access_token": "at-1", "token_type": "Bearer"}')

    stage.answers_with(transport)
    stage.monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", "s3cret")
    ran = stage.run(*ROBOT, "--client-id", "robot", "--client-auth", "client_secret_headers")
    assert ran.code == 0, ran.err
    headers = {name: text_of(value) for name, value in seen[0].headers}
    assert (headers["client-id"], headers["client-secret"]) == ("robot", "s3cret")
