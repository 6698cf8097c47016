"""``grantflow run``: a command with the token in its environment, in the place of this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import final

import pytest
from attrs import frozen

from grantflow.testing import Script
from tests.cli.test_process import POSIX, Shell
from tests.support.cli_stage import ISSUER, Stage

HOUR = timedelta(hours=1)
pytestmark = POSIX


@final
@frozen
class Became:
    """What would have taken this process's place."""

    program: str
    words: tuple[str, ...]
    environment: Mapping[str, str]


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[Became]:
    found: list[Became] = []

    def execve(program: str, words: list[str], environment: Mapping[str, str]) -> int:
        found.append(Became(program, tuple(words), dict(environment)))
        return 0

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setattr(signal, "signal", lambda number, action: None)
    return found


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays()
    return made


def given(stage: Stage, name: str = "ci", token: str = "at-1") -> None:
    stage.run("login", "--token-stdin", "--issuer", ISSUER, "--profile", name, stdin=token)


# -- what the command gets


def test_the_token_is_in_one_variable(stage: Stage, became: list[Became]) -> None:
    given(stage)
    ran = stage.run("run", "--", "sh", "-c", "true", "--", "--env", "x")
    assert (ran.out, ran.err) == ("", "")
    [it] = became
    assert it.words == ("sh", "-c", "true", "--", "--env", "x")
    assert Path(it.program).name == "sh"
    assert {name for name, text in it.environment.items() if "at-1" in text} == {"ACCESS_TOKEN"}
    assert {**os.environ, "ACCESS_TOKEN": "at-1"} == it.environment


def test_the_client_s_secret_is_not_handed_on(
    stage: Stage, became: list[Became], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", "hunter2secret")
    given(stage)
    stage.run("run", "--", "sh")
    [it] = became
    assert "hunter2secret" not in str(it.environment)
    assert it.environment["ACCESS_TOKEN"] == "at-1"


def test_variables_may_be_named(stage: Stage, became: list[Became]) -> None:
    given(stage)
    stage.run("run", "ci", "--env", "GH_TOKEN", "--env=_x1", "--", "sh")
    assert {name for name, text in became[0].environment.items() if text == "at-1"} == {
        "GH_TOKEN",
        "_x1",
    }


def test_a_profile_is_named_before_the_command(stage: Stage, became: list[Became]) -> None:
    given(stage, "one", "at-1")
    given(stage, "two", "at-2")
    for argv in (("one",), ("two",), ()):
        stage.run("run", *argv, "--", "sh", "one")
    assert [it.environment["ACCESS_TOKEN"] for it in became] == ["at-1", "at-2", "at-2"]


def test_a_stale_token_is_renewed_first(stage: Stage, became: list[Became]) -> None:
    stage.login()
    stage.clock.advance(timedelta(minutes=10))
    stage.run("run", "--", "sh")
    stage.run("run", "--min-ttl", "3100", "--", "sh")
    [token] = stage.tokens()
    assert became[1].environment["ACCESS_TOKEN"] == token["access_token"]
    assert became[0].environment["ACCESS_TOKEN"] != token["access_token"]
    assert stage.counts["refresh"] == 1


def test_nothing_runs_on_a_token_that_lives_too_short(stage: Stage, became: list[Became]) -> None:
    stage.login()
    ran = stage.run("run", "--min-ttl", "7200", "--", "sh")
    assert (ran.code, became) == (1, [])
    assert "expires in 1 hour, less than --min-ttl (2 hours)" in ran.complaint()


def test_the_environment_s_token_is_used_as_everywhere(stage: Stage, became: list[Became]) -> None:
    given(stage)
    stage.monkeypatch.setenv("GRANTFLOW_TOKEN", "at-env")
    stage.run("run", "--", "sh")
    assert became[0].environment["ACCESS_TOKEN"] == "at-env"


# -- what is not run


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        ((), "the command comes after --"),
        (("ci",), "the command comes after --"),
        (("ci", "--"), "the command comes after --"),
        (("ci", "sh", "-c", "true"), "the command comes after --"),
        (("--env", "--", "sh"), "--env: expected one argument"),
        (("--env", "A=B", "--", "sh"), "--env: the name of a variable is needed, not 'A=B'"),
        (("--env", "1A", "--", "sh"), "--env: the name of a variable is needed"),
        (("--env", "", "--", "sh"), "--env: the name of a variable is needed"),
        (("--env", "caf\u00e9", "--", "sh"), "--env: the name of a variable is needed"),
        (("--evn", "A", "--", "sh"), "did you mean '--env'"),
    ],
)
def test_a_wrong_run_is_usage(
    stage: Stage, became: list[Became], argv: tuple[str, ...], hint: str
) -> None:
    given(stage)
    ran = stage.run("run", *argv)
    assert ran.code == 2
    assert hint in ran.complaint()
    assert became == []


