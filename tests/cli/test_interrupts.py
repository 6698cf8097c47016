"""Signals to the command: what spends something is stored first; the terminal is restored."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from grantflow.cli import interrupts
from tests.cli.test_process import Shell
from tests.support.token_server import TokenServer

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals and terminals"),
    pytest.mark.timeout(120, method="thread"),
]

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
SAID = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}
signals = pytest.mark.parametrize("sent", CODES, ids=lambda each: each.name)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "home")


def login(server: TokenServer) -> tuple[str, ...]:
    endpoints = ("--device-endpoint", f"{server.issuer}/device")
    return ("login", *endpoints, "--token-endpoint", f"{server.issuer}/token", "--client-id", "x")


@signals
def test_a_refresh_that_was_sent_is_saved(sent: signal.Signals, shell: Shell) -> None:
    with TokenServer() as server:
        server.holding.remove("device_code")
        assert shell.run(*login(server))[0] == 0
        process = shell.start("token", "--renew")
        server.wait_for("refresh_token")
        process.send_signal(sent)
        server.held.set()
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (CODES[sent], "")
        assert err.splitlines()[-1] == f"grantflow: {SAID[sent]}"
        assert shell.run("token", "--no-input")[:2] == (0, "a2\n")
        assert shell.run("token", "--renew", "--no-input")[:2] == (0, "a3\n")
        assert not server.reused


@signals
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_poll_that_was_sent_is_stored_with_its_profile(
    sent: signal.Signals, more: tuple[str, ...], shell: Shell
) -> None:
    with TokenServer() as server:
        process = shell.start(*login(server), *more)
        server.wait_for("device_code")
        process.send_signal(sent)
        server.held.set()
        _, err = process.communicate(timeout=60)
        assert process.returncode == CODES[sent], err
        assert "Traceback" not in err
        assert shell.run("token", "--no-input")[:2] == (0, "a1\n")
        assert shell.run("list")[0] == 0


@pytest.mark.parametrize("kind", ["refresh_token", "device_code"])
def test_a_second_ctrl_c_leaves_at_once(kind: str, shell: Shell) -> None:
    with TokenServer() as server:
        if kind == "refresh_token":
            server.holding.remove("device_code")
            assert shell.run(*login(server))[0] == 0
        process = shell.start(*(login(server) if kind == "device_code" else ("token", "--renew")))
        server.wait_for(kind)
        while process.poll() is None:  # two of them may count as one
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.2)
        assert not server.held.is_set(), "it did not wait for the answer"
        # One more may find the interpreter at its end; a shell says 130 for that as well.
        assert process.returncode in (130, -signal.SIGINT)
        process.communicate(timeout=60)


@signals
def test_the_cursor_is_shown_again(sent: signal.Signals, shell: Shell) -> None:
    with TokenServer() as server:
        ours, theirs = pty.openpty()
        environment = shell.environment | {"TERM": "xterm", "COLUMNS": "100", "LINES": "60"}
        process = subprocess.Popen(
            [sys.executable, "-m", "grantflow", *login(server), "--no-browser", "--no-qr"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
        )
        os.close(theirs)
        shown = b""
        while b"waiting for approval" not in shown:
            shown += read(ours)
        process.send_signal(sent)
        server.held.set()
        while more := read(ours):
            shown += more
        os.close(ours)
        assert process.wait(60) == CODES[sent]
        assert shown.count(b"\x1b[?25l") == shown.count(b"\x1b[?25h") == 1


def read(terminal: int) -> bytes:
    assert select.select([terminal], [], [], 60)[0]
    try:
        return os.read(terminal, 65536)
    except OSError:  # nobody has it open any more
        return b""


@signals
def test_what_the_parent_ignores_stays_ignored(sent: signal.Signals) -> None:
    before = signal.signal(sent, signal.SIG_IGN)
    try:
        with interrupts.as_interrupts():
            signal.raise_signal(sent)
            assert signal.getsignal(sent) is signal.SIG_IGN
    finally:
        signal.signal(sent, before)


@signals
@pytest.mark.parametrize("ends", ["released", "struck again", "left"])
def test_a_held_signal_strikes_in_the_end(sent: signal.Signals, ends: str) -> None:
    def command() -> None:
        with interrupts.as_interrupts():
            interrupts.hold()
            signal.raise_signal(sent)
            going_on.append(1)
            if ends == "struck again":
                signal.raise_signal(sent)
            elif ends == "released":
                interrupts.release()
            else:
                return
            going_on.append(2)

    going_on: list[int] = []
    before = signal.signal(sent, signal.SIG_DFL)
    try:
        with pytest.raises(interrupts.SignalInterrupt) as struck:
            command()
        assert struck.value.told == (SAID[sent], CODES[sent])
        assert going_on == [1]
        assert signal.getsignal(sent) is signal.SIG_DFL
    finally:
        signal.signal(sent, before)
