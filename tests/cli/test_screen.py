"""What is seen while a sign-in runs, on terminals of every kind."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from pathlib import Path
from typing import final

import pytest

from grantflow import (
    Client,
    DeviceAuthorization,
    DeviceFlow,
    Expired,
    Instant,
    Pending,
    SlowDown,
    Started,
    run,
)
from grantflow.cli.progress.prompt import best_screen
from grantflow.cli.progress.screen import describe
from grantflow.testing import Outage, Script
from tests.support.cli_stage import Stage, Terminal

SECOND = timedelta(seconds=1)
LATE = Script(approve_after=60 * SECOND, outages=(Outage(0 * SECOND, 3 * SECOND),))
"""A server that does not answer at first, and a person who takes a minute."""


@final
class AsciiTerminal(io.TextIOWrapper):
    """A terminal of a locale without Unicode."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="ascii", errors="backslashreplace")

    def isatty(self) -> bool:
        return True

    def getvalue(self) -> str:
        self.flush()
        self.seek(0)
        return self.read()


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return Stage(tmp_path, monkeypatch, capsys)


def watched(
    stage: Stage, script: Script, terminal: Terminal | AsciiTerminal, *, columns: int = 80
) -> str:
    """Sign in before a terminal, and return everything that was written to it."""
    stage.plays(script)
    stage.monkeypatch.setenv("COLUMNS", str(columns))
    stage.monkeypatch.setattr("sys.stderr", terminal)
    view = best_screen(stage.context)
    with view:
        client = Client(provider=stage.transport.server.provider, client_id="app")
        run(DeviceFlow(client), stage.transport, stage.clock, view)
    return terminal.getvalue()


CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def lines(shown: str) -> list[str]:
    """What was written, without colours and movements."""
    return [line for line in re.split(r"[\r\n]+", CONTROL.sub("", shown)) if line]


def alive(shown: str) -> list[str]:
    """The states of the line that lives."""
    return [line for line in lines(shown) if line[0] in "\u280b\u2819\u2839\u2838\u283c\u2834-\\|/"]


def test_the_code_comes_first_and_then_what_is_waited_for(stage: Stage) -> None:
    shown = watched(stage, Script(approve_after=9 * SECOND), Terminal())
    [first, *_] = alive(shown)
    assert "\x1b[1m" in shown
    assert re.fullmatch(r". code [A-Z]{4}-[A-Z]{4}  10:00 left  waiting for approval", first)


def test_a_server_that_does_not_answer_at_first_is_told(stage: Stage) -> None:
    shown = watched(stage, LATE, Terminal())
    first = alive(shown)[0]
    assert re.fullmatch(r". no valid answer; trying again in \d seconds?", first)
    # The invitation has the lines for itself: what lived before it is gone.
    assert "To sign in, open this link in any browser, on any device:" in lines(shown)


@pytest.mark.parametrize("columns", [24, 40])
def test_a_narrow_terminal_has_one_line_with_what_matters(stage: Stage, columns: int) -> None:
    shown = watched(stage, Script(approve_after=9 * SECOND), Terminal(), columns=columns)
    states = alive(shown)
    assert states
    assert all(len(line) <= columns for line in states)
    assert all(re.match(r". code [A-Z]{4}-[A-Z]{4}  ", line) for line in states)
    assert shown.count("\x1b[1A") == 1, "more than one line was removed in the end"
    assert states[0].endswith("\u2026")


def test_the_link_is_whole_however_narrow_the_terminal_is(stage: Stage) -> None:
    shown = watched(stage, LATE, Terminal(), columns=24)
    link = re.compile(r"  https://server\.test/activate\?user_code=[A-Z]{4}-[A-Z]{4}")
    assert [line for line in lines(shown) if link.fullmatch(line)]


def test_a_terminal_without_unicode_gets_none(stage: Stage) -> None:
    shown = watched(stage, LATE, AsciiTerminal(), columns=40)
    assert alive(shown)
    assert shown.isascii()
    assert "\\u" not in shown
    assert all(line[0] in "-\\|/" for line in alive(shown))


def test_no_color_has_none(stage: Stage) -> None:
    stage.monkeypatch.setenv("NO_COLOR", "1")
    shown = watched(stage, LATE, Terminal())
    assert alive(shown)
    assert not re.search(r"\x1b\[(3|4|9|10)?\dm", shown), "neither colours nor bold text"


def test_the_line_is_gone_in_the_end_and_the_cursor_back(stage: Stage) -> None:
    shown = watched(stage, LATE, Terminal())
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")
    assert shown.rstrip("\r\n").endswith("\x1b[2K")


@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_where_no_line_can_live_there_are_plain_ones(stage: Stage, term: str) -> None:
    stage.monkeypatch.setenv("TERM", term)
    terminal = Terminal()
    if term == "xterm":  # but no terminal
        stage.monkeypatch.setattr(terminal, "isatty", lambda: False)
    shown = watched(stage, LATE, terminal)
    assert "\x1b" not in shown
    assert not alive(shown)
    waits = [line for line in lines(shown) if line.endswith(" ...")]
    assert re.fullmatch(r"No valid answer; trying again in \d seconds? \.\.\.", waits[0])
    assert waits[-1] == "Waiting for approval ..."
    assert "The code expires in 10 minutes." in lines(shown)


def test_each_state_has_its_words(stage: Stage) -> None:
    stage.plays()
    now = stage.clock.now().mono
    later = Instant(now + 5 * SECOND)
    code = DeviceAuthorization("dc", "WDJB", "https://a.example", later)
    words = {
        Started(now): None,
        Started(later, faults=1): "no valid answer; trying again in 5 seconds",
        Started(now, faults=1): "no valid answer; trying again now",
        Pending(code, SECOND, later): "waiting for approval",
        Pending(None, SECOND, now): None,
        Pending(None, SECOND, later, faults=1): "no valid answer; trying again in 5 seconds",
        Pending(code, SECOND, later, faults=2): "no valid answer; trying again in 5 seconds",
        SlowDown(code, 10 * SECOND, later): (
            "waiting for approval; polling every 10 seconds, as the server asks"
        ),
        SlowDown(None, SECOND, later, faults=1): (
            "the server asks to wait; trying again in 5 seconds"
        ),
        Expired(): None,
    }
    described = {state: describe(state, now) for state in words}
    assert {each: wait and wait.words for each, wait in described.items()} == words
