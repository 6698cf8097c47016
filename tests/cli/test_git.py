"""``grantflow token --format git-credential``: git's own words in, a token as a password out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from grantflow.core.values.response import Fault
from grantflow.testing import Script, serve
from tests.cli.test_process import Shell
from tests.support.cli_stage import ISSUER, Ran, Stage

HOUR = timedelta(hours=1)
HOST = "server.test"
FORMAT = ("--format", "git-credential")


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays()
    return made


def question(host: str = HOST, protocol: str = "https", **more: str) -> str:
    members = {"protocol": protocol, "host": host, **more, "wwwauth[]": 'Basic realm="git"'}
    return "".join(f"{name}={value}\n" for name, value in members.items())


def get(stage: Stage, asked: str, *argv: str) -> Ran:
    return stage.run("token", *argv, *FORMAT, "get", stdin=asked)


def access_token(stage: Stage) -> str:
    [token] = stage.tokens()
    return str(token["access_token"])


def test_git_gets_a_name_a_password_and_its_end(stage: Stage) -> None:
    stage.login()
    ran = get(stage, question())
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "username=oauth2",
        f"password={access_token(stage)}",
        "password_expiry_utc=1767229215",  # 2026-01-01T01:00:15Z
    ]


def test_a_token_without_an_end_is_given_without_one(stage: Stage) -> None:
    stage.plays(Script(approve_after=timedelta(), token_lifetime=None))
    stage.login()
    assert "expiry" not in get(stage, question()).out


def test_the_name_that_git_knows_is_kept(stage: Stage) -> None:
    stage.login()
    assert get(stage, question(username="x-token-auth")).out.startswith("username=x-token-auth\n")


def test_a_stale_token_is_renewed(stage: Stage) -> None:
    stage.login()
    stage.clock.advance(HOUR)
    assert f"password={access_token(stage)}\n" not in get(stage, question()).out
    assert stage.counts["refresh"] == 1


@pytest.mark.parametrize("order", ["profile first", "profile last"])
def test_a_profile_may_be_named(stage: Stage, order: str) -> None:
    stage.run("login", "--token-stdin", "--issuer", ISSUER, "--profile", "get", stdin="at-get")
    stage.run("login", "--token-stdin", "--issuer", ISSUER, "--profile", "two", stdin="at-two")
    words = ("get", *FORMAT) if order == "profile first" else (*FORMAT, "get")
    assert "password=at-get\n" in stage.run("token", *words, "get", stdin=question()).out
    assert "password=at-two\n" in stage.run("token", *FORMAT, "get", stdin=question()).out


# -- a token goes nowhere else

EVIL = "https://evil.example"


@pytest.mark.parametrize(
    "asked",
    [
        question("evil.example"),
        question("server.test.evil.example"),
        question("evilserver.test"),
        question("server.test:8443"),
        question("server.test", protocol="http"),
        question("server.test", protocol="ssh"),
        question("server.test", protocol=""),
        question("server.test@evil.example"),
        question("user@server.test"),
        question("evil.example#server.test"),
        question("evil.example/server.test"),
        question("evil.example\\server.test"),
        question("[server.test"),
        question(""),
        "",
        "\n",
        "host\n",
        "protocol=https\n",
        question("evil.example").replace("host=", "host=server.test\nhost="),
        "\n" + question(),
    ],
)
def test_a_token_goes_to_no_other_host(stage: Stage, asked: str) -> None:
    stage.login()
    stage.monkeypatch.delenv("GIT_TRACE", raising=False)
    ran = get(stage, asked)
    assert (ran.code, ran.out, ran.err) == (0, "", "")


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (
            question("evil.example"),
            f"the token of profile server.test goes to {ISSUER}, and git asks for {EVIL}",
        ),
        (
            question(protocol="http"),
            "git names no host that is reached over https, or on this machine",
        ),
    ],
)
@pytest.mark.parametrize("traced", ["1", "true", "2", "/tmp/trace"])
def test_who_traces_git_is_told_why_nothing_comes(
    stage: Stage, asked: str, why: str, traced: str
) -> None:
    stage.login()
    stage.monkeypatch.setenv("GIT_TRACE", traced)
    ran = get(stage, asked)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith(f"grantflow: no token: {why}")
    assert get(stage, question()).err == ""
    for off in ("0", "false", ""):
        stage.monkeypatch.setenv("GIT_TRACE", off)
        assert get(stage, asked).err == ""


@pytest.mark.parametrize("host", ["server.test", "SERVER.test", "server.test:443"])
def test_a_host_is_known_however_it_is_written(stage: Stage, host: str) -> None:
    stage.login()
    assert "password=" in get(stage, question(host)).out


def test_hosts_may_be_named_and_then_count_alone(stage: Stage) -> None:
    stage.login()
    hosts = ("--host", "git.example", "--host", "code.example:8443")
    assert "password=" in get(stage, question("git.example"), *hosts).out
    assert "password=" in get(stage, question("code.example:8443"), *hosts).out
    for host in ("server.test", "code.example", "git.example:8443"):
        assert get(stage, question(host), *hosts).out == ""
    assert get(stage, question("git.example", protocol="http"), *hosts).out == ""


def test_this_machine_may_be_asked_in_the_clear(stage: Stage) -> None:
    stage.login()
    asked = question("127.0.0.1:3000", protocol="http")
    assert get(stage, asked).out == ""
    assert "password=" in get(stage, asked, "--host", "127.0.0.1:3000").out


@pytest.mark.parametrize(
    "host", ["https://git.example", "git.example/a", "", "a b", "u@git.example"]
)
def test_a_host_that_is_none_is_usage(stage: Stage, host: str) -> None:
    stage.login()
    ran = get(stage, question(), "--host", host)
    assert ran.code == 2
    assert ran.complaint().startswith("grantflow: --host: HOST or HOST:PORT is needed, not ")


def test_a_token_of_nowhere_needs_a_host(stage: Stage) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    ran = get(stage, question())
    assert ran.code == 2
    assert "--host HOST" in ran.complaint()
    assert "password=at-1\n" in get(stage, question(), "--host", HOST).out


def test_a_host_that_is_not_ours_costs_nothing(stage: Stage) -> None:
    stage.login()
    stage.clock.advance(HOUR)
    assert get(stage, question("evil.example")).out == ""
    assert "refresh" not in stage.counts


def test_the_environment_s_token_goes_where_the_profile_s_would(stage: Stage) -> None:
    stage.login()
    stage.monkeypatch.setenv("GRANTFLOW_TOKEN", "at-env")
    assert "password=at-env\n" in get(stage, question()).out
    assert get(stage, question("evil.example")).out == ""
    (stage.home / "profiles.json").unlink()
    assert get(stage, question()).code == 2
    assert "password=at-env\n" in get(stage, question(), "--host", HOST).out


# -- what else git says


@pytest.mark.parametrize("operation", ["store", "later"])
def test_what_git_tells_is_heard_in_silence(stage: Stage, operation: str) -> None:
    stage.login()
    asked = question(username="oauth2", password="at-of-somebody")
    ran = stage.run("token", *FORMAT, operation, stdin=asked)
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert not (stage.home / "rejected.json").exists()


def test_a_person_is_told_how_to_tell_git(stage: Stage) -> None:
    stage.login()
    for ran in (
        stage.run("token", *FORMAT, stdin=question()),
        stage.run("token", *FORMAT, "get", terminal=True),
    ):
        assert ran.code == 2
        assert "git config --global credential.https://HOST.helper" in ran.complaint()


def test_the_words_for_git_are_for_git(stage: Stage) -> None:
    stage.login()
    assert "unexpected argument 'get'" in stage.run("token", HOST, "get").complaint()
    assert "--format git-credential" in stage.run("token", "--host", HOST).complaint()


def test_where_a_person_is_needed_nobody_is_asked(stage: Stage) -> None:
    stage.plays(Script(approve_after=timedelta(), refresh=False))
    stage.login()
    stage.clock.advance(HOUR)
    ran = get(stage, question())
    assert ran.code == 3
    assert "run: grantflow login" in ran.complaint()


# -- a refusal


def erase(stage: Stage, password: str, host: str = HOST, *argv: str) -> Ran:
    asked = question(host, username="oauth2", password=password)
    return stage.run("token", *argv, *FORMAT, "erase", stdin=asked)


def test_a_refused_token_is_renewed(stage: Stage) -> None:
    stage.login()
    before = access_token(stage)
    ran = erase(stage, before)
    assert (ran.code, ran.out) == (0, "")
    assert "it was renewed, try again" in ran.err
    assert access_token(stage) != before
    assert f"password={access_token(stage)}\n" in get(stage, question()).out


def test_a_loop_of_refusals_ends_and_the_sign_in_stays(stage: Stage) -> None:
    stage.login()
    given: list[str] = []
    for _ in range(10):
        answer = get(stage, question()).out.splitlines()
        if not answer:
            break
        given.append(answer[1].removeprefix("password="))
        erase(stage, given[-1])
    assert len(given) == 2
    assert stage.counts["refresh"] == 1
    ran = get(stage, question())
    assert ran.code == 1
    assert "refused the token of profile server.test; check" in ran.complaint()
    assert "sign in again: grantflow login --issuer https://server.test" in ran.err
    assert len(stage.tokens()) == 1
    assert stage.run("token").out == f"{given[-1]}\n"


def test_a_refusal_is_forgotten_after_a_while(stage: Stage) -> None:
    stage.login()
    erase(stage, access_token(stage))
    erase(stage, access_token(stage))
    assert get(stage, question()).out == ""
    stage.clock.advance(timedelta(minutes=11))
    assert "password=" in get(stage, question()).out
    erase(stage, access_token(stage))
    assert stage.counts["refresh"] == 2
    refused = json.loads((stage.home / "rejected.json").read_text())["rejected"]
    assert len(refused) == 1


def test_a_refusal_of_one_host_is_not_another_s(stage: Stage) -> None:
    stage.run("login", "--token-stdin", "--profile", "ci", stdin="at-1")
    hosts = ("--host", "git.example", "--host", "code.example")
    erase(stage, "at-1", "git.example", *hosts)
    assert get(stage, question("git.example"), *hosts).code == 1
    assert "password=at-1\n" in get(stage, question("code.example"), *hosts).out


@pytest.mark.parametrize(
    ("password", "host"), [("another", HOST), ("at-1", "evil.example"), ("", HOST)]
)
def test_what_is_not_ours_is_not_erased(stage: Stage, password: str, host: str) -> None:
    stage.run("login", "--token-stdin", "--issuer", ISSUER, "--profile", "ci", stdin="at-1")
    ran = erase(stage, password, host)
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert "password=at-1\n" in get(stage, question()).out


def test_an_erase_without_a_password_means_whatever_there_is(stage: Stage) -> None:
    stage.run("login", "--token-stdin", "--issuer", ISSUER, "--profile", "ci", stdin="at-1")
    assert stage.run("token", *FORMAT, "erase", stdin=question()).code == 0
    assert get(stage, question()).code == 1
    assert len(stage.tokens()) == 1


def test_without_a_network_a_refused_token_is_kept_and_not_given(stage: Stage) -> None:
    stage.login()
    before = access_token(stage)
    stage.answers_with(lambda request: Fault("refused", "no", "connection refused"))
    ran = erase(stage, before)
    assert ran.code == 0
    assert "renewed, try again" not in ran.err
    assert access_token(stage) == before
    assert get(stage, question()).out == ""


def test_a_refused_token_of_the_environment_is_told(stage: Stage) -> None:
    stage.login()
    stage.monkeypatch.setenv("GRANTFLOW_TOKEN", "at-env")
    ran = erase(stage, "at-env")
    assert "refused the token of GRANTFLOW_TOKEN; set another one" in ran.err
    assert get(stage, question()).code == 1
    assert "refresh" not in stage.counts
    stage.monkeypatch.delenv("GRANTFLOW_TOKEN")
    assert "password=" in get(stage, question()).out


@pytest.mark.parametrize(
    "text", [b"{", b"[]", b'{"rejected": 5}', b'{"rejected": [["a"], "b", 1]}']
)
def test_damaged_refusals_are_none(stage: Stage, text: bytes) -> None:
    stage.run("login", "--token-stdin", "--issuer", ISSUER, "--profile", "ci", stdin="at-1")
    path = stage.home / "rejected.json"
    path.write_bytes(text)
    path.chmod(0o600)
    assert "password=at-1\n" in get(stage, question()).out
    erase(stage, "at-1")
    assert get(stage, question()).code == 1


def test_no_refusal_shows_a_token(stage: Stage) -> None:
    stage.run("login", "--token-stdin", "--issuer", ISSUER, "--profile", "ci", stdin="at-hunter2")
    shown = erase(stage, "at-hunter2").err + get(stage, question()).err
    assert "hunter2" not in shown + (stage.home / "rejected.json").read_text()
    assert (stage.home / "rejected.json").stat().st_mode & 0o777 == 0o600


# -- git itself


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_itself_asks_and_is_answered(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "home")
    environment = shell.environment | {
        "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
    }

    def git(*argv: str, told: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *argv],
            input=told,
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            check=False,
        )

    with serve(Script(interval=timedelta(seconds=1), approve_after=timedelta())) as server:
        login = ("login", "--issuer", server.issuer, "--client-id", "demo", "--profile", "work")
        assert shell.run(*login)[0] == 0
        helper = (
            f"!'{Path(sys.executable).as_posix()}' -m grantflow token work --format git-credential"
        )
        git("config", "--global", "credential.helper", helper)
        place = f"protocol=http\nhost={server.issuer.removeprefix('http://')}\n"

        def filled() -> str:
            found = git("credential", "fill", told=f"{place}\n")
            assert found.returncode == 0, found.stderr
            [password] = [each for each in found.stdout.splitlines() if "password=" in each]
            assert "username=oauth2" in found.stdout
            return password

        first = filled()
        assert first == f"password={shell.run('token')[1].strip()}"
        known = f"{place}username=oauth2\n{first}\n\n"
        assert git("credential", "approve", told=known).stderr == ""
        assert filled() == first

        refused = git("credential", "reject", told=known)
        assert "it was renewed, try again" in refused.stderr
        second = filled()
        assert second != first

        git("credential", "reject", told=f"{place}username=oauth2\n{second}\n\n")
        last = git("credential", "fill", told=f"{place}\n")
        assert last.returncode != 0
        assert second not in last.stdout

        elsewhere = git("credential", "fill", told="protocol=https\nhost=evil.example\n\n")
        assert elsewhere.returncode != 0
        assert "password" not in elsewhere.stdout
        assert server.server.counts["refresh"] == 1
    assert os.listdir(tmp_path / "home" / "tokens") != []
