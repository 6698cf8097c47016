"""The command as people run it: processes of its own, sockets, signals and terminals."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import final

import pytest
from attrs import frozen

from grantflow.testing import Script, serve
from grantflow.testing.loopback.loopback import Loopback
from tests.support.cli_stage import edited

SECOND = timedelta(seconds=1)
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals and terminals")


@final
@frozen
class Shell:
    """Runs the command with a home of its own."""

    home: Path

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: text for name, text in os.environ.items() if "GRANTFLOW" not in name}
        proxies = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
        plain = {name: text for name, text in inherited.items() if name not in proxies}
        return plain | {"GRANTFLOW_HOME": str(self.home), "PYTHONWARNINGS": "error"}

    def start(self, *argv: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "grantflow", *argv],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )

    def run(self, *argv: str) -> tuple[int, str, str]:
        with self.start(*argv) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out, err


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "home")


def line_with(pattern: str, process: subprocess.Popen[str]) -> str:
    """Read standard error until a line matches, and return its first group."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError(f"no line matched {pattern}")


USER_CODE = r"user_code=([A-Z]{4}-[A-Z]{4})$"


def test_the_demo_plays_to_its_end(shell: Shell) -> None:
    code, out, err = shell.run("demo")
    assert (code, out) == (0, "")
    steps = re.findall(r"^(\d)  (\w+)", err, re.MULTILINE)
    assert [name for _, name in steps] == [
        *("server", "login", "token", "call", "refresh", "call", "logout", "call"),
    ]
    assert err.count("you are alice") == 2
    assert "401" in err
    assert not re.search(r"\b(at|rt|dc)-[0-9a-f]{8}", err)
    assert not shell.home.exists()


@contextmanager
def signing_in(shell: Shell, server: Loopback, *more: str) -> Iterator[subprocess.Popen[str]]:
    argv = ("login", "--issuer", server.issuer, "--client-id", "demo", "--no-browser", *more)
    with shell.start(*argv) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_token_survives_its_process(shell: Shell) -> None:
    with serve(Script(interval=SECOND)) as server:
        with signing_in(shell, server, "--scope", "read") as process:
            server.approve(line_with(USER_CODE, process))
            out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "")
        assert err.splitlines()[-1].startswith("Signed in: profile 127.0.0.1-")
        asked = server.requests
        code, out, err = shell.run("token")
        assert (code, err) == (0, "")
        assert re.fullmatch(r"at-[0-9a-f]+\n", out)
        assert server.requests == asked
        code, out, _ = shell.run("list", "--json")
        assert (code, '"scope": "read"' in out) == (0, True)


def test_events_come_as_they_happen(shell: Shell) -> None:
    with (
        serve(Script(interval=SECOND)) as server,
        signing_in(shell, server, "--json") as process,
    ):
        assert process.stdout is not None
        first = process.stdout.readline()
        assert '"event": "code_issued"' in first
        server.approve(first.partition('"user_code": "')[2][:9])
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert '"event": "authorized"' in out


def test_one_process_starts_and_another_finishes_even_after_a_third_was_killed(
    shell: Shell,
) -> None:
    with serve(Script(interval=SECOND)) as server:
        argv = ("login", "--start", "--issuer", server.issuer, "--client-id", "demo")
        code, out, err = shell.run(*argv)
        assert (code, err) == (0, "")
        started = json.loads(out)
        with shell.start("login", "--finish", "--json") as killed:
            assert killed.stdout is not None
            while '"event": "pending"' not in killed.stdout.readline():
                pass
            killed.kill()
        server.approve(started["user_code"])
        words = started["finish"].split()
        assert words[0] == "grantflow"
        code, out, err = shell.run(*words[1:])
        assert (code, out) == (0, "")
        assert "Signed in: profile" in err
        assert "slow_down" not in server.server.counts
        code, out, _ = shell.run("token")
        assert re.fullmatch(r"at-[0-9a-f]+\n", out)
        code, out, err = shell.run(*words[1:])
        assert (code, out) == (2, "")
        assert "no sign-in of" in err


