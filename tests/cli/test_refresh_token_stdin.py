"""``grantflow login --refresh-token-stdin``: a sign-in that another program made goes on here."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from grantflow import Token
from grantflow.core.values.response import Fault
from grantflow.stores import FileStore
from grantflow.testing import Script
from tests.support.cli_stage import ISSUER, Person, Stage

HOUR = timedelta(hours=1)
FLAG = "--refresh-token-stdin"
RENEWS = ("login", FLAG, "--token-endpoint", f"{ISSUER}/token", "--client-id", "app")


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays(Script(approve_after=timedelta()))
    return made


def elsewhere(stage: Stage) -> str:
    """A refresh token of another program's sign-in at the same server."""
    stage.moves("elsewhere")
    stage.login("--scope", "read")
    [token] = stage.tokens()
    stage.moves("home")
    return str(token["refresh_token"])


@pytest.mark.parametrize("place", [("--issuer", ISSUER), ("--token-endpoint", f"{ISSUER}/token")])
def test_a_refresh_token_becomes_a_profile(stage: Stage, place: tuple[str, str]) -> None:
    given = elsewhere(stage)
    argv = ("login", FLAG, *place, "--client-id", "app", "--profile", "moved", "--scope", "read")
    ran = stage.run(*argv, stdin=f"{given}\n")
    assert (ran.code, ran.out) == (0, "")
    assert "Signed in: profile moved, expires in 1 hour (refreshed automatically)" in ran.err
    assert stage.counts["refresh"] == 1
    first = stage.run("token", "moved").out
    stage.clock.advance(HOUR)
    assert stage.run("token", "moved", "--no-input").out not in ("", first)
    assert given not in ran.err


def test_a_provider_that_only_renews_is_named_like_any_other(stage: Stage) -> None:
    given = elsewhere(stage)
    (stage.folder / "own.toml").write_text(
        f'[renews]\ntitle = "Renews"\ntoken_endpoint = "{ISSUER}/token"\n'
        'client_credentials = false\nauth_methods = ["none"]\n'
    )
    argv = ("login", "renews", FLAG, "--provider-file", "own.toml", "--client-id", "app")
    ran = stage.run(*argv, stdin=given)
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("terminal", [True, False])
def test_where_nobody_can_be_asked_the_next_one_is_named(stage: Stage, terminal: bool) -> None:
    stage.run(*RENEWS, "--profile", "p", stdin=elsewhere(stage))
    FileStore().save(stage.token_key("p"), Token(access_token="at", refresh_token="gone"))
    stage.has(terminal=Person())
    ran = stage.run("token", "p", "--renew", terminal=terminal)
    assert ran.code == 3
    assert f"run: grantflow login {FLAG[:0]}" in ran.err
    assert FLAG in ran.err


def test_a_refused_one_stores_nothing(stage: Stage) -> None:
    ran = stage.run(*RENEWS, stdin="rt-unknown-to-the-server")
    assert ran.code == 1
    assert "invalid_grant" in ran.complaint() or "no such refresh token" in ran.complaint()
    assert "rt-unknown" not in ran.err
    assert not (stage.home / "profiles.json").exists()
    assert list((stage.home / "tokens").glob("*.json")) == []


def test_one_whose_answer_was_lost_is_sent_once(stage: Stage) -> None:
    seen: list[str] = []

    def lost(request: object) -> Fault:
        seen.append(str(request))
        return Fault("timeout", "maybe")

    stage.answers_with(lost)
    ran = stage.run(*RENEWS, stdin="rt-1")
    assert (ran.code, len(seen)) == (1, 1)


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (("--token-stdin",), "standard input is read only once"),
        (("--client-secret-file", "-"), "standard input is read only once"),
        (("--start",), "there is no sign-in to wait for"),
        (("--grant", "client_credentials"), "a machine needs no refresh token"),
    ],
)
def test_what_does_not_go_with_it_is_usage(stage: Stage, argv: tuple[str, ...], hint: str) -> None:
    ran = stage.run(*RENEWS, *argv, stdin="rt-1")
    assert ran.code == 2
    assert hint in ran.complaint()


@pytest.mark.parametrize(("text", "hint"), [("", "is empty"), ("a b", "holds characters")])
def test_what_is_no_token_is_usage(stage: Stage, text: str, hint: str) -> None:
    ran = stage.run(*RENEWS, stdin=text)
    assert ran.code == 2
    assert f"standard input {hint}" in ran.complaint()
