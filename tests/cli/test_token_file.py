"""``grantflow run --token-file``: a file with a valid token while the command runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grantflow import StoreError, Token
from grantflow.cli.errors import CommandError
from grantflow.cli.token.fresh_file import CHECK, keep_fresh
from grantflow.stores import PrivateFile
from tests.cli.test_process import POSIX, Shell
from tests.support.cli_stage import ISSUER, Stage

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SHOWS = """
import os, pathlib, stat
path = pathlib.Path(os.environ["TOKEN_FILE"])
assert os.environ["OTHER"] == str(path) and "ACCESS_TOKEN" not in os.environ
assert "GRANTFLOW_CLIENT_SECRET" not in os.environ
modes = [stat.S_IMODE(each.stat().st_mode) for each in (path.parent, path)]
print(path.read_text(), *map(oct, modes), path, flush=True)
"""


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    made = Stage(tmp_path, monkeypatch, capsys)
    made.plays()
    return made


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    made = Shell(tmp_path / "home")
    with made.start("login", "--token-stdin", "--profile", "ci", stdin=subprocess.PIPE) as login:
        login.communicate("at-1\n", timeout=60)
    assert login.returncode == 0
    return made


# -- the file


def token(text: str, minutes: int, *, issued: int = 0) -> Token:
    at = NOON + timedelta(minutes=issued)
    ends = NOON + timedelta(minutes=minutes)
    return Token(access_token=text, expires_at=ends, issued_at=at)


class Beside:
    """A command that runs for some virtual minutes, and looks at its file at every pause."""

    def __init__(self, folder: Path, minutes: float) -> None:
        self.file = PrivateFile(folder / "token")
        self.now = NOON
        self.until = NOON + timedelta(minutes=minutes)
        self.seen: list[tuple[float, str]] = []
        self.pauses: list[timedelta] = []

    def ended(self, span: timedelta) -> bool:
        self.pauses.append(span)
        found = self.file.read()
        text = "" if found is None else found.decode()
        if not self.seen or self.seen[-1][1] != text:
            self.seen.append(((self.now - NOON).total_seconds() / 60, text))
        self.now += span
        return self.now >= self.until

    def runs(self, first: Token, then: Iterator[Token | Exception]) -> None:
        """``then`` says what each renewal brings; a token that is still good costs none."""
        current = first

        def acquire(least: timedelta) -> Token:
            nonlocal current
            assert current.expires_at is not None
            if current.expires_at - self.now <= least:
                found = next(then)
                if isinstance(found, Exception):
                    raise found
                current = found
            return current

        self.file.write(first.access_token)
        keep_fresh(self.file, first, acquire, self.ended, lambda: self.now)


def test_it_is_renewed_before_the_token_expires(tmp_path: Path) -> None:
    beside = Beside(tmp_path, 150)
    more = iter([token("b", 115, issued=55), token("c", 170, issued=110)])
    beside.runs(token("a", 60), more)
    assert beside.seen == [(0, "a"), (55, "b"), (110, "c")]
    assert max(beside.pauses) == CHECK


def test_a_short_lived_one_is_not_missed(tmp_path: Path) -> None:
    at = NOON + timedelta(seconds=8)
    first = Token(access_token="a", expires_at=NOON + timedelta(seconds=10), issued_at=NOON)
    later = Token(access_token="b", expires_at=at + timedelta(hours=1), issued_at=at)
    beside = Beside(tmp_path, 1)
    beside.runs(first, iter([later]))
    assert beside.pauses[0] == timedelta(seconds=8)
    assert [text for _, text in beside.seen] == ["a", "b"]


def test_what_fails_is_told_once_and_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beside = Beside(tmp_path, 70)
    trouble = [CommandError("no answer", "try later"), CommandError("no answer", "try later")]
    beside.runs(
        token("a", 60), iter([*trouble, StoreError("disk full"), token("b", 120, issued=56)])
    )
    assert [text for _, text in beside.seen] == ["a", "b"]
    assert capsys.readouterr().err.splitlines() == [
        "grantflow: the token file is not renewed: no answer; try later",
        "grantflow: the token file is not renewed: disk full",
    ]


# -- the command


def test_a_variable_and_a_file_exclude_each_other(stage: Stage) -> None:
    stage.login()
    ran = stage.run("run", "--env", "A", "--token-file", "B", "--", "true")
    assert ran.code == 2
    assert "--env and --token-file exclude each other" in ran.complaint()


@pytest.mark.parametrize("name", ["A=B", "1A", ""])
def test_the_name_of_a_variable_is_needed(stage: Stage, name: str) -> None:
    ran = stage.run("run", "--token-file", name, "--", "true")
    assert ran.code == 2
    assert "the name of a variable is needed" in ran.complaint()


def test_what_cannot_run_leaves_no_file(stage: Stage) -> None:
    stage.run("login", "--token-stdin", "--issuer", ISSUER, "--profile", "ci", stdin="at-1")
    stage.monkeypatch.setenv("XDG_RUNTIME_DIR", str(stage.folder))
    program = stage.folder / "program"
    program.write_bytes(b"\x00\x01\x02")
    program.chmod(0o755)
    before = {each.name for each in stage.folder.iterdir()}
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    ran = stage.run("run", "--token-file", "A", "--", "./program")
    assert ran.code == 126
    assert "cannot run ./program: Exec format error" in ran.complaint()
    assert {each.name for each in stage.folder.iterdir()} == before
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers


@POSIX
def test_the_command_has_a_file_of_its_own(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    argv = ("--token-file", "TOKEN_FILE", "--token-file=OTHER", "--", sys.executable, "-c")
    monkeypatch.setenv("GRANTFLOW_CLIENT_SECRET", "hunter2")
    with shell.start("run", "ci", *argv, f"{SHOWS}\nexit(7)") as process:
        out, err = process.communicate(timeout=60)
    text, folder, file, path = out.split()
    assert (process.returncode, err) == (7, "")
    assert (text, folder, file) == ("at-1", "0o700", "0o600")
    assert not Path(path).exists()
    assert not Path(path).parent.exists()


@POSIX
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_passed_on_and_the_file_goes(shell: Shell, number: signal.Signals) -> None:
    program = f"{SHOWS.replace('OTHER', 'TOKEN_FILE')}\nimport time; time.sleep(600)"
    argv = ("--token-file", "TOKEN_FILE", "--", sys.executable, "-c", program)
    with shell.start("run", *argv) as process:
        assert process.stdout is not None
        path = Path(process.stdout.readline().split()[-1])
        assert path.read_text() == "at-1"
        os.kill(process.pid, number)
        assert process.wait(timeout=60) == 128 + number
    assert not path.parent.exists()
