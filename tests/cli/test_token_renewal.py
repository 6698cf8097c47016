"""``grantflow token --renew`` and ``--id-token``: another token, and the other token."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grantflow import FileStore, Request
from grantflow.cli.token import quick
from grantflow.core.values.response import Fault, Response
from grantflow.testing import Script
from tests.support.cli_stage import ISSUER, Stage
from tests.support.jwt import unsigned

HOUR = timedelta(hours=1)
VERSION = "client.authentication.k8s.io"


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    monkeypatch.delenv("KUBERNETES_EXEC_INFO", raising=False)
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays()
    return made


# -- --renew


def test_a_refused_token_is_replaced(stage: Stage) -> None:
    stage.login()
    before = stage.run("token").out
    ran = stage.run("token", "--renew", "--no-input")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out not in ("", before)
    assert stage.run("token").out == ran.out
    assert stage.counts["refresh"] == 1


def test_a_machine_s_refused_token_is_replaced(stage: Stage) -> None:
    stage.monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", "s3cret-one")
    argv = ("--client-id", "robot", "--grant", "client_credentials")
    stage.run("login", "--token-endpoint", f"{ISSUER}/token", *argv)
    before = stage.run("token").out
    assert stage.run("token", "--renew").out not in ("", before)


def test_what_cannot_be_renewed_needs_a_person(stage: Stage) -> None:
    stage.plays(Script(approve_after=timedelta(), refresh=False))
    stage.login()
    ran = stage.run("token", "--renew", "--no-input")
    assert ran.code == 3
    assert "run: grantflow login --issuer" in ran.complaint()
    assert stage.run("token").code == 0  # the refused one is not thrown away by a guess


def test_a_token_by_hand_needs_a_person(stage: Stage) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    ran = stage.run("token", "--renew")
    assert ran.code == 3
    assert "grantflow login --token-stdin --profile ci" in ran.complaint()


def test_a_token_of_the_environment_cannot_be_renewed(stage: Stage) -> None:
    stage.login()
    stage.monkeypatch.setenv("GRANTFLOW_TOKEN", "at-1")
    ran = stage.run("token", "--renew")
    assert ran.code == 1
    assert "the token of GRANTFLOW_TOKEN cannot be renewed" in ran.complaint()
    assert "at-1" not in ran.err


def test_the_same_token_again_is_no_renewal(stage: Stage) -> None:
    stage.login()
    same = stage.run("token").out.strip()
    reply = {"access_token": same, "token_type": "Bearer", "expires_in": 3600}
    stage.answers_with(lambda _: Response(200, {}, json.dumps(reply).encode()))
    ran = stage.run("token", "--renew", "--no-input")
    assert ran.code == 1
    assert "the server gave the refused token again" in ran.complaint()


def test_without_an_answer_the_exit_says_so(stage: Stage) -> None:
    stage.login()
    stage.answers_with(lambda _: Fault("timeout", "maybe"))
    ran = stage.run("token", "--renew", "--no-input")
    assert ran.code == 1
    assert ran.out == ""


def test_what_another_process_renewed_is_taken(stage: Stage) -> None:
    """The refused token was replaced while this command waited for the lock."""
    stage.login()
    key = stage.token_key("server.test")
    server = stage.transport
    store = FileStore()
    seen: list[Request] = []

    class Late(FileStore):
        def read(self, key: str, /):  # type: ignore[no-untyped-def]
            found = store.read(key)
            if not seen:
                seen.append(Request(ISSUER))
                ran = stage.run("token", "--renew", "--no-input")
                assert ran.code == 0
            return found

    before = len(server.requests)
    stage.has(stores=lambda _: Late())
    ran = stage.run("token", "--renew", "--no-input")
    stored = store.read(key)
    assert stored is not None
    assert ran.out == f"{stored.access_token.reveal()}\n"
    assert len(server.requests) == before + 1


def test_renewals_at_the_same_time_are_one(stage: Stage) -> None:
    from grantflow import TokenSource
    from grantflow.cli.profiles.client import client_of_profile
    from grantflow.shell.profiles import profiles

    stage.login()
    client = client_of_profile(profiles.load().named(None), stage.context)
    refused = FileStore().read(stage.token_key("server.test"))
    assert refused is not None

    def renewed(_: int) -> str:
        source = TokenSource(
            client, transport=stage.transport, clock=stage.clock, profile="server.test"
        )
        return source.renew(refused).access_token.reveal()

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(renewed, range(4)))
    assert len(found) == 1
    assert refused.access_token.reveal() not in found
    assert stage.counts["refresh"] == 1


def test_git_has_its_own_way_to_say_so(stage: Stage) -> None:
    stage.login()
    for flag in ("--renew", "--id-token"):
        ran = stage.run("token", "--format", "git-credential", flag, "get")
        assert ran.code == 2
        assert f"{flag} is not for git-credential" in ran.complaint()


# -- --id-token


def id_token(stage: Stage) -> str:
    [token] = stage.tokens()
    return str(token["id_token"])


def test_the_id_token_is_printed(stage: Stage) -> None:
    stage.login("--scope", "openid")
    for argv, out in [
        ((), f"{id_token(stage)}\n"),
        (("--format", "header"), f"Authorization: Bearer {id_token(stage)}\n"),
    ]:
        assert stage.run("token", "--id-token", *argv).out == out
        assert quick.answer(["token", "--id-token", *argv], stage.now()) == [out.strip()]
    both = json.loads(stage.run("token", "--id-token", "--format", "json").out)
    assert both["id_token"] == id_token(stage)
    assert both["access_token"] == stage.run("token").out.strip()
    assert "id_token" not in stage.run("token", "--format", "json").out


def test_kubernetes_gets_the_id_token_with_its_own_expiry(stage: Stage) -> None:
    ends = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
    stage.plays(Script(approve_after=timedelta(), claims={"exp": int(ends.timestamp())}))
    stage.login("--scope", "openid")
    argv = ["token", "--format", "kubernetes", "--id-token"]
    ran = stage.run(*argv)
    status = json.loads(ran.out)["status"]
    assert status == {"token": id_token(stage), "expirationTimestamp": "2026-01-01T00:30:00Z"}
    assert quick.answer(argv, stage.now()) == [ran.out.strip()]


def test_an_id_token_is_renewed_before_its_own_end(stage: Stage) -> None:
    stage.login("--scope", "openid offline_access")
    short = unsigned({"sub": "x", "exp": stage.now() + 20, "iat": stage.now() - 3600})
    stage.rewrites_token(id_token=short)
    before = stage.run("token").out
    assert quick.answer(["token", "--id-token"], stage.now()) is None
    ran = stage.run("token", "--id-token", "--no-input")
    assert ran.code == 0
    assert ran.out.strip() == id_token(stage) != short
    assert stage.run("token").out != before
    assert stage.counts["refresh"] == 1


def test_an_id_token_that_the_refresh_does_not_renew_needs_a_person(stage: Stage) -> None:
    stage.login("--scope", "openid")
    short = unsigned({"sub": "x", "exp": stage.now() + 20, "iat": stage.now() - 3600})
    stage.rewrites_token(id_token=short)
    reply = {"access_token": "at-2", "token_type": "Bearer", "expires_in": 3600}
    stage.answers_with(lambda _: Response(200, {}, json.dumps(reply).encode()))
    ran = stage.run("token", "--id-token", "--no-input")
    assert ran.code == 3
    assert "run: grantflow login --issuer" in ran.complaint()
    assert stage.run("token").out == "at-2\n"


@pytest.mark.parametrize("argv", [(), ("--renew",), ("--min-ttl", "60")])
def test_no_id_token_is_told(stage: Stage, argv: tuple[str, ...]) -> None:
    stage.login("--scope", "read")
    ran = stage.run("token", "--id-token", "--no-input", *argv)
    assert ran.code == 1
    assert "has no ID token; sign in with --scope openid" in ran.complaint()


def test_the_environment_s_token_has_no_id_token(stage: Stage) -> None:
    stage.login("--scope", "openid")
    stage.monkeypatch.setenv("GRANTFLOW_TOKEN", "at-1")
    ran = stage.run("token", "--id-token")
    assert ran.code == 1
    assert "a token of the environment has no ID token" in ran.complaint()


@pytest.mark.parametrize("text", ["opaque", "a.b.c", unsigned({"exp": "soon"}), unsigned({})])
def test_an_id_token_that_says_no_end_is_used(stage: Stage, text: str) -> None:
    stage.login("--scope", "openid")
    stage.rewrites_token(id_token=text)
    ran = stage.run("token", "--id-token", "--format", "kubernetes", "--no-input")
    assert json.loads(ran.out)["status"] == {"token": text}


# -- --kubernetes-version


def asks(stage: Stage, info: object) -> None:
    stage.monkeypatch.setenv("KUBERNETES_EXEC_INFO", json.dumps(info))


@pytest.mark.parametrize("word", ["v1", "v1beta1", f"{VERSION}/v1beta1"])
def test_a_version_may_be_named(stage: Stage, word: str) -> None:
    stage.login()
    argv = ["token", "--format", "kubernetes", "--kubernetes-version", word]
    ran = stage.run(*argv)
    assert json.loads(ran.out)["apiVersion"] == f"{VERSION}/{word.rpartition('/')[2]}"
    assert quick.answer(argv, stage.now()) == [ran.out.strip()]


def test_what_the_client_asks_for_wins(stage: Stage) -> None:
    stage.login()
    asks(stage, {"apiVersion": f"{VERSION}/v1", "spec": {}})
    argv = ["token", "--format", "kubernetes", "--kubernetes-version", "v1beta1"]
    assert json.loads(stage.run(*argv).out)["apiVersion"] == f"{VERSION}/v1"
    asks(stage, {"kind": "ExecCredential", "spec": {}})
    assert json.loads(stage.run(*argv).out)["apiVersion"] == f"{VERSION}/v1beta1"
    asks(stage, {"apiVersion": f"{VERSION}/v1alpha1"})
    assert stage.run(*argv).code == 2


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (("--kubernetes-version", "v1"), "--kubernetes-version is for --format kubernetes"),
        (
            ("--format", "kubernetes", "--kubernetes-version", "v2"),
            "unknown version 'v2'; it is v1 or v1beta1",
        ),
    ],
)
def test_a_wrong_version_is_usage(stage: Stage, argv: tuple[str, ...], hint: str) -> None:
    stage.login()
    ran = stage.run("token", *argv)
    assert ran.code == 2
    assert hint in ran.complaint()