def test_an_unknown_profile_runs_nothing(stage: Stage, became: list[Became]) -> None:
    given(stage)
    ran = stage.run("run", "wrok", "--", "sh")
    assert (ran.code, became) == (1, [])
    assert f"no profile 'wrok' in {stage.home}" in ran.complaint()


def test_a_command_that_is_not_there_costs_no_token(stage: Stage) -> None:
    stage.login()
    stage.clock.advance(HOUR)
    asked = len(stage.transport.requests)
    (stage.folder / "plain.txt").write_text("no program")
    for name, code, hint in [
        ("no-such-program", 127, "cannot run 'no-such-program': command not found"),
        ("./nothing", 127, "command not found"),
        ("", 127, "cannot run '': command not found"),
        ("./plain.txt", 126, "cannot run ./plain.txt: it is not executable"),
        (str(stage.folder), 126, "it is a directory"),
        ("a\x1b[31m", 127, "command not found"),
    ]:
        ran = stage.run("run", "--", name)
        assert ran.code == code
        assert hint in ran.complaint()
        assert "\x1b" not in ran.err
    assert len(stage.transport.requests) == asked


def test_a_file_that_the_system_cannot_run_is_told(stage: Stage) -> None:
    given(stage)
    program = stage.folder / "program"
    program.write_bytes(b"\x00\x01\x02")
    program.chmod(0o755)
    before = signal.getsignal(signal.SIGPIPE)
    try:
        ran = stage.run("run", "--", "./program")
    finally:
        signal.signal(signal.SIGPIPE, before)
    assert ran.code == 126
    assert ran.complaint() == "grantflow: cannot run ./program: Exec format error"


@pytest.mark.parametrize("more", [("--no-input",), ()])
def test_where_a_person_is_needed_nothing_runs(
    stage: Stage, became: list[Became], more: tuple[str, ...]
) -> None:
    stage.plays(Script(approve_after=timedelta(), refresh=False))
    stage.login()
    stage.clock.advance(HOUR)
    ran = stage.run("run", *more, "--", "sh", terminal=bool(more))
    assert ran.code == 3
    assert "run: grantflow login" in ran.complaint()
    assert became == []


# -- in earnest


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path / "home")
    with made.start("login", "--token-stdin", "--profile", "ci", stdin=subprocess.PIPE) as login:
        login.communicate("at-1\n", timeout=20)
    assert login.returncode == 0
    return made


def test_the_exit_code_and_the_streams_are_the_command_s(shell: Shell) -> None:
    program = "import os, sys; print(os.environ['ACCESS_TOKEN']); print(sys.stdin.read()); exit(7)"
    with shell.start("run", "--", sys.executable, "-c", program, stdin=subprocess.PIPE) as process:
        out, err = process.communicate("from outside", timeout=20)
    assert (process.returncode, out, err) == (7, "at-1\nfrom outside\n", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_reaches_the_command_and_its_end_is_seen(
    shell: Shell, number: signal.Signals
) -> None:
    with shell.start("run", "--", "sh", "-c", "echo $$; exec sleep 60") as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        process.send_signal(number)
        assert process.wait(timeout=60) == -number


def test_a_broken_pipe_ends_the_command_as_anywhere(shell: Shell) -> None:
    with shell.start("run", "--", "yes") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=60) == -signal.SIGPIPE


def test_the_command_inherits_no_file(shell: Shell) -> None:
    with shell.start("run", "--", "sh", "-c", "ls /proc/self/fd 2>/dev/null | wc -l") as process:
        out, _ = process.communicate(timeout=60)
    assert int(out) in (0, 4)  # the three streams, and the folder that ls reads


def test_the_token_is_in_no_argument(shell: Shell) -> None:
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("needs /proc")
    with shell.start("run", "--", "sleep", "60") as process:
        place = Path(f"/proc/{process.pid}")
        until = time.monotonic() + 20
        while place.joinpath("comm").read_text() != "sleep\n" and time.monotonic() < until:
            time.sleep(0.01)
        assert place.joinpath("cmdline").read_bytes() == b"sleep\x0060\x00"
        process.kill()