def test_five_processes_refresh_once(shell: Shell) -> None:
    script = Script(interval=SECOND, approve_after=timedelta())
    with serve(script) as server:
        login = ("login", "--issuer", server.issuer, "--client-id", "demo")
        assert shell.run(*login)[0] == 0
        [path] = (shell.home / "tokens").glob("*.json")
        ended = edited(path.read_text(), expires_at="2020-01-01T00:00:00+00:00")
        path.write_text(json.dumps(ended))
        processes = [shell.start("token", "--no-input") for _ in range(5)]
        answers = [process.communicate(timeout=60) for process in processes]
        assert {process.returncode for process in processes} == {0}, answers
        assert len({out for out, _ in answers}) == 1
        assert server.server.counts["refresh"] == 1


# -- signals and pipes


@POSIX
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_ctrl_c_while_waiting_is_130_and_one_line(shell: Shell, more: tuple[str, ...]) -> None:
    with serve(Script(interval=SECOND)) as server, signing_in(shell, server, *more) as process:
        stream = process.stdout if more else process.stderr
        assert stream is not None
        while "user_code" not in stream.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "grantflow: interrupted"
    assert not (shell.home / "profiles.json").exists()


@POSIX
def test_serve_runs_until_ctrl_c(shell: Shell) -> None:
    with shell.start("serve", "--approve-after", "0") as process:
        command = line_with(r"^  grantflow (login --issuer http://127.*)$", process)
        code, _, err = shell.run(*command.split())
        process.send_signal(signal.SIGINT)
        out, rest = process.communicate(timeout=60)
    assert (code, process.returncode, out) == (0, 130, "")
    assert "Signed in" in err
    assert "Traceback" not in rest


@POSIX
def test_a_reader_that_went_away_is_met_in_silence(shell: Shell) -> None:
    with shell.start("--help") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
    assert err == ""
    assert process.returncode in (0, 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_standard_output_is_one_line(shell: Shell) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "grantflow"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=shell.environment,
            check=False,
        )
    assert (ran.returncode, ran.stderr) == (1, "grantflow: No space left on device\n")


@POSIX
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_end_in_no_traceback(shell: Shell, closed: str) -> None:
    command = f"{sys.executable} -m grantflow token --no-input {closed}"
    ran = subprocess.run(
        command, shell=True, capture_output=True, text=True, env=shell.environment, check=False
    )
    assert ran.returncode == 3
    assert "Traceback" not in ran.stderr


# -- a terminal


@POSIX
def test_at_a_terminal_there_is_a_picture_and_a_line_that_lives(shell: Shell) -> None:
    import pty

    with serve(Script(interval=SECOND)) as server:
        ours, theirs = pty.openpty()
        argv = ("login", "--issuer", server.issuer, "--client-id", "demo")
        environment = shell.environment | {"TERM": "xterm", "COLUMNS": "100", "LINES": "60"}
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "NO_COLOR"):
            environment.pop(name, None)
        with subprocess.Popen(
            [sys.executable, "-m", "grantflow", *argv],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
        ) as process:
            os.close(theirs)
            shown = until("left", ours)
            found = re.search(r"user_code=([A-Z]{4}-[A-Z]{4})", shown)
            assert found is not None
            server.approve(found[1])
            shown += until("Signed in", ours)
            assert process.wait(timeout=60) == 0
        os.close(ours)
    assert "\u2588\u2580" in shown
    assert f"code \x1b[1m{found[1]}\x1b[0m  9:5" in shown
    assert "left  waiting for approval" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1


def until(word: str, terminal: int) -> str:
    """Read from a terminal until ``word`` is there."""
    shown = b""
    while word.encode() not in shown:
        assert select.select([terminal], [], [], 20)[0], shown.decode(errors="replace")
        shown += os.read(terminal, 4096)
    return shown.decode(errors="replace")


# -- other programs


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("how", ["-H @-", '-H "$(cat)"'])
def test_curl_takes_the_header(shell: Shell, how: str) -> None:
    script = Script(interval=SECOND, approve_after=timedelta())
    with serve(script) as server:
        assert shell.run("login", "--issuer", server.issuer, "--client-id", "demo")[0] == 0
        call = f"curl -sS --noproxy '*' {how} {server.issuer}/userinfo"
        ran = subprocess.run(
            f'"{sys.executable}" -m grantflow token --format header | {call}',
            shell=True,
            capture_output=True,
            text=True,
            env=shell.environment,
            check=True,
        )
    assert '"sub": "alice"' in ran.stdout
    assert ran.stderr == ""
